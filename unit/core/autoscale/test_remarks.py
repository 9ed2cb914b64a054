"""What is said of a plan, and that it is said once."""

from dataclasses import replace

from rayctl.core.autoscale.demand import Strategy
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.workers import WorkerState
from unit.core.autoscale.situations import (
    A,
    B,
    G,
    a_situation,
    a_snapshot,
    a_worker,
    demand,
    gang,
    planned,
)


def texts(*asked: object, **fields: object) -> list[str]:
    return [remark.text for remark in planned(*asked, **fields).remarks]  # type: ignore[arg-type]


def test_a_launch_is_told_with_what_it_is_for() -> None:
    assert texts(demand(2, GPU=1), types=[A, G]) == ["Adding 2 nodes of type g: for 2 x {GPU: 1}"]


def test_a_launch_for_a_minimum_is_told_as_that() -> None:
    assert texts(types=[replace(A, minimum=1)]) == ["Adding 1 node of type a: for its minWorkers"]


def test_a_removal_is_told_with_its_reason() -> None:
    workers = [a_worker(A, WorkerState.IDLE, idle=62.0)]

    assert texts(types=[A], workers=workers) == ["Removing 1 node of type a (idle for 62 s)"]


def test_what_no_type_can_hold_is_told_with_the_largest() -> None:
    assert texts(demand(CPU=64), types=[A, B]) == [
        "No available node type can fulfill {CPU: 64}: largest is b with 8"
    ]


def test_what_no_type_has_at_all_is_told_as_that() -> None:
    assert texts(demand(TPU=1), types=[A]) == [
        "No available node type can fulfill {TPU: 1}: none has any TPU"
    ]


def test_a_group_that_no_type_can_hold_is_told_with_each_types_reason() -> None:
    assert texts(gang(Strategy.STRICT_PACK, demand(2, CPU=3)), types=[A]) == [
        "No available node type can fulfill 1 x STRICT_PACK of 2 x {CPU: 3}: a offers CPU 4, 6 asked in all"
    ]


def test_29_minimums_above_the_clusters_maximum_are_told() -> None:
    (remark,) = planned(
        types=[replace(A, minimum=3)], workers=[a_worker(A), a_worker(A)], cluster_maximum=2
    ).remarks

    assert remark.warning
    assert remark.text == "The types' minWorkers together exceed the cluster's maxWorkers 2 by 1"


def test_what_stands_is_told_once_and_again_when_it_comes_back() -> None:
    situation = a_situation(demand(CPU=64), types=[A])
    first = plan(situation)
    second = plan(replace(situation, memory=first.memory))
    without = plan(replace(situation, memory=second.memory, asked=a_snapshot(version=2)))
    again = plan(replace(situation, memory=without.memory, asked=a_snapshot(demand(CPU=64), version=3)))

    assert [len(each.remarks) for each in (first, second, without, again)] == [1, 0, 0, 1]


def test_each_type_is_told_why_it_was_chosen_or_not() -> None:
    (coming,) = planned(demand(3, CPU=1), types=[A, G, replace(B, maximum=0)]).coming

    assert [reason.text for reason in coming.reasons] == [
        "fits; chosen: 75 % used",
        "fits; GPU would idle",
        "fits; maxWorkers 0 (cluster: 10000) reached",
    ]


def test_what_upscaling_speed_holds_back_is_told_as_that() -> None:
    (coming,) = planned(demand(50, CPU=4), types=[replace(A, maximum=100)]).coming

    assert [reason.text for reason in coming.reasons] == ["fits; upscalingSpeed: 5 launching"]

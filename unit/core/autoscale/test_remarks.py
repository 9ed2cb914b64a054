"""What is said of a plan, and that it is said once."""

from dataclasses import replace

import pytest

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.block import Block, BlockCause
from rayctl.core.autoscale.demand import Strategy
from rayctl.core.autoscale.memory import SAY_AGAIN, Memory
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.workers import WorkerState
from unit.core.autoscale.situations import (
    NOW,
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


@pytest.mark.parametrize(("away", "times"), [(SAY_AGAIN - 1, 0), (SAY_AGAIN, 1)])
def test_what_stands_is_told_once_and_again_when_it_comes_back_after_a_while(away: float, times: int) -> None:
    situation = a_situation(demand(CPU=64), types=[A])
    first = plan(situation)
    second = plan(replace(situation, memory=first.memory))
    without = plan(replace(situation, memory=second.memory, asked=a_snapshot(version=2)))
    later = replace(situation, memory=without.memory, now=Monotonic(situation.now + away))
    again = plan(replace(later, asked=a_snapshot(demand(CPU=64), version=3)))

    assert [len(each.remarks) for each in (first, second, without, again)] == [1, 0, 0, times]
    assert [len(each.memory.told) for each in (first, second, without, again)] == [1, 1, 0, 1]


def test_what_waits_is_told_with_what_keeps_the_types_that_would_take_it_and_without_its_number() -> None:
    workers = [a_worker(A, available={})]

    assert texts(demand(9, CPU=4), types=[replace(A, maximum=1)], workers=workers) == [
        "{CPU: 4} waits: a fits, maxWorkers 1 (cluster: 10000) reached"
    ]


def test_what_waits_for_a_type_in_trouble_is_told_the_same_at_each_look() -> None:
    block = Block(A.fingerprint, 1, NOW, Monotonic(1e6), BlockCause.UNSCHEDULABLE, "0/5 nodes")
    memory = Memory(session="session_1", version=1, blocks={A.name: block})
    told = (
        plan(a_situation(demand(CPU=1), types=[A], memory=memory, now=Monotonic(NOW + later))).memory.told
        for later in (0.0, 1.0)
    )

    first, second = told
    assert first == second
    assert "{CPU: 1} waits: a fits, left alone for now, its pods are unschedulable" in first


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

"""The design's scenarios 36, 52 to 54, and upscalingSpeed: what a plan owes to those before it, and costs."""

from dataclasses import replace

import pytest

from rayctl.core.autoscale.demand import Strategy
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import WorkerState
from unit.core.autoscale.situations import (
    A,
    B,
    G,
    a_situation,
    a_worker,
    amounts,
    an_offer,
    demand,
    gang,
    launched,
    planned,
)


def test_36_launches_grow_with_what_runs() -> None:
    situation = a_situation(demand(100, CPU=4), types=[replace(A, maximum=1000)])
    launches = []

    while situation.asked.demands[0].count:
        outcome = plan(situation)
        launches.append(outcome.launch[A.name])
        situation = launched(situation, outcome)
        assert not plan(situation).launch
        situation = joined(situation)

    assert launches == [5, 5, 10, 20, 40, 20]


def joined(situation: Situation) -> Situation:
    """What is on its way has joined, and Ray has put a task on each."""
    coming = [worker for worker in situation.workers if worker.state is WorkerState.PENDING]
    workers = [
        replace(worker, state=WorkerState.RUNNING, total=A.resources, available={}, labels=A.labels)
        if worker in coming
        else worker
        for worker in situation.workers
    ]
    (asked,) = situation.asked.demands
    left = replace(asked, count=asked.count - len(coming))
    return replace(situation, workers=tuple(workers), asked=replace(situation.asked, demands=(left,)))


@pytest.mark.parametrize(
    ("speed", "running", "launch"),
    [
        pytest.param(0.1, 0, 5, id="never fewer than five"),
        pytest.param(1.0, 7, 7, id="as many as run"),
        pytest.param(0.1, 51, 6, id="a fraction of a worker is a worker"),
        pytest.param(0.1, 50, 5, id="a tenth of fifty is five, not a little more"),
        pytest.param(2.5, 3, 8, id="faster than doubling"),
    ],
)
def test_upscaling_speed_bounds_what_launches_at_once(speed: float, running: int, launch: int) -> None:
    outcome = planned(
        demand(500, CPU=4),
        types=[replace(A, maximum=1000)],
        workers=[a_worker(A) for _ in range(running)],
        speed=speed,
    )

    assert outcome.launch == {"a": launch}
    assert outcome.held_back == {"a": 500 - launch}


def test_upscaling_speed_does_not_hold_back_request_resources() -> None:
    outcome = planned(request=[demand(50, CPU=4)], types=[replace(A, maximum=1000)], speed=0.1)

    assert outcome.launch == {"a": 50}


def test_upscaling_speed_does_not_hold_back_placement_groups() -> None:
    bundles = gang(Strategy.PACK, demand(50, CPU=4))

    outcome = planned(bundles, types=[replace(A, maximum=1000)], speed=0.1)

    assert outcome.launch == {"a": 50}


def test_a_slow_type_does_not_hold_up_another() -> None:
    outcome = planned(demand(50, CPU=4), demand(3, GPU=1), types=[replace(A, maximum=100), G], speed=0.1)

    assert outcome.launch == {"a": 5, "g": 3}


def test_52_demand_that_comes_in_two_steps_launches_no_node_too_many() -> None:
    types = [replace(A, maximum=1000)]
    situation = a_situation(demand(5, CPU=1), types=types, speed=1000.0, workers=[a_worker(A)])
    first = plan(situation)
    situation = launched(situation, first)
    situation = replace(situation, asked=replace(situation.asked, demands=(demand(1000, CPU=1),)))

    second = plan(situation)

    assert first.launch[A.name] + second.launch[A.name] == 250


def test_53_a_tick_after_a_launch_nothing_is_launched() -> None:
    situation = a_situation(demand(7, CPU=1), gang(Strategy.PACK, demand(3, CPU=3)), types=[A])
    outcome = plan(situation)

    again = plan(launched(situation, outcome))

    assert outcome.launch
    assert not again.launch


def test_nodes_on_their_way_keep_room_for_what_they_were_launched_for() -> None:
    """A new, harder demand must not push out what was counted on, only to have it launch once more."""
    types = [replace(B, maximum=10)]
    situation = a_situation(demand(8, CPU=1), types=types)
    situation = launched(situation, plan(situation))
    situation = replace(
        situation, asked=replace(situation.asked, demands=(demand(8, CPU=1), demand(2, CPU=4)))
    )

    assert plan(situation).launch == {"b": 1}


def test_54_ten_times_the_demands_take_no_more_than_twice_the_steps() -> None:
    shapes = [
        demand(CPU=1),
        demand(CPU=2, memory=4),
        demand(CPU=8, memory=16),
        demand(CPU=4, GPU=1),
        demand(CPU=3),
    ]
    types = [
        an_offer("s", CPU=4, memory=16, maximum=5000),
        an_offer("l", CPU=32, memory=128, GPU=4, maximum=5000),
    ]
    workers = [
        a_worker(types[0], available=amounts(CPU=1 + index % 3, memory=index % 13)) for index in range(1000)
    ]

    ten, one = (
        planned(*(replace(each, count=count) for each in shapes), types=types, workers=workers, speed=1000.0)
        for count in (2000, 200)
    )

    assert sum(ten.launch.values()) > sum(one.launch.values())
    assert ten.steps < 2 * one.steps

"""What a plan costs as its input grows: lines of the planner's code that are run, not seconds.

Demands and nodes are counted, never walked over one by one for each other: twice as many of either may cost
twice as much, not four times.
"""

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from rayctl.core.autoscale.demand import Demand, GroupId, Strategy
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import Worker, WorkerState
from unit.core.autoscale.situations import (
    a_situation,
    a_worker,
    amounts,
    an_offer,
    demand,
    gang,
    launched,
)

SMALL = an_offer("small", CPU=4, memory=16, maximum=10**6)
LARGE = an_offer("large", CPU=32, memory=128, GPU=4, maximum=10**6)
SHAPES = (
    demand(CPU=1),
    demand(CPU=2, memory=4),
    demand(CPU=8, memory=16),
    demand(CPU=4, GPU=1),
    demand(CPU=3),
)


def lines_run(situation: Situation) -> int:
    """Return how many lines of the planner a plan runs."""
    count = 0

    def local(_frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return local

    def trace(frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any] | None:
        return local if "autoscale" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        plan(situation)
    finally:
        sys.settrace(before)
    return count


def asking(times: int, workers: Sequence[Worker] = ()) -> Situation:
    asked = [Demand(each.shape, times) for each in SHAPES]
    return a_situation(*asked, types=[SMALL, LARGE], workers=workers, cluster_maximum=10**6, speed=10**6)


def distinct(count: int) -> Situation:
    asked = [demand(CPU=1 + number % 7, memory=0.001 * (number + 1)) for number in range(count)]
    return a_situation(*asked, types=[SMALL, LARGE], cluster_maximum=10**6, speed=10**6)


def equal_nodes(count: int) -> list[Worker]:
    return [a_worker(SMALL, available=amounts(CPU=2, memory=3)) for _ in range(count)]


def unlike_nodes(count: int) -> list[Worker]:
    return [
        a_worker(SMALL, available=amounts(CPU=number % 4, memory=number * 16 / count))
        for number in range(count)
    ]


def idle_nodes(count: int) -> list[Worker]:
    return [a_worker(SMALL, WorkerState.IDLE) for _ in range(count)]


def spread_groups(count: int) -> Situation:
    asked = [
        gang(Strategy.STRICT_SPREAD, demand(3, CPU=1), group=GroupId(f"{number:x}"))
        for number in range(count)
    ]
    return a_situation(*asked, types=[SMALL, LARGE], cluster_maximum=10**6)


def starting(count: int) -> Situation:
    situation = asking(count)
    return launched(situation, plan(situation))


@pytest.mark.parametrize(
    ("little", "much", "times"),
    [
        pytest.param(asking(100), asking(10_000), 1.2, id="a hundred times the demands, of the same shapes"),
        pytest.param(distinct(600), distinct(1200), 2.2, id="twice the demands, all different"),
        pytest.param(
            asking(100, equal_nodes(300)), asking(100, equal_nodes(600)), 2.2, id="twice the nodes, all equal"
        ),
        pytest.param(
            asking(100, unlike_nodes(300)),
            asking(100, unlike_nodes(600)),
            2.3,
            id="twice the nodes, all different",
        ),
        pytest.param(
            asking(100, idle_nodes(300)), asking(100, idle_nodes(600)), 2.2, id="twice the idle nodes"
        ),
        pytest.param(
            asking(100, unlike_nodes(300)),
            asking(10_000, unlike_nodes(300)),
            2.0,
            id="a hundred times the demands on nodes that differ",
        ),
        pytest.param(starting(300), starting(600), 2.2, id="twice the nodes on their way"),
        pytest.param(spread_groups(20), spread_groups(40), 2.6, id="twice the strictly spread groups"),
    ],
)
def test_what_a_plan_costs(little: Situation, much: Situation, times: float) -> None:
    assert lines_run(much) <= times * lines_run(little)

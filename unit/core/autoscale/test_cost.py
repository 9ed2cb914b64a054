"""What a plan costs as its input grows: instructions that are run, not seconds.

Demands and nodes are counted, never walked over one by one for each other: twice as many of either, or of the
resources and labels that they are told apart by, may cost twice as much, not four times. The one exception are
the different bundles of one placement group that need not be apart, of which real ones have few.
"""

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from rayctl.core.autoscale.demand import Demand, GroupId, Strategy
from rayctl.core.autoscale.effort import MOST_STEPS, affordable, estimated_steps
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import Worker, WorkerState
from unit.core.autoscale.situations import (
    a_situation,
    a_worker,
    amounts,
    an_offer,
    anywhere_of,
    demand,
    gang,
    is_in,
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


def steps_run(situation: Situation) -> int:
    """Return how many of the interpreter's instructions a plan runs: a comprehension's, too, one by one."""
    count = 0

    def local(_frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:
        nonlocal count
        count += event == "opcode"
        return local

    def trace(frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any] | None:
        if "autoscale" not in frame.f_code.co_filename:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return local

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


def distinct_request(count: int) -> Situation:
    return a_situation(request=distinct(count).asked.demands, types=[SMALL, LARGE], cluster_maximum=10**6)


def odd_resources(count: int) -> Situation:
    """As a head may send that means harm: each demand is for a resource that nobody has heard of."""
    asked = [demand(CPU=1, **{f"odd-{number}": 1}) for number in range(count)]
    return a_situation(*asked, *SHAPES, types=[SMALL, LARGE], cluster_maximum=10**6, speed=10**6)


def own_resources(count: int) -> Situation:
    kinds: dict[str, Any] = {f"kind-{number}": 8 for number in range(count)}
    wide = an_offer("wide", CPU=64, maximum=10**6, **kinds)
    asked = [demand(CPU=1, **{kind: 1}) for kind in kinds]
    return a_situation(*asked, types=[SMALL, wide], workers=idle_nodes(20), cluster_maximum=10**6)


def own_labels(count: int) -> Situation:
    asked = [anywhere_of(is_in(f"key-{number}", "x"), CPU=1) for number in range(count)]
    return a_situation(*asked, *SHAPES, types=[SMALL, LARGE], cluster_maximum=10**6, speed=10**6)


def unlike_groups(count: int) -> Situation:
    asked = [gang(Strategy.PACK, demand(2, CPU=1 + number % 30, memory=number)) for number in range(count)]
    return a_situation(*asked, types=[SMALL, LARGE], cluster_maximum=10**6)


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


def starting(situation: Situation) -> Situation:
    return launched(situation, plan(situation))


def one_group(strategy: Strategy, count: int, workers: Sequence[Worker] = ()) -> Situation:
    """Many bundles, each of them different; what a node has too little of is memory."""
    bundles = [demand(CPU=1 + number / 1000, memory=15) for number in range(count)]
    group = GroupId("aa") if strategy is Strategy.STRICT_SPREAD else GroupId("")
    return a_situation(
        gang(strategy, *bundles, group=group),
        types=[an_offer("node", CPU=64, memory=16, maximum=10**6)],
        workers=workers,
        cluster_maximum=10**6,
    )


@pytest.mark.parametrize(
    ("little", "much", "times"),
    [
        pytest.param(asking(100), asking(10_000), 1.2, id="a hundred times the demands, of the same shapes"),
        pytest.param(distinct(1500), distinct(3000), 2.2, id="twice the demands, all different"),
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
        pytest.param(starting(asking(300)), starting(asking(600)), 2.2, id="twice the nodes on their way"),
        pytest.param(
            distinct_request(1500), distinct_request(3000), 2.2, id="twice the request, all different"
        ),
        pytest.param(odd_resources(300), odd_resources(600), 2.2, id="twice the resources that nobody has"),
        pytest.param(own_resources(60), own_resources(120), 2.2, id="twice the resources of a type"),
        pytest.param(own_labels(80), own_labels(160), 2.4, id="twice the labels"),
        pytest.param(unlike_groups(100), unlike_groups(200), 2.2, id="twice the groups, all different"),
        pytest.param(spread_groups(20), spread_groups(40), 2.6, id="twice the strictly spread groups"),
        pytest.param(
            one_group(Strategy.STRICT_SPREAD, 200),
            one_group(Strategy.STRICT_SPREAD, 400),
            2.2,
            id="twice the bundles of a strictly spread group, all different",
        ),
        pytest.param(
            starting(one_group(Strategy.STRICT_SPREAD, 200)),
            starting(one_group(Strategy.STRICT_SPREAD, 400)),
            2.2,
            id="twice the nodes on their way, each for another bundle",
        ),
    ],
)
def test_what_a_plan_costs(little: Situation, much: Situation, times: float) -> None:
    assert steps_run(much) <= times * steps_run(little)


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(distinct(500), id="demands"),
        pytest.param(unlike_groups(200), id="placement groups"),
        pytest.param(spread_groups(100), id="strictly spread groups"),
        pytest.param(one_group(Strategy.STRICT_SPREAD, 300), id="bundles apart"),
        pytest.param(
            one_group(Strategy.STRICT_SPREAD, 200, unlike_nodes(200)), id="bundles apart that no node takes"
        ),
        pytest.param(one_group(Strategy.PACK, 300), id="bundles together"),
        pytest.param(
            one_group(Strategy.PACK, 200, unlike_nodes(200)), id="bundles together that no node takes"
        ),
    ],
)
def test_what_a_plan_costs_is_known_before_it_is_made(situation: Situation) -> None:
    """A step is about a microsecond, in which up to 100 instructions are run."""
    estimated = estimated_steps(situation.asked, len(situation.workers), len(situation.offers))

    assert steps_run(situation) <= 100 * estimated


def test_what_would_take_too_long_is_left_out_group_by_group() -> None:
    small = gang(Strategy.PACK, demand(CPU=1))
    huge = gang(Strategy.PACK, *(demand(CPU=1 + number / 1000) for number in range(3000)))
    asked = a_situation(demand(CPU=2), small, huge, small, types=[SMALL]).asked

    within = affordable(asked, 100, 1)

    assert within.demands == asked.demands
    assert within.gangs == (small, small)
    assert within.left_out == 1


def test_a_large_group_beside_many_workers_is_planned() -> None:
    bundles = (demand(CPU=1 + number / 1000) for number in range(1000))
    asked = a_situation(gang(Strategy.PACK, *bundles), types=[SMALL]).asked

    assert affordable(asked, 1000, 3) is asked
    assert 2 * estimated_steps(asked, 1000, 3) < 1.2 * MOST_STEPS

"""A cluster at rest: as long as nothing new is said, a plan would change nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.block import refuse
from rayctl.core.autoscale.demand import NodeId, NodeStatus, RayNode, Snapshot, Strategy
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.rest import AT_MOST, Rest, rest_of
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import Worker, WorkerState
from unit.core.autoscale.situations import (
    NOW,
    a_situation,
    a_snapshot,
    a_worker,
    an_offer,
    demand,
    gang,
    launched,
)

ONE = an_offer("one", CPU=4, minimum=1)
NONE = an_offer("none", CPU=4)
LATER = Monotonic(NOW + AT_MOST - 0.1)


def a_node(pod: str, status: NodeStatus = NodeStatus.IDLE, idle_ms: int = 0) -> RayNode:
    return RayNode(NodeId(f"node-of-{pod}"), pod, "one", status, {}, {}, {}, idle_ms, frozenset())


def resting(*more: Worker, state: WorkerState = WorkerState.IDLE) -> Situation:
    workers = (a_worker(ONE, state, pod="w"), *more)
    asked = a_snapshot(nodes=(a_node("w"),))
    return replace(a_situation(types=(ONE, NONE), workers=workers), asked=asked)


def rest(situation: Situation) -> Rest | None:
    return rest_of(situation, plan(situation))


@given(
    st.sampled_from([WorkerState.IDLE, WorkerState.RUNNING]),
    st.floats(0, 10_000),
    st.floats(0, AT_MOST - 0.1),
)
def test_a_plan_made_at_rest_changes_nothing(state: WorkerState, idle: float, after: float) -> None:
    situation = resting(state=state)
    situation = replace(situation, workers=(replace(situation.workers[0], idle=idle),))
    made = plan(situation)

    later = launched(situation, made, after)
    again = plan(later)

    begun = rest_of(situation, made)
    assert begun is not None
    assert begun.goes_on(later.asked, later.now)
    assert (again.targets, again.launch, again.leave) == (made.targets, {}, ())


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(resting(a_worker(NONE)), id="a worker over the minimum, though it works"),
        pytest.param(a_situation(types=(ONE,)), id="a worker is missing"),
        pytest.param(resting(state=WorkerState.STARTING), id="a worker is on its way"),
        pytest.param(resting(state=WorkerState.LOST), id="a worker is lost"),
        pytest.param(replace(resting(), asked=a_snapshot(demand(CPU=1))), id="a task"),
        pytest.param(
            replace(resting(), asked=a_snapshot(gang(Strategy.PACK, demand(CPU=1)))), id="a placement group"
        ),
        pytest.param(replace(resting(), asked=a_snapshot(request=[demand(CPU=1)])), id="a request"),
        pytest.param(replace(resting(), asked=a_snapshot(left_out=1)), id="what is not understood"),
        pytest.param(
            replace(resting(), memory=Memory(blocks=refuse({}, NONE, "quota", NOW))),
            id="a type that is blocked",
        ),
        pytest.param(replace(resting(), memory=Memory(kept_at={"w": NOW})), id="a drain that was refused"),
    ],
)
def test_no_rest_begins_with(situation: Situation) -> None:
    assert rest(situation) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda seen: replace(seen, demands=(demand(CPU=1),)), id="a task"),
        pytest.param(lambda seen: replace(seen, gangs=(gang(Strategy.PACK, demand(CPU=1)),)), id="a group"),
        pytest.param(lambda seen: replace(seen, constraint=(demand(CPU=1),)), id="a request"),
        pytest.param(lambda seen: replace(seen, left_out=1), id="what is not understood"),
        pytest.param(lambda seen: replace(seen, session="another"), id="another life of Ray's"),
        pytest.param(lambda seen: replace(seen, version=0), id="a GCS that started anew"),
        pytest.param(lambda seen: replace(seen, nodes=()), id="a node that is gone"),
        pytest.param(lambda seen: replace(seen, nodes=(a_node("w"), a_node("x"))), id="a node that came"),
        pytest.param(
            lambda seen: replace(seen, nodes=(a_node("w", NodeStatus.DEAD),)), id="a node that died"
        ),
    ],
)
def test_rest_ends_with(change: Callable[[Snapshot], Snapshot]) -> None:
    situation = resting()
    begun = rest(situation)

    assert begun is not None
    assert not begun.goes_on(change(situation.asked), LATER)


def test_rest_ends_by_itself_and_not_with_a_clock_of_rays() -> None:
    situation = resting()
    begun = rest(situation)
    idle_for_longer = replace(situation.asked, version=9, nodes=(a_node("w", idle_ms=4000),))

    assert begun is not None
    assert begun.goes_on(idle_for_longer, LATER)
    assert not begun.goes_on(idle_for_longer, Monotonic(NOW + AT_MOST))

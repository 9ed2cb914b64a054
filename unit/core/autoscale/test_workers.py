"""A pod and its Ray node as one worker: the states of the design's §1, scenarios 3 to 5, 43 to 46."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.names import TypeName
from rayctl.core.autoscale.demand import GroupId, NodeId, NodeStatus, Other, RayNode
from rayctl.core.autoscale.workers import (
    History,
    PodVerdict,
    Worker,
    WorkerPod,
    WorkerState,
    join,
)
from unit.core.autoscale.situations import a_snapshot, amounts

POD = WorkerPod(name="pod-a", type=TypeName("a"), verdict=PodVerdict.READY)
HAD_JOINED = History(joined=frozenset({POD.name}))
NOTHING = History()


def a_node(**fields: Any) -> RayNode:
    given: dict[str, Any] = {
        "node_id": NodeId("01"),
        "pod": POD.name,
        "type": "a",
        "status": NodeStatus.RUNNING,
        "total": amounts(CPU=4),
        "available": amounts(CPU=1),
        "labels": {"zone": "north"},
        "idle_ms": 0,
        "groups": frozenset(),
        "ip": "10.0.0.1",
    }
    return RayNode(**given | fields)


def the_worker(pod: WorkerPod, *nodes: RayNode, history: History = NOTHING) -> Worker:
    (worker,) = join([pod], a_snapshot(nodes=nodes), history)
    return worker


IDLE = a_node(status=NodeStatus.IDLE, idle_ms=90_000)


@pytest.mark.parametrize(
    ("pod", "nodes", "history", "state"),
    [
        pytest.param(POD, [a_node()], NOTHING, WorkerState.RUNNING, id="busy"),
        pytest.param(POD, [IDLE], NOTHING, WorkerState.IDLE, id="idle"),
        pytest.param(
            POD,
            [replace(IDLE, groups=frozenset({GroupId("aa")}))],
            NOTHING,
            WorkerState.RUNNING,
            id="31 idle by its status, with a placement group on it",
        ),
        pytest.param(
            POD, [a_node(status=NodeStatus.DRAINING)], NOTHING, WorkerState.DRAINING, id="Ray drains it"
        ),
        pytest.param(
            POD,
            [IDLE],
            History(drained=frozenset({POD.name})),
            WorkerState.DRAINING,
            id="its drain was accepted, which Ray's status does not show yet",
        ),
        pytest.param(
            POD, [a_node(status=Other("SUSPECT"))], NOTHING, WorkerState.RUNNING, id="a status of tomorrow"
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.STARTING),
            [IDLE],
            NOTHING,
            WorkerState.IDLE,
            id="in Ray before Kubernetes finds it Ready",
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.REQUESTED),
            [],
            NOTHING,
            WorkerState.REQUESTED,
            id="just asked for",
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.PENDING), [], NOTHING, WorkerState.PENDING, id="no node yet"
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.STARTING), [], NOTHING, WorkerState.STARTING, id="starting"
        ),
        pytest.param(POD, [], NOTHING, WorkerState.STARTING, id="Ready and not in Ray yet"),
        pytest.param(
            replace(POD, verdict=PodVerdict.UNSCHEDULABLE), [], NOTHING, WorkerState.STUCK, id="unschedulable"
        ),
        pytest.param(replace(POD, verdict=PodVerdict.FAILING), [], NOTHING, WorkerState.STUCK, id="failing"),
        pytest.param(POD, [], HAD_JOINED, WorkerState.LOST, id="46 was in Ray and is not any more"),
        pytest.param(
            replace(POD, verdict=PodVerdict.GONE_BAD),
            [a_node(status=NodeStatus.DEAD)],
            NOTHING,
            WorkerState.LOST,
            id="43 dead in Ray, the pod runs",
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.STARTING),
            [a_node(status=NodeStatus.DEAD)],
            HAD_JOINED,
            WorkerState.STARTING,
            id="dead in Ray, the pod may be starting again",
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.STARTING, ip="10.0.0.2"),
            [a_node(status=NodeStatus.DEAD)],
            NOTHING,
            WorkerState.STARTING,
            id="dead in Ray is a namesake",
        ),
        pytest.param(
            POD,
            [a_node(status=NodeStatus.DEAD), a_node(node_id=NodeId("02"))],
            HAD_JOINED,
            WorkerState.RUNNING,
            id="45 one node dead, one alive",
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.GONE_BAD),
            [a_node()],
            HAD_JOINED,
            WorkerState.LOST,
            id="alive in Ray, the pod not Ready for a minute",
        ),
        pytest.param(
            replace(POD, verdict=PodVerdict.TERMINATING),
            [a_node()],
            NOTHING,
            WorkerState.TERMINATING,
            id="on its way out",
        ),
        pytest.param(replace(POD, head=True), [a_node()], NOTHING, WorkerState.HEAD, id="the head"),
    ],
)
def test_what_a_worker_is(pod: WorkerPod, nodes: list[RayNode], history: History, state: WorkerState) -> None:
    assert the_worker(pod, *nodes, history=history).state is state


def test_of_two_living_nodes_in_one_pod_none_is_idle() -> None:
    """Ray may not know yet which of them is dead; a drain of that one would cost the other."""
    twin = replace(IDLE, node_id=NodeId("02"), idle_ms=70_000)

    assert the_worker(POD, IDLE, twin).state is WorkerState.RUNNING


def test_a_worker_has_what_ray_says_of_its_node() -> None:
    worker = the_worker(POD, IDLE)

    assert worker.available == amounts(CPU=1)
    assert worker.labels == {"zone": "north"}
    assert worker.idle == 90.0
    assert worker.node_id == "01"


def test_44_a_node_without_a_pod_of_ours_is_foreign() -> None:
    (worker,) = join([], a_snapshot(nodes=[a_node(pod="")]), NOTHING)

    assert worker.state is WorkerState.FOREIGN
    assert worker.available == amounts(CPU=1)


@pytest.mark.parametrize(
    ("node", "history"),
    [
        pytest.param(a_node(), History(deleted=frozenset({POD.name})), id="we deleted its pod just now"),
        pytest.param(a_node(status=NodeStatus.DEAD), NOTHING, id="it is dead"),
    ],
)
def test_44_a_node_without_a_pod_is_passed_over(node: RayNode, history: History) -> None:
    assert not join([], a_snapshot(nodes=[node]), history)


@given(
    st.lists(st.sampled_from([a_node(status=status) for status in NodeStatus] + [IDLE]), max_size=4),
    st.sampled_from(PodVerdict),
    st.booleans(),
)
def test_each_pod_is_one_worker(nodes: list[RayNode], verdict: PodVerdict, head: bool) -> None:
    workers = join([replace(POD, verdict=verdict, head=head)], a_snapshot(nodes=nodes), NOTHING)

    assert [worker.pod for worker in workers] == [POD.name]

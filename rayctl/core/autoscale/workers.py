"""The workers of a cluster: its pods, each with the Ray node that runs in it, and what that makes of it.

A pod and a node belong together by the pod's name, which each of our pods gives to Ray as its instance id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rayctl.api.moment import Seconds
from rayctl.api.names import TypeName
from rayctl.core.autoscale.demand import Amounts, GroupId, NodeId, NodeStatus, RayNode, Snapshot

NO_NODE = NodeId("")


class PodVerdict(StrEnum):
    """What Kubernetes' view says of a worker's pod; the clocks and time-outs behind it are not ours."""

    REQUESTED = "requested"
    """Its creation was asked for; the cache has not seen it."""
    PENDING = "pending"
    """Waits for a Kubernetes node, not yet for long."""
    STARTING = "starting"
    """Has a Kubernetes node and is not Ready yet, or no more; not for too long."""
    READY = "ready"
    UNSCHEDULABLE = "unschedulable"
    """Has waited for a Kubernetes node for long."""
    FAILING = "failing"
    """Its image can't be had, its container keeps ending, or it does not join Ray in time."""
    GONE_BAD = "gone bad"
    """It has ended, or was Ready once and is not any more for a minute."""
    TERMINATING = "terminating"


@dataclass(frozen=True, slots=True)
class WorkerPod:
    """A pod of a cluster, as far as planning needs to know it."""

    name: str
    type: TypeName
    verdict: PodVerdict
    head: bool = False
    fingerprint: str = ""
    slice: str = ""
    """What it is one host of, where its type has several; pods of one slice come and go together."""
    why: str = ""
    """Kubernetes' words for a bad verdict, or what it waits for."""
    age: Seconds = 0.0
    """Since it was made."""
    ip: str = ""


class WorkerState(StrEnum):
    """What a worker is to the planner."""

    REQUESTED = "requested"
    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    DRAINING = "draining"
    STUCK = "stuck"
    LOST = "lost"
    TERMINATING = "terminating"
    FOREIGN = "foreign"
    """Alive in Ray without a pod of ours."""
    HEAD = "head"


UNJOINED = frozenset({WorkerState.REQUESTED, WorkerState.PENDING, WorkerState.STARTING})
"""On their way into Ray: capacity that is as good as there."""

UNSCHEDULED = frozenset({WorkerState.REQUESTED, WorkerState.PENDING})

JOINED = frozenset({WorkerState.RUNNING, WorkerState.IDLE})

ALIVE = JOINED | {WorkerState.FOREIGN, WorkerState.HEAD}
"""What is there and takes work now."""

COUNTED = UNJOINED | JOINED | {WorkerState.DRAINING, WorkerState.STUCK, WorkerState.LOST}
"""What stands for a pod that minimum and maximum are about."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker, the head, or a node that nobody knows."""

    pod: str
    """'' for a node that says nothing of a pod."""
    type: TypeName
    state: WorkerState
    node_id: NodeId = NO_NODE
    """'' where there is no Ray node."""
    total: Amounts = field(default_factory=dict)
    available: Amounts = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[GroupId] = frozenset()
    idle: Seconds = 0.0
    """By Ray's clock at the time of its answer."""
    ip: str = ""
    fingerprint: str = ""
    slice: str = ""
    verdict: PodVerdict | None = None
    """None where there is no pod."""
    why: str = ""
    age: Seconds = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """What was seen or done before and bears upon what a worker is now."""

    joined: frozenset[str] = frozenset()
    """Pods whose node Ray had among its living ones at an earlier look."""
    drained: frozenset[str] = frozenset()
    """Pods whose drain was accepted."""
    deleted: frozenset[str] = frozenset()
    """Pods that we deleted in the last minute: their nodes may outlive them in Ray's view."""


def join(pods: Iterable[WorkerPod], snapshot: Snapshot, history: History) -> tuple[Worker, ...]:
    """Return the workers, the head and unknown nodes: each pod once, each living node at most once."""
    nodes: dict[str, list[RayNode]] = {}
    for node in snapshot.nodes:
        nodes.setdefault(node.pod, []).append(node)
    workers = [_worker(pod, nodes.pop(pod.name, []), history) for pod in pods if pod.name]
    workers += [
        _foreign(node)
        for name, others in nodes.items()
        if name not in history.deleted
        for node in others
        if node.status is not NodeStatus.DEAD
    ]
    return tuple(workers)


def may_be_of(node: RayNode, ip: str) -> bool:
    """Return whether a node of a pod's name was in that pod, by its address: a namesake had another."""
    return not (ip and node.ip and ip != node.ip)


def _worker(pod: WorkerPod, nodes: Sequence[RayNode], history: History) -> Worker:
    living = sorted((node for node in nodes if node.status is not NodeStatus.DEAD), key=_freshest)
    node = living[0] if living else None
    died = any(may_be_of(each, pod.ip) for each in nodes)
    state = _state(pod, node, history, lost=not died and pod.name in history.joined)
    if len(living) > 1 and state is WorkerState.IDLE:
        # The container started again and Ray does not yet know that its first node is dead. Whichever of the
        # two is the dead one, a drain of it would be accepted, and the pod removed with the live one in it.
        state = WorkerState.RUNNING
    return Worker(
        pod=pod.name,
        type=pod.type,
        state=state,
        node_id=node.node_id if node else NO_NODE,
        total=node.total if node else {},
        available=node.available if node else {},
        labels=node.labels if node else {},
        groups=node.groups if node else frozenset(),
        idle=node.idle_ms / 1000 if node else 0.0,
        ip=node.ip if node else "",
        fingerprint=pod.fingerprint,
        slice=pod.slice,
        verdict=pod.verdict,
        why=pod.why,
        age=pod.age,
    )


def _freshest(node: RayNode) -> tuple[int, NodeId]:
    return node.idle_ms, node.node_id


def _state(pod: WorkerPod, node: RayNode | None, history: History, *, lost: bool) -> WorkerState:
    if pod.verdict is PodVerdict.TERMINATING:
        return WorkerState.TERMINATING
    if pod.head:
        # A head that Ray does not list offers nothing, and no minimum or maximum is about it.
        return WorkerState.HEAD if node else WorkerState.TERMINATING
    if pod.verdict is PodVerdict.GONE_BAD:
        return WorkerState.LOST
    if node is None:
        # One whose node died is not lost before its verdict says so: its container may start again.
        return WorkerState.LOST if lost else _unjoined(pod.verdict)
    if node.status is NodeStatus.DRAINING or pod.name in history.drained:
        return WorkerState.DRAINING
    return WorkerState.IDLE if _is_idle(node) else WorkerState.RUNNING


def _is_idle(node: RayNode) -> bool:
    """Return whether nothing runs there. Placement groups are live, the status may be a second old."""
    return node.status is NodeStatus.IDLE and not node.groups


def _unjoined(verdict: PodVerdict) -> WorkerState:
    match verdict:
        case PodVerdict.REQUESTED:
            return WorkerState.REQUESTED
        case PodVerdict.PENDING:
            return WorkerState.PENDING
        case PodVerdict.STARTING | PodVerdict.READY:
            return WorkerState.STARTING
        case PodVerdict.UNSCHEDULABLE | PodVerdict.FAILING:
            return WorkerState.STUCK
        case PodVerdict.GONE_BAD:
            return WorkerState.LOST
        case PodVerdict.TERMINATING:
            return WorkerState.TERMINATING


def _foreign(node: RayNode) -> Worker:
    return Worker(
        pod=node.pod,
        type=TypeName(node.type),
        state=WorkerState.TERMINATING if node.status is NodeStatus.DRAINING else WorkerState.FOREIGN,
        node_id=node.node_id,
        total=node.total,
        available=node.available,
        labels=node.labels,
        groups=node.groups,
        idle=node.idle_ms / 1000,
        ip=node.ip,
    )

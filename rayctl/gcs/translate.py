"""Bytes of the GCS to a :class:`Snapshot`: whatever they are, in bounded time and memory.

Enumerations of a newer Ray come through as :class:`Other`; amounts that are none are dropped from nodes. The
only errors are an answer that is no protobuf and one that is larger than any Ray cluster's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.demand import Amounts, GroupId, NodeId, NodeStatus, Other, RayNode, Snapshot
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.asked import GROUP_LABEL, Gangs, Tally, grains, is_internal
from rayctl.gcs.errors import Garbled, TooLarge
from rayctl.gcs.wire import Value, signed, submessage, walk

MAX_SESSION = 200
MAX_NODES = 20_000
MAX_PIECES = 100_000
MAX_PIECE = 2**20
"""Bytes of one node, one demand or one placement group: some 4,000 bundles."""

_STATE = pb.GetClusterResourceStateReply.CLUSTER_RESOURCE_STATE_FIELD_NUMBER
_REPORTED = pb.GetClusterStatusReply.AUTOSCALING_STATE_FIELD_NUMBER
_REPORTED_VERSION = pb.AutoscalingState.AUTOSCALER_STATE_VERSION_FIELD_NUMBER
_JOBS = pb.GetAllJobInfoReply.JOB_INFO_LIST_FIELD_NUMBER
_RAYS_OWN = "_ray_internal"
"""So begin the namespaces of drivers that are Ray's: the dashboard's, a job's supervisor."""
_FIELDS = pb.ClusterResourceState
_STATUSES: Mapping[int, NodeStatus] = {
    pb.RUNNING: NodeStatus.RUNNING,
    pb.DEAD: NodeStatus.DEAD,
    pb.IDLE: NodeStatus.IDLE,
    pb.DRAINING: NodeStatus.DRAINING,
}

M = TypeVar("M", bound=Message)


def snapshot(answer: bytes, at: Monotonic) -> Snapshot:
    """Return what a GetClusterResourceStateReply says; ``at`` is when it was received.

    Raises:
        Garbled: it is none.
        TooLarge: it has more nodes or pieces, or larger ones, than are read.
    """
    reading = _Reading()
    for number, value in walk(memoryview(answer)):
        if number == _STATE:
            reading.take(submessage(value))
    return reading.snapshot(at)


def reported_version(answer: bytes) -> int:
    """Return the version of the last report that the GCS took, from a GetClusterStatusReply; 0 without one.

    Raises:
        Garbled: it is none.
    """
    version = 0
    for number, value in walk(memoryview(answer)):
        if number == _REPORTED:
            for inner, content in walk(submessage(value)):
                if inner == _REPORTED_VERSION:
                    version = signed(content)
    return version


def drivers(answer: bytes) -> int:
    """Return how many programs of users are connected, from a GetAllJobInfoReply.

    Raises:
        Garbled: it is none.
        TooLarge: it has more jobs than are read.
    """
    jobs = count = 0
    for number, value in walk(memoryview(answer)):
        if number == _JOBS:
            jobs += 1
            if jobs > MAX_PIECES:
                raise TooLarge(f"the answer has more than {MAX_PIECES:,} jobs")
            job = parse(pb.JobTableData, bytes(submessage(value)))
            count += not job.is_dead and not job.config.ray_namespace.startswith(_RAYS_OWN)
    return count


def parse(kind: type[M], piece: bytes) -> M:
    """Return a message.

    Raises:
        Garbled: it is none.
    """
    try:
        return kind.FromString(piece)
    except DecodeError as error:
        raise Garbled(f"the answer holds a broken {kind.DESCRIPTOR.name}") from error


class _Reading:
    """What was understood of an answer so far."""

    def __init__(self) -> None:
        self._version = 0
        self._session = ""
        self._pieces = 0
        self._node_pieces = 0
        self._nodes: dict[NodeId, RayNode] = {}
        self._demands = Tally()
        self._gangs = Gangs()
        self._constraint = Tally()

    def take(self, state: memoryview) -> None:
        """Read a ClusterResourceState."""
        for number, value in walk(state):
            match number:
                case _FIELDS.CLUSTER_RESOURCE_STATE_VERSION_FIELD_NUMBER:
                    self._version = signed(value)
                case _FIELDS.CLUSTER_SESSION_NAME_FIELD_NUMBER:
                    self._session = bytes(submessage(value)[:MAX_SESSION]).decode(errors="replace")
                case _FIELDS.NODE_STATES_FIELD_NUMBER:
                    self._add_node(self._piece(pb.NodeState, value))
                case _FIELDS.PENDING_RESOURCE_REQUESTS_FIELD_NUMBER:
                    asked = self._piece(pb.ResourceRequestByCount, value)
                    self._demands.add(asked.request, asked.count)
                case _FIELDS.PENDING_GANG_RESOURCE_REQUESTS_FIELD_NUMBER:
                    self._gangs.add(self._piece(pb.GangResourceRequest, value))
                case _FIELDS.CLUSTER_RESOURCE_CONSTRAINTS_FIELD_NUMBER:
                    self._constraint.add_each(self._piece(pb.ClusterResourceConstraint, value))

    def snapshot(self, at: Monotonic) -> Snapshot:
        """Return the whole."""
        return Snapshot(
            session=self._session,
            version=self._version,
            at=at,
            nodes=tuple(_without_predecessors(self._nodes.values())),
            demands=self._demands.demands(),
            gangs=self._gangs.gangs(),
            constraint=self._constraint.demands(),
            left_out=self._demands.left_out + self._gangs.left_out + self._constraint.left_out,
        )

    def _piece(self, kind: type[M], value: Value) -> M:
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise TooLarge(f"the answer has more than {MAX_PIECES:,} nodes and demands")
        piece = submessage(value)
        if len(piece) > MAX_PIECE:
            raise TooLarge(f"the answer holds a {kind.DESCRIPTOR.name} of {len(piece):,} bytes")
        return parse(kind, bytes(piece))

    def _add_node(self, message: pb.NodeState) -> None:
        self._node_pieces += 1
        if self._node_pieces > MAX_NODES:
            raise TooLarge(f"the answer has more than {MAX_NODES:,} nodes")
        if message.node_id:  # without one it is nothing that could be told apart or drained
            node = _node(message)
            self._nodes[node.node_id] = node


def _without_predecessors(nodes: Iterable[RayNode]) -> Iterator[RayNode]:
    """Leave out what died in a pod in which Ray lives again."""
    nodes = tuple(nodes)
    living = {node.pod for node in nodes if node.pod and node.status is not NodeStatus.DEAD}
    return (node for node in nodes if node.status is not NodeStatus.DEAD or node.pod not in living)


def _node(message: pb.NodeState) -> RayNode:
    status = _STATUSES.get(message.status) or Other(str(message.status))
    total = _amounts(message.total_resources)
    available = _amounts(message.available_resources)
    labels = message.labels
    return RayNode(
        node_id=NodeId(message.node_id.hex()),
        pod=message.instance_id,
        type=message.ray_node_type_name,
        status=status,
        total=total,
        available={name: min(amount, total[name]) for name, amount in available.items() if name in total},
        labels={key: labels[key] for key in labels},
        idle_ms=0 if status is NodeStatus.RUNNING else max(0, message.idle_duration_ms),
        groups=frozenset(
            GroupId(label.removeprefix(GROUP_LABEL))
            for label in message.dynamic_labels
            if label.startswith(GROUP_LABEL)
        ),
        ip=message.node_ip_address,
    )


def _amounts(resources: Mapping[str, float]) -> Amounts:
    amounts = {}
    for name in resources:  # of protobuf's maps, half as dear as items()
        exact = grains(resources[name])
        if exact and not is_internal(name):
            amounts[name] = exact
    return amounts

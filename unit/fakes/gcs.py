"""A fake GCS on the wire, for what a real one cannot be made to do or to have within a test.

Such as a thousand nodes, an answer that hangs, is no protobuf or has no end. What it does otherwise is held to
the real one's behaviour by the contract tests (e2e/contract/gcs_cases.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import grpc
import grpc.aio

from rayctl.clock import SystemClock
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.channel import Method

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Serve: TypeAlias = Callable[[], Awaitable[bytes]]
Act: TypeAlias = Callable[[Context, Serve], Awaitable[bytes]]

_MAX_MESSAGE = 2**30


@dataclass(frozen=True)
class Asked:
    """One call: its method, its message, what came with it, and when (``time.monotonic``)."""

    method: Method
    message: bytes
    metadata: Mapping[str, str | bytes]
    at: float = field(default_factory=SystemClock().monotonic)


@dataclass
class Fault:
    """What happens to the next ``times`` calls of a method instead of an answer."""

    method: Method
    act: Act
    times: int


class FakeGcs(grpc.GenericRpcHandler):
    """Serves on a free port of loopback; use with ``async with``. ``state`` may be changed directly."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        session: str = "session_1",
        compression: grpc.Compression = grpc.Compression.NoCompression,
    ) -> None:
        self.state = pb.ClusterResourceState(cluster_session_name=session)
        self.reported = pb.AutoscalingState()
        self.jobs = pb.GetAllJobInfoReply()
        self.drains: list[pb.DrainNodeRequest] = []
        self.asked: list[Asked] = []
        self.token = ""
        self.port = 0
        self._host = host
        self._compression = compression
        self._faults: list[Fault] = []
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        options = (("grpc.max_send_message_length", _MAX_MESSAGE), ("grpc.so_reuseport", 0))
        self._server = grpc.aio.server(options=options, compression=self._compression)
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port(f"{self._host}:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        """Go away, calls under way included; :meth:`start` comes back on the same port with the same state."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(grace=None)

    def forget(self, session: str | None = None) -> None:
        """Lose what a GCS loses when it starts anew, and what a new head has not where ``session`` is given."""
        self.state.cluster_resource_state_version = 0
        self.state.ClearField("cluster_resource_constraints")
        self.reported.Clear()
        if session is not None:
            self.state.Clear()
            self.state.cluster_session_name = session

    # ---- what there is ----

    def add_node(
        self,
        pod: str = "",
        type: str = "worker",  # noqa: A002
        *,
        status: pb.NodeStatus = pb.IDLE,
        total: Mapping[str, float] | None = None,
        **fields: Any,
    ) -> pb.NodeState:
        """Add a node with 4 CPUs, or ``total``, all of it available; return it, to be changed at will."""
        number = len(self.state.node_states) + 1
        total = {"CPU": 4.0} if total is None else total
        defaults = {
            "node_id": number.to_bytes(28, "big"),
            "available_resources": total,
            "node_ip_address": "127.0.0.1",
        }
        node = pb.NodeState(
            instance_id=pod,
            ray_node_type_name=type,
            status=status,
            total_resources=total,
            **(defaults | fields),
        )
        self.state.node_states.append(node)
        return self.state.node_states[-1]

    def ask(
        self,
        bundle: Mapping[str, float],
        count: int = 1,
        selectors: Iterable[Iterable[tuple[str, int, list[str]]]] = ((),),
    ) -> None:
        """Have so many equal tasks wait. Each selector is a list of (label, operator, values)."""
        request = pb.ResourceRequest(resources_bundle=bundle, label_selectors=map(_selector, selectors))
        self.state.pending_resource_requests.add(request=request, count=count)

    def ask_gang(self, strategy: str, bundles: Iterable[Mapping[str, float]], group: str = "ab" * 18) -> None:
        """Have a placement group wait."""
        requests = [_bundle(bundle, strategy, group) for bundle in bundles]
        self.state.pending_gang_resource_requests.add(
            details=f"{group}:{strategy}|PENDING",
            requests=requests,
            bundle_selectors=[pb.BundleSelector(resource_requests=requests)],
        )

    def request(self, bundles: Iterable[Mapping[str, float]]) -> None:
        """Have ``request_resources`` called."""
        self.state.ClearField("cluster_resource_constraints")
        requests = [
            pb.ResourceRequestByCount(request=pb.ResourceRequest(resources_bundle=bundle), count=1)
            for bundle in bundles
        ]
        if requests:
            self.state.cluster_resource_constraints.add(resource_requests=requests)

    def occupy(self, node: pb.NodeState, cpus: float = 1.0) -> None:
        """Have a task run on a node."""
        node.available_resources["CPU"] -= cpus
        node.status, node.idle_duration_ms = pb.RUNNING, 0

    def free(self, node: pb.NodeState) -> None:
        """Have no task run on a node any more; upon which one that is draining dies."""
        if node.status == pb.DRAINING:
            _die(node)
        elif node.status == pb.RUNNING:
            node.available_resources["CPU"] = node.total_resources["CPU"]
            node.status = pb.IDLE

    # ---- faults ----

    def fail(self, method: Method, act: Act, *, times: int = 1) -> None:
        """Have something else happen to the next calls of that method."""
        self._faults.append(Fault(method, act, times))

    def count(self, method: Method) -> int:
        """Return how often that was called."""
        return sum(asked.method is method for asked in self.asked)

    # ---- how it answers ----

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        method = next((one for one in Method if one.path == details.method), None)
        if method is None:
            return None

        async def answer(message: bytes, context: Context) -> bytes:
            return await self._answer(method, message, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _answer(self, method: Method, message: bytes, context: Context) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        self.asked.append(Asked(method, message, metadata))
        for fault in self._faults:
            if fault.method is method and fault.times > 0:
                fault.times -= 1
                return await fault.act(context, lambda: self._serve(method, message))
        if self.token and metadata.get("authorization") != f"Bearer {self.token}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken: the token is invalid")
        return await self._serve(method, message)

    async def _serve(self, method: Method, message: bytes) -> bytes:
        match method:
            case Method.READ_STATE:
                self.state.cluster_resource_state_version += 1
                return pb.GetClusterResourceStateReply(cluster_resource_state=self.state).SerializeToString()
            case Method.READ_STATUS:
                self.state.cluster_resource_state_version += 1
                reply = pb.GetClusterStatusReply(autoscaling_state=self.reported)
                reply.cluster_resource_state.CopyFrom(self.state)
                return reply.SerializeToString()
            case Method.REPORT:
                self._take_report(pb.ReportAutoscalingStateRequest.FromString(message).autoscaling_state)
            case Method.REQUEST_CONSTRAINT:
                request = pb.RequestClusterResourceConstraintRequest.FromString(message)
                self.state.ClearField("cluster_resource_constraints")
                if request.cluster_resource_constraint.resource_requests:
                    self.state.cluster_resource_constraints.append(request.cluster_resource_constraint)
            case Method.READ_JOBS:
                return self.jobs.SerializeToString()
            case Method.DRAIN:
                return self._drain(pb.DrainNodeRequest.FromString(message)).SerializeToString()
        return b""

    def _take_report(self, state: pb.AutoscalingState) -> None:
        if state.autoscaler_state_version >= self.reported.autoscaler_state_version:
            self.reported = state

    def _drain(self, request: pb.DrainNodeRequest) -> pb.DrainNodeReply:
        assert request.reason != pb.DRAIN_NODE_REASON_UNSPECIFIED, "this crashes a real raylet"
        self.drains.append(request)
        for node in self.state.node_states:
            if node.node_id != request.node_id or node.status == pb.DEAD:
                continue
            if node.status == pb.IDLE:
                _die(node)
            elif request.reason == pb.DRAIN_NODE_REASON_PREEMPTION:
                node.status = pb.DRAINING
            else:
                return pb.DrainNodeReply(rejection_reason_message="The node is no longer idle.")
        return pb.DrainNodeReply(is_accepted=True)


def _die(node: pb.NodeState) -> None:
    node.status = pb.DEAD
    for emptied in ("total_resources", "available_resources", "labels", "dynamic_labels"):
        node.ClearField(emptied)


def answer(message: bytes) -> Act:
    """These bytes, whatever they are."""

    async def act(_context: Context, _serve: Serve) -> bytes:
        return message

    return act


def refuse(code: grpc.StatusCode, words: str = "no") -> Act:
    """A status instead of an answer."""

    async def act(context: Context, _serve: Serve) -> bytes:
        await context.abort(code, words)
        raise AssertionError

    return act


async def hang(_context: Context, _serve: Serve) -> bytes:
    """No answer, and nothing done."""
    await asyncio.Event().wait()
    raise AssertionError


async def lost(context: Context, serve: Serve) -> bytes:
    """What was asked is done, and the answer is lost."""
    await serve()
    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    raise AssertionError


def _selector(terms: Iterable[tuple[str, int, list[str]]]) -> pb.LabelSelector:
    constraints = [
        pb.LabelSelectorConstraint(label_key=key, operator=operator, label_values=values)  # type: ignore[arg-type]
        for key, operator, values in terms
    ]
    return pb.LabelSelector(label_constraints=constraints)


def _bundle(bundle: Mapping[str, float], strategy: str, group: str) -> pb.ResourceRequest:
    request = pb.ResourceRequest(resources_bundle=bundle, label_selectors=[pb.LabelSelector()])
    if strategy == "STRICT_PACK":
        request.placement_constraints.add().affinity.label_name = f"_PG_{group}"
    elif strategy == "STRICT_SPREAD":
        request.placement_constraints.add().anti_affinity.label_name = f"_PG_{group}"
    return request

"""The simulated Ray: the GCS of each head, and the nodes that joined it.

As measured on Ray 2.60: a node that is drained takes nothing new and leaves once it is idle; there is no way
back; the deadline is known and not enforced; a GCS that starts anew knows no earlier node.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from rayctl.api.moment import Monotonic, Seconds
from rayctl.core.autoscale.demand import (
    GRAIN,
    Demand,
    DrainReason,
    NodeId,
    NodeStatus,
    RayNode,
    Snapshot,
)
from rayctl.core.autoscale.feedback import Feedback
from rayctl.gcs.client import DrainAnswer
from rayctl.gcs.errors import Unreachable

_WAY: Seconds = 0.005
_PATIENCE: Seconds = 2.0
_LEAVES_AFTER: Seconds = 0.5
_CPU = {"CPU": GRAIN}


@dataclass
class Node:
    """A Ray node in a pod."""

    node_id: NodeId
    pod: str
    pod_type: str
    joined: float
    idle_since: float = 0.0
    busy: bool = False
    draining: bool = False
    dead: bool = False
    deadlines: list[datetime] = field(default_factory=list)
    """Up to when the node has time, by each drain that was asked for: none where it was idle."""
    refused: bool = False

    @property
    def status(self) -> NodeStatus:
        if self.dead:
            return NodeStatus.DEAD
        if self.draining:
            return NodeStatus.DRAINING
        return NodeStatus.RUNNING if self.busy else NodeStatus.IDLE

    def seen_at(self, now: float) -> RayNode:
        """Return the node as Ray shows it: it has one CPU, which work uses up."""
        has = {} if self.dead else _CPU
        left = {} if self.dead or self.busy else _CPU
        idle = 0 if self.busy or self.dead else int((now - self.idle_since) * 1000)
        return RayNode(self.node_id, self.pod, self.pod_type, self.status, has, left, {}, idle, frozenset())


@dataclass
class Gcs:
    """A head's store in one life of it."""

    session: str
    began: float
    nodes: dict[NodeId, Node] = field(default_factory=dict)
    version: int = 0
    reported: int = 0
    """The version of the newest report of an autoscaler."""

    def find(self, pod: str) -> Node | None:
        """Return the newest node of a pod."""
        return next((node for node in reversed(self.nodes.values()) if node.pod == pod), None)


class Ray:
    """All heads, by address."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._numbers = count(1)
        self.stores: dict[str, Gcs] = {}
        """By the IP of the head's pod."""
        self.silent_until: Seconds = -1.0
        """No GCS answers until then."""
        self.refuses_drains = False
        self.loses_answers = 0
        """So many drains to come are done and not answered."""
        self.waiting: dict[str, int] = {}
        """Tasks that wait for a CPU, by the IP of the head's pod."""
        self.asked_at: Seconds = float("-inf")
        """When a GCS last told of tasks that wait, or of a node that is busy."""
        self.on_left: Callable[[str], None] = lambda pod: None
        """Told of each pod whose node has left, drained."""

    def start(self, ip: str) -> None:
        """Have a head start, without a memory."""
        self.stores[ip] = Gcs(f"session-{next(self._numbers)}", self._loop.time())

    def stop(self, ip: str) -> None:
        """Have a head end."""
        self.stores.pop(ip, None)

    def join(self, ip: str, pod: str, pod_type: str) -> None:
        """Have a pod's node join a head."""
        node_id = NodeId(f"node-{next(self._numbers)}")
        self.stores[ip].nodes[node_id] = Node(
            node_id, pod, pod_type, joined=self._loop.time(), idle_since=self._loop.time()
        )

    def lose(self, pod: str) -> None:
        """Have a pod's nodes die."""
        for store in self.stores.values():
            for node in store.nodes.values():
                if node.pod == pod:
                    node.dead = True

    def find(self, pod: str) -> Node | None:
        """Return the newest node of a pod, of whichever head."""
        found = (store.find(pod) for store in self.stores.values())
        return next((node for node in found if node is not None), None)

    def workers(self) -> list[Node]:
        """Return all nodes that are alive."""
        return [node for store in self.stores.values() for node in store.nodes.values() if not node.dead]

    def set_busy(self, node: Node, *, busy: bool) -> None:
        """Have work begin or end on a node. None begins on one that is to leave."""
        if busy and node.draining:
            return
        if node.busy and not busy:
            node.idle_since = self._loop.time()
        node.busy = busy
        if node.draining:
            self._loop.call_later(_LEAVES_AFTER, self._leave, node)

    def connect(self, address: str, _namespace: str, _secret: str) -> "Connection":
        """Return a connection to ``host:port``."""
        return Connection(self, self._loop, address.rpartition(":")[0])

    def drain(
        self, store: Gcs, node_id: NodeId, reason: DrainReason, deadline: datetime | None
    ) -> DrainAnswer:
        """Ask a node to leave."""
        node = store.nodes.get(node_id)
        if node is None or node.dead:
            return DrainAnswer(accepted=True)
        if reason is DrainReason.IDLE and node.busy:
            return DrainAnswer(accepted=False, why="the node is no longer idle")
        if self.refuses_drains:
            node.refused = reason is DrainReason.PREEMPTION
            return DrainAnswer(accepted=False, why="the node is needed")
        node.draining = True
        if reason is DrainReason.IDLE:
            node.dead = True
            self._loop.call_later(_LEAVES_AFTER, self.on_left, node.pod)
            return DrainAnswer(accepted=True)
        if deadline is not None:
            node.deadlines.append(deadline)
        if not node.busy:
            self._loop.call_later(_LEAVES_AFTER, self._leave, node)
        return DrainAnswer(accepted=True)

    def _leave(self, node: Node) -> None:
        if node.draining and not node.busy and not node.dead:
            node.dead = True
            self.on_left(node.pod)


class Connection:
    """A client of whatever GCS listens at an address: the operator's Gcs."""

    def __init__(self, ray: Ray, loop: asyncio.AbstractEventLoop, ip: str) -> None:
        self._ray = ray
        self._loop = loop
        self._ip = ip

    async def read_state(self) -> Snapshot:
        store = await self._reach()
        await asyncio.sleep(_WAY)
        store.version += 1
        now = self._loop.time()
        nodes = tuple(node.seen_at(now) for node in store.nodes.values())
        waiting = self._ray.waiting.get(self._ip, 0)
        if waiting or any(node.busy for node in store.nodes.values()):
            self._ray.asked_at = now
        demands = (Demand(tuple(_CPU.items()), waiting),) if waiting else ()
        return Snapshot(store.session, store.version, Monotonic(now), nodes, demands)

    async def drain(
        self, node_id: NodeId, reason: DrainReason, message: str, deadline: datetime | None = None
    ) -> DrainAnswer:
        store = await self._reach()
        answer = self._ray.drain(store, node_id, reason, deadline)
        if self._ray.loses_answers:
            self._ray.loses_answers -= 1
            raise Unreachable(f"{self._ip}: no answer")
        await asyncio.sleep(_WAY)
        return answer

    async def report(self, feedback: Feedback, version: int) -> None:
        store = await self._reach()
        store.reported = max(store.reported, version)

    async def request_constraint(self, demands: Sequence[Demand]) -> None:
        await self._reach()

    async def count_drivers(self) -> int:
        await self._reach()
        return 0

    async def close(self) -> None:
        """Close the connection."""

    async def _reach(self) -> Gcs:
        await asyncio.sleep(_WAY)
        if self._loop.time() < self._ray.silent_until:
            await asyncio.sleep(_PATIENCE)
            raise Unreachable(f"{self._ip}: no answer within {_PATIENCE} s")
        store = self._ray.stores.get(self._ip)
        if store is None:
            raise Unreachable(f"{self._ip}: connection refused")
        return store

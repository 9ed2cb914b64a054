"""What one pass goes by: the cluster's own pods and Service, Ray's view of its nodes, what was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rayctl.api.names import PodKind, PodName, Role, TypeName, Uid
from rayctl.api.observed import PodView
from rayctl.api.status import RayClusterStatus
from rayctl.core.autoscale.demand import NodeStatus, RayNode
from rayctl.core.autoscale.workers import may_be_of
from rayctl.core.reconcile.trouble import Trouble


@dataclass(frozen=True, slots=True)
class RayView:
    """What a head's GCS last said of nodes that are pods: one node a pod, a live one before a dead one."""

    life: str
    """The head's life that said it (:func:`rayctl.core.reconcile.slots.session_of`)."""
    nodes: Mapping[PodName, RayNode]
    dead: frozenset[PodName]
    """Pods whose node Ray had and has no more."""
    draining: frozenset[PodName]
    busy: frozenset[PodName]
    """Pods on whose node something runs, draining ones included."""
    at: float
    """When it was said; seconds since the epoch."""
    idle: float = 0.0
    """For how many seconds no node had anything to do, the head's included, and nothing was asked for.

    0 while something has, and while a program of a user is connected.
    """
    addresses: frozenset[str] = frozenset()
    """IPs of all living nodes, those included that name no pod."""

    def knows(self, pod: PodView) -> bool:
        """Return whether Ray has or had a node in a pod: of its name or, if it bears another, at its IP."""
        return pod.name in self.nodes or (bool(pod.ip) and pod.ip in self.addresses)

    def has_alive(self, pod: PodView) -> bool:
        """Return whether Ray has a living node in that very pod."""
        node = self.nodes.get(pod.name)
        return node is not None and node.status is not NodeStatus.DEAD and may_be_of(node, pod.ip)

    def has_lost(self, pod: PodView) -> bool:
        """Return whether Ray had a node in that very pod and has it no more; not in a namesake before it."""
        return pod.name in self.dead and may_be_of(self.nodes[pod.name], pod.ip)


@dataclass(frozen=True, slots=True)
class Silence:
    """Why nothing is known of Ray: its GCS was asked and did not answer."""

    why: str
    refused: bool = False
    """Whether it is for want of the right token."""


@dataclass(frozen=True, slots=True)
class Drain:
    """A drain that was asked for. In Ray there is no way back from one."""

    until: float
    """When the pod is deleted at the latest; seconds since the epoch."""
    why: str
    refused: str = ""
    """Ray's words, where it refused."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is seen of one cluster."""

    pods: tuple[PodView, ...]
    service_fingerprint: str | None
    """None: there is no Service of this cluster."""
    status: RayClusterStatus
    ray: RayView | Silence | None = None
    """None: its GCS has not been asked yet."""
    left: frozenset[PodName] = frozenset()
    """Names of pods that are gone since a moment: others may still take a namesake for them."""
    foreign_heads: frozenset[int] = frozenset()
    """Incarnations of heads in sight that belong to a RayCluster of the same name before this one."""
    unmet: tuple[str, ...] = ()
    """What the planner cannot give, in sentences."""
    drains: Mapping[Uid, Drain] = field(default_factory=dict)
    troubles: tuple[tuple[PodKind, Trouble], ...] = ()
    service_trouble: Trouble | None = None

    def find_trouble(self, role: Role, name: TypeName) -> Trouble | None:
        """Return what is wrong with making pods of that role and type, or None."""
        return next((trouble for kind, trouble in self.troubles if kind == (role, name)), None)

    def view_of(self, life: str) -> RayView | None:
        """Return what Ray said in that life of the head, or None."""
        return self.ray if isinstance(self.ray, RayView) and self.ray.life == life else None


def ray_view(life: str, nodes: Iterable[RayNode], at: float, *, wanted: bool = False) -> RayView:
    """Return the view that an answer of the GCS gives. A pod may have several nodes; the live one counts.

    ``wanted``: somebody uses the cluster, whatever its nodes do.
    """
    nodes = tuple(nodes)
    live = [node for node in nodes if node.status is not NodeStatus.DEAD]
    resting = not wanted and live and all(node.status is NodeStatus.IDLE for node in live)
    by_pod: dict[PodName, RayNode] = {}
    for node in nodes:
        name = PodName(node.pod)
        known = by_pod.get(name)
        if name and (known is None or known.status is NodeStatus.DEAD):
            by_pod[name] = node

    def having(status: NodeStatus) -> frozenset[PodName]:
        return frozenset(name for name, node in by_pod.items() if node.status is status)

    dead, draining = having(NodeStatus.DEAD), having(NodeStatus.DRAINING)
    busy = frozenset(by_pod) - dead - having(NodeStatus.IDLE)
    idle = min(node.idle_ms for node in live) / 1000 if resting else 0.0
    addresses = frozenset(node.ip for node in live)
    return RayView(life, by_pod, dead, draining, busy, at, idle, addresses)

"""What the API server has of our clusters, held here and kept current: RayClusters, their pods and Services.

Leaders and standbys hold it alike. Reading costs nothing; what changed comes out as cluster keys. A namespace
that does not count (:mod:`rayctl.kube.namespace`) has no RayClusters, as far as anybody is told here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from rayctl.api.moment import Seconds
from rayctl.api.names import LABEL_CLUSTER, ClusterKey, PodName
from rayctl.api.observed import ClusterView, PodView, ServiceView, View
from rayctl.clock import Clock
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import ClusterReader, Wire, pod_view, service_view
from rayctl.kube.listing import Target
from rayctl.kube.mirror import Mirror
from rayctl.kube.namespace import Namespace
from rayctl.kube.resource import PODS, RAYCLUSTERS, SERVICES
from rayctl.kube.store import Scope, Store
from rayctl.kube.watch import Watch

V = TypeVar("V", PodView, ServiceView, ClusterView)

_STUCK_AFTER: Seconds = 900.0  # a stream lives for 10 minutes at most, and a list's page for one


class Cache:
    """Records of ``namespaces`` (``("",)``: of all), indexed by cluster."""

    def __init__(self, client: KubeClient, namespaces: tuple[str, ...], clock: Clock) -> None:
        self._clock = clock
        self.read_cluster = ClusterReader()
        """Understands RayClusters; whoever gets one in an answer does well to use this one too."""
        self._subscribers: list[Callable[[ClusterKey], None]] = []
        self._clusters: Store[ClusterView] = Store(self._tell)
        self._pods: Store[PodView] = Store(self._tell)
        self._services: Store[ServiceView] = Store(self._tell)
        self._by_place: dict[tuple[type[View], str], Watch[Any]] = {}
        self._namespaces: dict[str, Namespace] = {}
        self._one_counts = asyncio.Event()
        for namespace in namespaces:
            labelled = partial(Target, namespace=namespace, labels=LABEL_CLUSTER)
            mirrors = (
                self._mirror(client, labelled(resource=SERVICES), service_view, self._services),
                self._mirror(client, labelled(resource=PODS), pod_view, self._pods),
                self._mirror(
                    client,
                    Target(resource=RAYCLUSTERS, namespace=namespace),
                    self.read_cluster,
                    self._clusters,
                ),
            )
            views: tuple[type[View], ...] = (ServiceView, PodView, ClusterView)
            for view, mirror in zip(views, mirrors, strict=True):
                self._by_place[view, namespace] = mirror.watch
            self._namespaces[namespace] = Namespace(namespace, mirrors, self._counting)

    @property
    def synced(self) -> bool:
        """Whether all that can be seen has been listed once: a namespace at least, and none is on its way."""
        every = self._namespaces.values()
        return all(one.tried for one in every) and any(one.synced for one in every)

    @property
    def problems(self) -> tuple[str, ...]:
        """What stands in the way of watches just now, in sentences; for readiness and its text."""
        return tuple(
            f"{one} {'is seen as it was' if one.counts else 'is left out'}: {problem}"
            for one in self._namespaces.values()
            for problem in one.problems
        )

    @property
    def restarts(self) -> int:
        """How many times a watch has ended, of all watches."""
        return sum(one.restarts for one in self._namespaces.values())

    def sight(self) -> Mapping[str, bool]:
        """Return of each namespace that is watched ('': all of them) whether it is seen as it is now."""
        return {one.name: one.synced and not one.problems for one in self._namespaces.values()}

    def find_cluster(self, key: ClusterKey) -> ClusterView | None:
        """Return a RayCluster, or None when there is none."""
        return next(iter(self._clusters.list_of(key)), None) if self._counts(key) else None

    def list_clusters(self) -> tuple[ClusterView, ...]:
        """Return all RayClusters."""
        return tuple(cluster for cluster in self._clusters.list_all() if self._counts(cluster.key))

    def list_pods(self, key: ClusterKey) -> tuple[PodView, ...]:
        """Return the pods whose label names the cluster, whoever owns them."""
        return self._pods.list_of(key)

    def find_pod(self, namespace: str, name: PodName) -> PodView | None:
        """Return a pod, or None when there is none of that name with a label that names a cluster."""
        return self._pods.find(namespace, name)

    def list_services(self, key: ClusterKey) -> tuple[ServiceView, ...]:
        """Return the Services whose label names the cluster, whoever owns them."""
        return self._services.list_of(key)

    def sizes(self) -> dict[str, int]:
        """Return how many records are held, by resource."""
        return {
            "rayclusters": len(self._clusters),
            "pods": len(self._pods),
            "services": len(self._services),
        }

    def accept(self, view: View) -> None:
        """Hold the answer to a write of our own now, without waiting for the watch to tell of it."""
        kind = type(view)
        watch = self._by_place.get((kind, view.key.namespace)) or self._by_place.get((kind, ""))
        if watch is not None:
            watch.accept(view)

    def subscribe(self, on_change: Callable[[ClusterKey], None]) -> None:
        """Have ``on_change`` called with the key of each cluster of which anything changes from now on."""
        self._subscribers.append(on_change)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces.values():
                group.create_task(namespace.run(), name=str(namespace))

    async def wait_synced(self) -> None:
        """Return when all that can be seen has been listed once, a namespace at least."""
        for namespace in self._namespaces.values():
            await namespace.wait_tried()
        await self._one_counts.wait()

    async def catch_up(self) -> None:
        """Return when a namespace is at least as new as this call; only from then on it and others count.

        What a new leader does before it decides anything: its predecessor's last writes are then in sight. A
        consistent list tells, since a watch says only once a minute how far it has come. The other namespaces
        follow, each as soon as it is as new; one that cannot be listed is tried on.
        """
        self._one_counts.clear()
        for namespace in self._namespaces.values():
            namespace.doubt()
        await self._one_counts.wait()

    def stale_for(self) -> Seconds:
        """Return for how long nothing was heard on the quietest watch, and nothing tried."""
        return self._clock.monotonic() - min(one.last_sign for one in self._namespaces.values())

    def healthy(self) -> bool:
        """Whether no watch is stuck. An API server that is away makes none: that is tried again and again."""
        return self.stale_for() < _STUCK_AFTER

    def _mirror(
        self, client: KubeClient, target: Target, decode: Callable[[Wire], V], store: Store[V]
    ) -> Mirror:
        scope = Scope(store, target.namespace)
        return Mirror(client, target, Watch(client, target, decode, scope, self._clock), scope)

    def _counts(self, key: ClusterKey) -> bool:
        namespace = self._namespaces.get(key.namespace) or self._namespaces.get("")
        return namespace is not None and namespace.counts

    def _counting(self, namespace: Namespace) -> None:
        """Tell of all that could not be told before the namespace counted."""
        self._one_counts.set()
        for cluster in self._clusters.list_all():
            if namespace.name in {"", cluster.key.namespace}:
                self._tell(cluster.key)

    def _tell(self, key: ClusterKey) -> None:
        if self._counts(key):
            for subscriber in self._subscribers:
                subscriber(key)

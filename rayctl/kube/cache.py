"""What the API server has of our clusters, held here and kept current: RayClusters, their pods and Services.

Leaders and standbys hold it alike. Reading costs nothing; what changed comes out as cluster keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rayctl.api.moment import Seconds
from rayctl.api.names import LABEL_CLUSTER, ClusterKey
from rayctl.api.observed import ClusterView, PodView, ServiceView, View
from rayctl.clock import Clock
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import cluster_view, pod_view, service_view
from rayctl.kube.resource import PODS, RAYCLUSTERS, SERVICES
from rayctl.kube.store import Scope, Store
from rayctl.kube.watch import Target, Watch

_STUCK_AFTER: Seconds = 900.0  # a stream lives for 10 minutes at most, and a list's page for one


class Cache:
    """Records of ``namespaces`` (``("",)``: of all), indexed by cluster."""

    def __init__(self, client: KubeClient, namespaces: tuple[str, ...], clock: Clock) -> None:
        self._clock = clock
        self._subscribers: list[Callable[[ClusterKey], None]] = []
        self._clusters: Store[ClusterView] = Store(self._tell)
        self._pods: Store[PodView] = Store(self._tell)
        self._services: Store[ServiceView] = Store(self._tell)
        self._by_place: dict[tuple[type[View], str], Watch[Any]] = {}
        for namespace in namespaces:
            # Pods and Services first: a cluster that is seen is seen with what it has.
            labelled = Target(resource=SERVICES, namespace=namespace, labels=LABEL_CLUSTER)
            services = Watch(client, labelled, service_view, Scope(self._services, namespace), clock)
            self._by_place[ServiceView, namespace] = services
            labelled = Target(resource=PODS, namespace=namespace, labels=LABEL_CLUSTER)
            pods = Watch(client, labelled, pod_view, Scope(self._pods, namespace), clock)
            self._by_place[PodView, namespace] = pods
            every = Target(resource=RAYCLUSTERS, namespace=namespace)
            clusters = Watch(client, every, cluster_view, Scope(self._clusters, namespace), clock)
            self._by_place[ClusterView, namespace] = clusters
        self._watches = tuple(self._by_place.values())

    @property
    def synced(self) -> bool:
        """Whether everything has been listed once."""
        return all(watch.synced.is_set() for watch in self._watches)

    @property
    def problems(self) -> tuple[str, ...]:
        """What stands in the way of watches just now, in sentences; for readiness and its text."""
        return tuple(dict.fromkeys(watch.problem for watch in self._watches if watch.problem))

    @property
    def restarts(self) -> int:
        """How many times a watch has ended, of all watches."""
        return sum(watch.restarts for watch in self._watches)

    def find_cluster(self, key: ClusterKey) -> ClusterView | None:
        """Return a RayCluster, or None when there is none."""
        return next(iter(self._clusters.list_of(key)), None)

    def list_clusters(self) -> tuple[ClusterView, ...]:
        """Return all RayClusters."""
        return self._clusters.list_all()

    def list_pods(self, key: ClusterKey) -> tuple[PodView, ...]:
        """Return the pods whose label names the cluster, whoever owns them."""
        return self._pods.list_of(key)

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
            for watch in self._watches:
                group.create_task(watch.run(), name="watch")

    async def wait_synced(self) -> None:
        """Return when everything has been listed once."""
        for watch in self._watches:
            await watch.synced.wait()

    async def catch_up(self) -> None:
        """Return when the cache is at least as new as this call.

        What a new leader does before it decides anything: its predecessor's last writes are then in sight. It
        is a consistent list, since a watch says only once a minute how far it has come.

        Raises:
            KubeError: a list failed.
        """
        for watch in self._watches:
            await watch.refresh()

    def stale_for(self) -> Seconds:
        """Return for how long nothing was heard on the quietest watch, and nothing tried."""
        return self._clock.monotonic() - min(watch.last_sign for watch in self._watches)

    def healthy(self) -> bool:
        """Whether no watch is stuck. An API server that is away makes none: that is tried again and again."""
        return self.stale_for() < _STUCK_AFTER

    def _tell(self, key: ClusterKey) -> None:
        for subscriber in self._subscribers:
            subscriber(key)

"""A world in which to look for a broken promise: Kubernetes, Ray, users, and replicas of the operator.

Time passes only where it is asked to. Everything runs in one loop of simulated time, so a life of hours takes
less than a second and is the same each time.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime
from typing import Self
from unittest import mock

import looptime
import orjson

from rayctl.api.moment import Seconds
from rayctl.api.names import ClusterKey, Role
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import Phase
from rayctl.api.upgrade import UpgradeType
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.minimum import Targets, minimum
from rayctl.core.build.service import service_fingerprint
from rayctl.core.reconcile.actions import Decision
from rayctl.core.reconcile.rollout import blueprint
from rayctl.core.reconcile.seen import Observed
from rayctl.core.reconcile.slots import head_of
from rayctl.kube.decode import cluster_view, service_view
from rayctl.loops import controller as controller_module
from rayctl.loops import heads as heads_module
from unit.simulation.network import Arming
from unit.simulation.nodes import Nodes
from unit.simulation.promises import Promises
from unit.simulation.ray import Ray
from unit.simulation.replica import Replica
from unit.simulation.server import NAMESPACE, Server
from unit.simulation.user import User

_BEFORE_SETTLED: Seconds = 2400.0
"""The longest back-off is ten minutes; a cluster may need it for its head and then for its workers."""
_POLLED_EVERY: Seconds = 5.0
"""Heads of clusters in which nothing happens: a plan a second would be most of what there is to compute."""


class World:
    """Use with ``with``; nothing runs between its methods."""

    def __init__(self) -> None:
        loop_class = looptime.make_event_loop_class(asyncio.SelectorEventLoop)
        self.loop = loop_class(start=0, noop_cycles=0)
        self.server = Server(self.loop)
        self.ray = Ray(self.loop)
        self.promises = Promises(self.server, self.ray)
        self.nodes = Nodes(self.server, self.ray, self.loop)
        self.user = User(self.server)
        self.armed: list[Arming] = []
        self.replicas: list[Replica] = []
        self._dead: list[Replica] = []
        self._born = 0
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self._exit.enter_context(mock.patch.object(controller_module, "decide", self._decide))
        self._exit.enter_context(mock.patch.object(heads_module, "PERIOD", _POLLED_EVERY))
        handler = _Told(self.promises)
        logger = logging.getLogger("rayctl")
        logger.addHandler(handler)
        self._exit.callback(logger.removeHandler, handler)
        self._bear()
        self._bear()
        self.take_over()
        self.run(1.0)
        return self

    def __exit__(self, *_: object) -> None:
        for replica in self.replicas:
            replica.die()
        self.loop.run_until_complete(self._all_ended())
        self.loop.close()
        self._exit.close()

    def run(self, seconds: Seconds) -> None:
        """Let time pass."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for dead in [replica for replica in self.replicas if replica.is_dead]:
            self.replicas.remove(dead)
            self._dead.append(dead)
            self._bear()

    @property
    def leaders(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.leads and not replica.is_dead]

    def take_over(self) -> None:
        """Have who stands by lead instead of who leads."""
        for leader in self.leaders:
            leader.resign()
        self.split()
        self.replicas.sort(key=lambda replica: not replica.leads)

    def split(self) -> None:
        """Have who stands by lead as well."""
        standby = next((one for one in self.replicas if not one.leads and not one.is_dead), None)
        if standby is not None:
            if self.leaders:
                self.promises.lenient_for(float("inf"))
            self.promises.forget(standby)
            standby.lead()

    def unite(self) -> None:
        """Have the one lead who has led for the longest time, or anybody where nobody does."""
        if len(self.leaders) > 1:
            for surplus in sorted(self.leaders, key=lambda one: one.led_since)[1:]:
                surplus.resign()
            self.promises.lenient_until = -1.0
            self.promises.lenient_for(120.0)
        elif not self.leaders:
            self.take_over()

    def heal(self) -> None:
        """End all faults but what hangs in Terminating."""
        self.armed.clear()
        self.server.quota = None
        self.ray.silent_until, self.ray.refuses_drains, self.ray.loses_answers = -1.0, False, 0
        self.ray.waiting.clear()
        for node in self.ray.workers():
            self.ray.set_busy(node, busy=False)
        self.nodes.full_until = -1.0
        for replica in self.replicas:
            replica.line.lags.clear()
        for document in self.server.objects.list_of("rayclusters", NAMESPACE):
            self.user.mend(document["metadata"]["name"])
        self.run(0)
        self.unite()

    def settle(self) -> None:
        """Let time pass until everything is as it is wished; fails when that does not come."""
        self._wait(hung=True)
        self.nodes.release()
        self._wait(hung=False)
        self.run(30.0)
        before = self.promises.writes
        for key in self.keys():
            for leader in self.leaders:
                leader.controller._queue.add(key)
        passes = self.promises.passes
        self.run(60.0)
        assert self.promises.passes - passes >= len(self.keys())
        assert self.promises.writes == before, "something is written although nothing is to be done"
        self.check()

    def check(self) -> None:
        """Fail unless all promises were kept so far."""
        assert not self.promises.broken, "\n".join(self.promises.broken)

    def keys(self) -> list[ClusterKey]:
        documents = self.server.objects.list_of("rayclusters", NAMESPACE)
        return [ClusterKey(NAMESPACE, document["metadata"]["name"]) for document in documents]

    def wrong(self, *, hung: bool) -> list[str]:
        """Return what is not as it is wished. ``hung``: what hangs in Terminating is overlooked."""
        found: list[str] = []
        known = {""}
        for document in self.server.objects.list_of("rayclusters", NAMESPACE):
            view = cluster_view(orjson.dumps(document))
            known.add(view.uid)
            assert isinstance(view.spec, RayCluster), view.spec
            found += _wrong_pods(view.spec, self.server.pods_of(view.key))
            found += self._wrong_service(view.spec)
            if not hung:
                found += _wrong_status(view, view.spec)
        orphans = [pod.name for pod in self.server.pods.values() if pod.owner not in known]
        return found + [f"{name} outlives its cluster" for name in orphans if not hung]

    def _wrong_service(self, cluster: RayCluster) -> list[str]:
        services = [
            service_view(orjson.dumps(one)) for one in self.server.objects.list_of("services", NAMESPACE)
        ]
        ours = [one for one in services if one.key == cluster.key and one.owner == cluster.uid]
        own = [pod for pod in self.server.pods_of(cluster.key) if pod.owner == cluster.uid]
        head = head_of(cluster, own)
        right = len(ours) == 1 and not ours[0].deleting
        if head is not None:  # without one it waits as it was
            right = right and ours[0].fingerprint == service_fingerprint(cluster, head.incarnation)
        return [] if right else [f"the Service of {cluster.key} is not there or not right"]

    def _wait(self, *, hung: bool) -> None:
        began = self.loop.time()
        while wrong := self.wrong(hung=hung):
            self.check()
            assert self.loop.time() - began < _BEFORE_SETTLED, "\n".join(["it does not settle:", *wrong])
            self.run(5.0)

    async def _all_ended(self) -> None:
        for replica in (*self.replicas, *self._dead):
            await replica.ended()

    def _bear(self) -> None:
        self._born += 1
        replica = Replica(f"replica-{self._born}", self.server, self.ray, self.loop, self.armed)
        replica.on_fault = self.promises.fault
        replica.line.arrived = lambda call, act, sender: self.promises.arrived(replica, call, act, sender)
        self.replicas.append(replica)

    def _decide(
        self,
        cluster: RayCluster,
        seen: Observed,
        targets: Targets,
        now: datetime,
        leave: Iterable[Leave] | None = None,
    ) -> Decision:
        return self.promises.decide(self.replicas, cluster, seen, targets, now, leave)


class _Told(logging.Handler):
    """Takes faults of the operator's own for broken promises: it survives them, and logs them."""

    def __init__(self, promises: Promises) -> None:
        super().__init__(logging.ERROR)
        self._promises = promises

    def emit(self, record: logging.LogRecord) -> None:
        self._promises.fault(self.format(record))


def _wrong_pods(cluster: RayCluster, pods: list[PodView]) -> list[str]:
    own = [pod for pod in pods if pod.owner == cluster.uid and not pod.deleting]
    heads = [pod.pod_type for pod in own if pod.role is Role.HEAD]
    workers = Counter(pod.pod_type for pod in own if pod.role is Role.WORKER)
    wrong = []
    waits = cluster.upgrade_of(cluster.head).type is UpgradeType.ON_DELETE
    if heads != ([] if cluster.suspend else [cluster.head_type]) and (
        cluster.suspend or not waits or len(heads) != 1
    ):
        wrong.append(f"{cluster.key}: its heads are of types {heads}")
    # Where the minimums exceed the cluster's maximum it does not matter whose workers are missing.
    most = {
        kind.name: min(-(-kind.min_workers // kind.hosts), cluster.max_of(kind) // kind.hosts) * kind.hosts
        for kind in cluster.pod_types
    }
    wanted = 0 if cluster.suspend else sum(minimum(cluster).values())
    if workers.total() != wanted or any(count > most.get(name, 0) for name, count in workers.items()):
        wrong.append(f"{cluster.key}: workers are {dict(workers)} instead of {wanted} within {most}")
    places = Counter(pod.slot for pod in own)
    wrong += [f"{cluster.key}: {times} pods fill {slot}" for slot, times in places.items() if times > 1]
    slices = Counter((pod.pod_type, pod.slice, pod.hosts) for pod in own if pod.slice)
    wrong += [f"{cluster.key}: {count} hosts of {each}" for each, count in slices.items() if count != each[2]]
    for pod in own:
        plan = blueprint(cluster, pod.role, pod.pod_type)
        kind = cluster.find_type(pod.pod_type)
        if kind is None or plan is None:
            continue
        kept = cluster.upgrade_of(kind).type is UpgradeType.ON_DELETE and not pod.asked_to_go
        if plan.why_outdated(pod) and not kept:
            wrong.append(f"{pod.name}: {plan.why_outdated(pod)}")
        if not pod.ready:
            wrong.append(f"{pod.name} is {pod.phase} and not ready")
    return wrong


def _wrong_status(view: ClusterView, cluster: RayCluster) -> list[str]:
    status = view.status
    wrong = []
    if status.phase != (Phase.SUSPENDED if cluster.suspend else Phase.RUNNING):
        wrong.append(f"{view.key} is {status.phase}: {[c for c in status.conditions if not c.true]}")
    if status.observed_generation != view.generation:
        wrong.append(f"{view.key}: generation {status.observed_generation} of {view.generation} is observed")
    total = 0 if cluster.suspend else sum(minimum(cluster).values())
    if status.ready_workers != total:
        wrong.append(f"{view.key}: {status.ready_workers} of {total} workers are told to be ready")
    return wrong

"""What is promised at every moment, held against what replicas decide and what reaches the API server.

A pass is judged by what it saw only where that was the truth; a create by what was wanted at any time since the
spec that its sender acted on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from rayctl.api.names import ClusterKey, PodName, Role, Uid
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.minimum import Targets
from rayctl.core.reconcile.actions import Decision
from rayctl.core.reconcile.decide import decide
from rayctl.core.reconcile.seen import Observed, RayView
from rayctl.core.reconcile.slots import session_of
from rayctl.kube.decode import cluster_view, pod_view
from rayctl.kube.errors import AlreadyExists
from rayctl.kube.resource import Call, Verb
from unit.fakes.objects import Change
from unit.simulation.judge import Judge
from unit.simulation.network import Sender
from unit.simulation.passes import Pass, is_live, is_of_a_half, is_old, named, surge, whole
from unit.simulation.ray import Ray
from unit.simulation.replica import Replica
from unit.simulation.server import Server

_SURE_OF_RAY = 30.0
"""Seconds after which whoever looks must have seen a node that joined, or a head that answers."""

_STAY_IDLE = 600.0
"""Seconds after which no worker is left that was wanted once."""


@dataclass
class Memory:
    """What a replica was answered since it leads, and its present passes."""

    created: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    passes: dict[ClusterKey, Pass] = field(default_factory=dict)
    there: dict[Uid, PodView] = field(default_factory=dict)
    """The pods that there were when it began to lead, by UID."""
    began: int = 0
    """The version of all that there was then."""


class Promises:
    """Watches a world. ``broken`` tells what was not kept."""

    def __init__(self, server: Server, ray: Ray) -> None:
        self._server = server
        self._ray = ray
        self._memories: dict[str, Memory] = {}
        self._specs: dict[str, list[RayCluster]] = {}
        """Every understood spec that a cluster had, by its UID."""
        self._since: dict[str, list[float]] = {}
        """Since when it had each."""
        self._judge = Judge(ray, self.fault)
        self.broken: list[str] = []
        self.untouched: set[ClusterKey] = set()
        self.lenient_until = -1.0
        """Until then several may be making pods, knowingly or not: surplus is allowed, if it goes away."""
        self.writes = 0
        self.passes = 0
        server.subscribers.append(self._changed)

    @property
    def _at(self) -> float:
        return self._server.clock.monotonic()

    def forget(self, replica: Replica) -> None:
        """A replica begins to lead: it has been told nothing yet."""
        there = {pod.uid: pod for pod in self._server.pods.values()}
        self._memories[replica.name] = Memory(there=there, began=self._server.objects.version)

    def lenient_for(self, seconds: float) -> None:
        self.lenient_until = max(self.lenient_until, self._at + seconds)

    def fault(self, text: str) -> None:
        self.broken.append(f"{self._at:.3f}: {text}")

    def arrived(self, replica: Replica, call: Call, act: Callable[[], bytes], sender: Sender) -> bytes:
        """Have a call done, and judge it."""
        if call.verb in {Verb.GET, Verb.LIST}:
            return act()
        self.writes += call.resource.plural != "events"
        memory = self._memories.setdefault(replica.name, Memory())
        if sender is Sender.GONE:
            self.lenient_for(90)
        if call.resource.plural != "pods":
            return act()
        if call.verb is Verb.DELETE:
            return self._deleting(replica, memory, call, act, sender)
        return self._creating(replica, memory, call, act, sender)

    def _creating(
        self, replica: Replica, memory: Memory, call: Call, act: Callable[[], bytes], sender: Sender
    ) -> bytes:
        try:
            answer = act()
        except AlreadyExists:
            name = orjson.loads(orjson.dumps(call.body))["metadata"]["name"]
            if sender is not Sender.GONE and memory.created.get(name) == self._server.pods[name].uid:
                self.fault(f"{replica.name} made {name} again, although it was told that it is there")
            raise
        pod = pod_view(answer)
        if sender is Sender.WAITS:
            memory.created[pod.name] = pod.uid
        if self._at >= self.lenient_until and pod.key in memory.passes:
            self._count(replica, pod, memory.passes[pod.key])
        return answer

    def _deleting(
        self, replica: Replica, memory: Memory, call: Call, act: Callable[[], bytes], sender: Sender
    ) -> bytes:
        uid = orjson.loads(orjson.dumps(call.body)).get("preconditions", {}).get("uid", "")
        pod = self._server.pods.get(PodName(call.name))
        if not uid:
            self.fault(f"{replica.name} deletes {call.name} by its name alone")
        if sender is not Sender.GONE and uid in memory.deleted:
            self.fault(f"{replica.name} deletes {call.name} again, although it was told that it goes")
        if pod is not None and pod.uid != uid and uid:
            return act()  # refused: a namesake
        if pod is not None and pod.key in self.untouched:
            self.fault(f"{replica.name} deletes {pod.name} of {pod.key}, which nobody touched")
        present = None if pod is None else memory.passes.get(pod.key)
        if pod is not None and present is not None and pod.owner != present.cluster.uid:
            self.fault(f"{replica.name} deletes {pod.name}, which belongs to another {pod.key}")
        if pod is not None and present is not None and present.true and sender is not Sender.GONE:
            self._check_drain(replica, present, pod)
        answer = act()
        if sender is Sender.WAITS and pod is not None:
            memory.deleted.add(pod.uid)
        return answer

    def _count(self, replica: Replica, made: PodView, present: Pass) -> None:
        """A pod was made: there must not be more of them than are wanted, nor than were allowed since."""
        cluster, everyone = present.cluster, self._server.pods_of(made.key)
        own = [pod for pod in everyone if pod.owner == made.owner and pod.role is made.role and is_live(pod)]
        alike = [pod for pod in own if pod.pod_type == made.pod_type]
        specs = [spec for spec in self._specs[cluster.uid] if spec.generation >= cluster.generation]
        if made.owner != cluster.uid:
            self.fault(f"{replica.name} made {made.name} for another {made.key}")
        elif made.role is Role.HEAD and len(own) > 1:
            self.fault(f"{replica.name} made {made.name} beside another head: {named(own)}")
        elif made.role is Role.WORKER:
            # Hosts of a slice that has lost one are on their way out, and the next slice need not wait for them.
            sound = [pod for pod in alike if pod.slice == made.slice or not is_of_a_half(pod, alike)]
            staying = [pod for pod in sound if not self._gets_no_successor(present, pod)]
            renewed = sum(
                self._gets_a_successor(present, pod)
                for pod in present.seen.pods
                if pod.pod_type == made.pod_type
            )
            kinds = [(spec, kind) for spec in specs for kind in spec.pod_types]
            extra = max(sum(surge(spec, own, kind, made) for kind in spec.pod_types) for spec in specs)
            target, kind = present.targets.get(made.pod_type, 0), cluster.find_type(made.pod_type)
            least = kind.min_workers if kind is not None else 0
            # A slice that was begun is made whole, though targets count the hosts of it that are there.
            wanted = whole(max(target, min(least, target + renewed)), kind) + extra
            most = max((spec.max_of(kind) for spec, kind in kinds if kind.name == made.pod_type), default=0)
            total = max(spec.max_workers for spec in specs)
            for limit, pods, what in (
                (wanted, staying, "wanted"),
                (self._minimum_of_late(made) + extra, sound, "there by minWorkers"),
                (most, alike, "allowed"),
                (total, own, "allowed in all"),
            ):
                if len(pods) > limit:
                    self.fault(f"{replica.name} made {made.name}: {named(pods)} are there, {limit} {what}")

    def _minimum_of_late(self, made: PodView) -> float:
        """Return how many workers of a type there may be where nothing asks for more: idle ones stay a while."""
        if self._at - self._ray.asked_at < _STAY_IDLE:
            return float("inf")
        specs, since = self._specs[made.owner], self._since[made.owner]
        ends = [*since[1:], self._at]
        late = [spec for spec, end in zip(specs, ends, strict=True) if self._at - end < _STAY_IDLE]
        kinds = [(spec, kind) for spec in late for kind in spec.pod_types if kind.name == made.pod_type]
        return max((min(whole(kind.min_workers, kind), spec.max_of(kind)) for spec, kind in kinds), default=0)

    def _is_leaving(self, present: Pass, pod: PodView) -> bool:
        node = self._ray.find(pod.name)
        asked = node is not None and (node.draining or node.dead)
        return present.planned and (asked or pod.uid in present.seen.drains or pod.name in present.leave)

    def _gets_a_successor(self, present: Pass, pod: PodView) -> bool:
        """Return whether a worker was on its way out because of a roll-out: targets leave its place out."""
        return is_live(pod) and self._is_leaving(present, pod) and is_old(present.cluster, pod)

    def _gets_no_successor(self, present: Pass, pod: PodView) -> bool:
        return self._is_leaving(present, pod) and not is_old(present.cluster, pod)

    def decide(
        self,
        replicas: Iterable[Replica],
        cluster: RayCluster,
        seen: Observed,
        targets: Targets,
        now: datetime,
        leave: Iterable[Leave] | None,
    ) -> Decision:
        """Decide as the product does, and judge the decision."""
        self.passes += 1
        leaving = None if leave is None else tuple(leave)
        decision = decide(cluster, seen, targets, now, leaving)
        replica = next(one for one in replicas if _holds(one, cluster))
        present = Pass(
            cluster,
            seen,
            targets,
            {each.pod: each for each in leaving or ()},
            leaving is not None,
            self._sees_truth(replica, cluster.key),
        )
        self._memories.setdefault(replica.name, Memory()).passes[cluster.key] = present
        self._check_barrier(replica, cluster.key)
        self._judge.judge(replica.name, present, now, decision)
        return decision

    def _check_barrier(self, replica: Replica, key: ClusterKey) -> None:
        """Whoever leads sees the world no older than it was when it began to lead."""
        memory = self._memories[replica.name]
        held = {pod.uid: pod for pod in replica.cache.list_pods(key)}
        for uid, pod in memory.there.items():
            now = self._server.find_pod(pod.name, uid)
            seen = held.get(pod.uid)
            if (
                pod.key == key
                and now is not None
                and (seen is None or seen.resource_version < pod.resource_version)
            ):
                self.fault(f"{replica.name} goes by {pod.name} as it was before {replica.name} led")
        ghosts = [
            pod.name
            for uid, pod in held.items()
            if uid not in memory.there and pod.resource_version <= memory.began
        ]
        if ghosts:
            self.fault(f"{replica.name} goes by {ghosts}, which were gone before it led")

    def _sees_truth(self, replica: Replica, key: ClusterKey) -> bool:
        view, now = replica.cache.find_cluster(key), self._server.find_cluster(key.name)
        seen = {pod.name: pod.resource_version for pod in replica.cache.list_pods(key)}
        true = {pod.name: pod.resource_version for pod in self._server.pods_of(key)}
        same = (
            view is not None
            and now is not None
            and str(view.resource_version) == now["metadata"]["resourceVersion"]
        )
        return same and seen == true

    def _check_drain(self, replica: Replica, present: Pass, pod: PodView) -> None:
        """A worker that Ray counts on goes only once its node is dead or its time is over."""
        cluster, ray = present.cluster, present.seen.ray
        head = next((one for one in present.seen.pods if one.role is Role.HEAD and is_live(one)), None)
        if head is None or not isinstance(ray, RayView) or ray.life != session_of(head):
            return
        node = self._ray.find(pod.name)
        if node is None or node.dead or node.refused or self._at - node.joined < _SURE_OF_RAY:
            return
        if not cluster.drain_seconds or not pod.ready or pod.session != session_of(head):
            return
        now = self._server.clock.wall()
        if not any(deadline <= now for deadline in node.deadlines):
            self.fault(f"{replica.name} deletes {pod.name}, whose node is {node.status}, before its time")

    def _changed(self, change: Change) -> None:
        if change.place.plural == "rayclusters" and change.after is not None:
            spec = cluster_view(orjson.dumps(change.after)).spec
            if isinstance(spec, RayCluster):
                known = self._specs.setdefault(spec.uid, [])
                if not known or known[-1] != spec:
                    known.append(spec)
                    self._since.setdefault(spec.uid, []).append(self._at)


def _holds(replica: Replica, cluster: RayCluster) -> bool:
    view = replica.cache.find_cluster(cluster.key)
    return view is not None and view.spec is cluster

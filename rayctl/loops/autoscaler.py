"""Autoscaling: each answer of a head becomes a plan, and the plan what the next pass goes by.

The planner decides (:mod:`rayctl.core.autoscale`); here it is given what is seen, and what came of its last
plan is kept. A cluster whose head is silent keeps what it has: nobody is sent away for want of an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TypeAlias

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import ClusterKey, PodName, Role, TypeName, Uid
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.clock import Clock
from rayctl.core.autoscale.block import fail, refuse
from rayctl.core.autoscale.demand import Demand, Snapshot
from rayctl.core.autoscale.effort import affordable, estimated_steps
from rayctl.core.autoscale.feedback import Feedback, feedback
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.memory import Memory, drain_refused, fresh_memory
from rayctl.core.autoscale.offer import Learnt, TypeOffer, offer_of
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.remarks import Topic
from rayctl.core.autoscale.report import Entry, monitoring_block, without_ages
from rayctl.core.autoscale.rest import Rest, rest_of
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.standstill import kept_targets
from rayctl.core.autoscale.workers import COUNTED, History, WorkerState, join
from rayctl.core.build.fingerprint import fingerprint
from rayctl.core.reconcile.actions import Note, Reason
from rayctl.core.reconcile.rollout import blueprint
from rayctl.core.reconcile.seen import RayView
from rayctl.core.reconcile.slots import head_of, session_of
from rayctl.core.reconcile.worker_pods import worker_pods
from rayctl.telemetry.logs import ClusterLog

_log = logging.getLogger(__name__)

STILL_TRUE: Seconds = 10.0
"""A plan is acted on for so long; then the cluster is kept as it is until the head answers."""
_OUTLIVED: Seconds = 60.0
"""Ray may show the node of a pod that we deleted for so long."""
_BLOCK_AGAIN: Seconds = 60.0
"""The monitoring block is logged when it has changed, and after so long."""
_MANY_STEPS = 60_000
"""A plan of more is made in a thread."""


_NEVER = Monotonic(0.0)

Change: TypeAlias = Callable[[Memory], Memory]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a pass goes by."""

    targets: Mapping[TypeName, int]
    """Workers of each type."""
    leave: tuple[Leave, ...] | None
    """Who goes; None: there is no plan, and ``targets`` is what the cluster is kept at."""


@dataclass(slots=True)
class _Scaled:
    """What is kept of one cluster."""

    uid: Uid
    memory: Memory
    plan: Plan | None = None
    made_at: Monotonic = _NEVER
    made_for: int = 0
    """The generation of the spec that the plan is of."""
    life: str = ""
    """The head's life that asked for it."""
    known: tuple[RayCluster, Mapping[TypeName, Learnt], tuple[TypeOffer, ...]] | None = None
    """What was offered last, by a spec and what was learnt of it."""
    late: list[Change] | None = None
    """What has been noted since the plan was begun that is being made; None: none is being made."""
    staying: set[str] = field(default_factory=set)
    """Workers that the plan's targets count."""
    drained: set[str] = field(default_factory=set)
    renewed: set[str] = field(default_factory=set)
    """Those of them that are outdated: whose successor comes, if any, when they are gone."""
    deleted: dict[str, Monotonic] = field(default_factory=dict)
    feedback: Feedback | None = None
    left_out: bool = False
    """Whether a part of what Ray asks for is not looked at."""
    told: tuple[str, ...] = ()
    told_at: Monotonic = _NEVER
    rest: tuple[RayCluster, tuple[PodView, ...], Rest] | None = None
    """What the last plan was of, where nothing was to be done."""

    def offers(self, cluster: RayCluster) -> tuple[TypeOffer, ...]:
        """Return what the types of a cluster offer."""
        learnt = self.memory.learnt
        if self.known is None or self.known[0] is not cluster or self.known[1] != learnt:
            offers = tuple(
                offer_of(cluster, kind, fingerprint(cluster, kind, Role.WORKER), learnt.get(kind.name))
                for kind in cluster.pod_types
            )
            self.known = cluster, learnt, offers
        return self.known[2]

    def find_offer(self, cluster: RayCluster, name: TypeName) -> TypeOffer | None:
        """Return what a type offers; None: the cluster has no such type."""
        return next((offer for offer in self.offers(cluster) if offer.name == name), None)

    def note(self, change: Change) -> None:
        """Change what is remembered; a plan under way began without it, and does not undo it."""
        self.rest = None
        self.memory = change(self.memory)
        if self.late is not None:
            self.late.append(change)

    def rests(self, cluster: RayCluster, pods: Sequence[PodView], answer: Snapshot, now: Monotonic) -> bool:
        """Return whether a plan would be the last one again."""
        if self.rest is None:
            return False
        of, had, rest = self.rest
        return of is cluster and rest.goes_on(answer, now) and had == tuple(pods)


@dataclass(frozen=True, slots=True)
class Tick:
    """What came of one answer of a head."""

    changed: bool
    """Whether the next pass has something to do for it."""
    busy: bool
    """Whether the next answer is wanted soon."""
    feedback: Feedback | None
    """What Ray is to be told; None: what it knows."""
    restore: tuple[Demand, ...]
    """What it has forgotten and is to be requested again."""
    notes: tuple[Note, ...]


class Autoscaler:
    """The plans of all clusters, while this replica leads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._clusters: dict[ClusterKey, _Scaled] = {}
        self._threads = asyncio.Semaphore(2)

    def wishes(self, cluster: RayCluster, pods: Sequence[PodView]) -> Wishes:
        """Return what the last plan wants, or that all stays as it is; another head starts at the minimum."""
        scaled = self._of(cluster)
        now = self._clock.monotonic()
        head = head_of(cluster, pods)
        if scaled.plan is not None and (head is None or session_of(head) != scaled.life):
            return Wishes(kept_targets(scaled.offers(cluster), cluster.max_workers, {}), None)
        if scaled.plan is not None and now - scaled.made_at < STILL_TRUE:
            targets = scaled.plan.targets
            if scaled.made_for != cluster.generation:  # a limit that was lowered does not wait for a new plan
                offers = (replace(offer, minimum=0) for offer in scaled.offers(cluster))
                targets = kept_targets(offers, cluster.max_workers, targets)
            return Wishes(targets, scaled.plan.leave)
        counts: dict[TypeName, int] = {}
        for pod in pods:
            if pod.role is Role.WORKER and not pod.deleting and not pod.finished:
                counts[pod.pod_type] = counts.get(pod.pod_type, 0) + 1
        before = scaled.plan.targets if scaled.plan is not None else counts
        return Wishes(kept_targets(scaled.offers(cluster), cluster.max_workers, before), None)

    def unmet(self, cluster: RayCluster) -> tuple[str, ...]:
        """Return what the last plan could not give, in sentences."""
        scaled = self._of(cluster)
        return (*sorted(scaled.memory.told), *([_LEFT_OUT] if scaled.left_out else []))

    async def look(
        self, cluster: RayCluster, pods: Sequence[PodView], answer: Snapshot, nodes: RayView
    ) -> Tick:
        """Make a plan from a head's answer; ``nodes`` are the same answer's."""
        scaled = self._of(cluster)
        now = self._clock.monotonic()
        if scaled.rests(cluster, pods, answer, now):
            return _AT_REST
        answer = affordable(answer, len(pods), len(cluster.pod_types))
        situation = self._situation(cluster, pods, answer, nodes, scaled, now)
        before = scaled.plan
        scaled.late = []
        try:
            made, block = await self._plan(situation)
            scaled.memory = reduce(lambda memory, change: change(memory), scaled.late, made.memory)
            rest = None if scaled.late else rest_of(situation, made)
        finally:
            scaled.late = None
        scaled.rest = (cluster, tuple(pods), rest) if rest is not None else None
        scaled.plan, scaled.made_at, scaled.made_for = made, now, cluster.generation
        leaving = {leave.pod for leave in made.leave}
        scaled.staying = {w.pod for w in situation.workers if w.state in _STAYING and w.pod not in leaving}
        told = feedback(situation, made, self._clock.wall().timestamp())
        known_to_ray = scaled.feedback if scaled.life == nodes.life else None
        news = told if told != known_to_ray else None
        scaled.feedback, scaled.life = told, nodes.life
        self._log(cluster.key, scaled, block, now)
        news_of_plan = before is None or (before.targets, before.leave) != (made.targets, made.leave)
        left_out, scaled.left_out = scaled.left_out, answer.left_out > 0
        changed = news_of_plan or situation.memory.told != made.memory.told or left_out != scaled.left_out
        unjoined = any(w.state in _ON_THEIR_WAY for w in situation.workers)
        busy = bool(answer.demands or answer.gangs or made.leave or unjoined)
        known = frozenset(before.remarks if before is not None else ())
        notes = tuple(
            Note(_REASONS[each.topic], each.text, each.warning)
            for each in made.remarks
            if each.topic not in _TAKES_A_WHILE or each not in known
        )
        return Tick(changed, busy, news, made.restore, notes)

    def not_told(self, cluster: RayCluster) -> None:
        """Note that the last report did not reach Ray: the next plan's is sent, also where it is the same."""
        scaled = self._of(cluster)
        scaled.feedback = scaled.rest = None

    def refused_pod(self, cluster: RayCluster, name: TypeName, message: str) -> None:
        """Note that the API server refused a pod of that type."""
        scaled = self._of(cluster)
        offer = scaled.find_offer(cluster, name)
        if offer is not None:
            at = self._clock.monotonic()
            scaled.note(lambda memory: replace(memory, blocks=refuse(memory.blocks, offer, message, at)))

    def failed_pod(self, cluster: RayCluster, pod: PodView, why: str) -> None:
        """Note that a pod ended, or was given up; one that had joined says nothing of its type."""
        scaled = self._of(cluster)
        offer = scaled.find_offer(cluster, pod.pod_type)
        if offer is not None and pod.role is Role.WORKER and pod.name not in scaled.memory.joined:
            at = self._clock.monotonic()
            unit = f"slice {pod.slice}" if pod.slice else pod.name  # which fails as one
            scaled.note(lambda memory: replace(memory, blocks=fail(memory.blocks, offer, unit, why, at)))

    def refused_drain(self, cluster: RayCluster, pod: PodView) -> None:
        """Note that Ray refused to let an idle node go: it was not idle any more, and stays."""
        scaled, at = self._of(cluster), self._clock.monotonic()
        scaled.note(lambda memory: drain_refused(memory, pod.name, at))
        if scaled.plan is not None and any(leave.pod == pod.name for leave in scaled.plan.leave):
            staying = tuple(leave for leave in scaled.plan.leave if leave.pod != pod.name)
            targets = Counter(scaled.plan.targets) + Counter({pod.pod_type: 1})
            scaled.plan = replace(scaled.plan, leave=staying, targets=targets)
            scaled.staying.add(pod.name)

    def drained(self, cluster: RayCluster, pod: PodView) -> None:
        """Note that Ray accepted a drain: who leaves is not among those that stay, which targets are of."""
        scaled = self._of(cluster)
        scaled.rest = None
        scaled.drained.add(pod.name)
        made_of = blueprint(cluster, Role.WORKER, pod.pod_type)
        if made_of is not None and made_of.why_outdated(pod):
            scaled.renewed.add(pod.name)
        if scaled.plan is not None and pod.name in scaled.staying:
            scaled.staying.discard(pod.name)
            targets = dict(scaled.plan.targets)
            targets[pod.pod_type] = max(0, targets.get(pod.pod_type, 0) - 1)
            scaled.plan = replace(scaled.plan, targets=targets)

    def deleted(self, cluster: RayCluster, pod: PodName) -> None:
        """Note that we deleted a pod."""
        self._of(cluster).deleted[pod] = self._clock.monotonic()

    def forget(self, key: ClusterKey) -> None:
        """Forget a cluster that is gone."""
        self._clusters.pop(key, None)

    def clear(self) -> None:
        """Forget all: leadership was lost."""
        self._clusters.clear()

    def _of(self, cluster: RayCluster) -> _Scaled:
        scaled = self._clusters.get(cluster.key)
        if scaled is None or scaled.uid != cluster.uid:
            fresh = fresh_memory(self._clock.monotonic())
            scaled = self._clusters[cluster.key] = _Scaled(cluster.uid, fresh)
        return scaled

    async def _plan(self, situation: Situation) -> tuple[Plan, tuple[Entry, ...]]:
        def work() -> tuple[Plan, tuple[Entry, ...]]:
            made = plan(situation)
            return made, monitoring_block(situation, made)

        if estimated_steps(situation.asked, len(situation.workers), len(situation.offers)) <= _MANY_STEPS:
            return work()
        async with self._threads:
            return await asyncio.to_thread(work)

    def _situation(
        self,
        cluster: RayCluster,
        pods: Sequence[PodView],
        answer: Snapshot,
        nodes: RayView,
        scaled: _Scaled,
        now: Monotonic,
    ) -> Situation:
        names = {pod.name for pod in pods}
        scaled.drained &= names
        scaled.renewed &= {pod.name for pod in pods if not pod.deleting and not pod.finished}
        scaled.deleted = {name: at for name, at in scaled.deleted.items() if now - at < _OUTLIVED}
        history = History(scaled.memory.joined, frozenset(scaled.drained), frozenset(scaled.deleted))
        renewed = Counter(pod.pod_type for pod in pods if pod.name in scaled.renewed)
        return Situation(
            offers=tuple(
                replace(offer, minimum=max(0, offer.minimum - renewed[offer.name]))
                for offer in scaled.offers(cluster)
            ),
            cluster_maximum=cluster.max_workers,
            speed=cluster.upscaling_speed,
            workers=join(worker_pods(cluster, pods, nodes, self._clock.wall()), answer, history),
            asked=answer,
            memory=scaled.memory,
            now=now,
            doomed=dict.fromkeys(cluster.scale.workers_to_delete, "spec.scaleStrategy names it"),
        )

    def _log(
        self,
        key: ClusterKey,
        scaled: _Scaled,
        block: tuple[Entry, ...],
        now: Monotonic,
    ) -> None:
        log = ClusterLog(_log, key)
        lines = without_ages(block)
        if lines == scaled.told and now - scaled.told_at < _BLOCK_AGAIN:
            return
        scaled.told, scaled.told_at = lines, now
        for entry in block:
            log.log(logging.DEBUG if entry.debug else logging.INFO, "%s", entry.text)


_AT_REST = Tick(changed=False, busy=False, feedback=None, restore=(), notes=())
_LEFT_OUT = (
    "A part of what Ray asks for is left out: it was not understood, has too many different shapes, "
    "or would take too long to plan"
)
_REASONS = {
    Topic.LAUNCH: Reason.SCALING_UP,
    Topic.REMOVAL: Reason.SCALING_DOWN,
    Topic.INFEASIBLE: Reason.UNMET_DEMAND,
    Topic.WAITING: Reason.UNMET_DEMAND,
    Topic.BLOCK: Reason.TYPE_BLOCKED,
    Topic.LIMIT: Reason.LIMIT_REACHED,
}
_TAKES_A_WHILE = frozenset({Topic.LAUNCH, Topic.REMOVAL})
"""What may be planned again and again: a type's pods may have to wait, and Ray may not let a node go yet."""
_STAYING = COUNTED - {WorkerState.DRAINING}
_ON_THEIR_WAY = frozenset({WorkerState.REQUESTED, WorkerState.PENDING, WorkerState.STARTING})

"""The controller: a key that changed → what is seen → a Decision → its execution.

Level-triggered: whatever woke it, a pass looks at the whole cluster and does what is missing. One pass per
cluster at a time, many clusters side by side. A cluster that fails is retried with back-off and holds up
nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from rayctl.api.document import SpecError
from rayctl.api.names import ClusterKey, Role
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import (
    NEEDED,
    ConditionType,
    Phase,
    RayClusterStatus,
    settle,
    status_document,
)
from rayctl.clock import Clock
from rayctl.core.autoscale.demand import Snapshot
from rayctl.core.build.ray_start import gcs_port
from rayctl.core.reconcile.actions import Decision, Note, Reason
from rayctl.core.reconcile.decide import decide, refuse
from rayctl.core.reconcile.rollout import blueprint
from rayctl.core.reconcile.seen import Observed, RayView, Silence
from rayctl.core.reconcile.slots import head_of, may_answer, session_of
from rayctl.kube.cache import Cache
from rayctl.kube.errors import Fenced, KubeError, Unreachable
from rayctl.kube.events import Events
from rayctl.kube.writer import Writer
from rayctl.loops.autoscaler import Autoscaler
from rayctl.loops.executor import Executor, Outcome
from rayctl.loops.heads import Heads
from rayctl.loops.state import ClusterState, ClusterStates
from rayctl.loops.workqueue import WorkQueue
from rayctl.telemetry import traces
from rayctl.telemetry.logs import ClusterLog
from rayctl.telemetry.metrics import Metrics
from rayctl.telemetry.traces import Traces

_log = logging.getLogger(__name__)

STATUS_INTERVAL = 1.0
"""Seconds between two writes of one cluster's status, at least, unless it comes to an end of the way."""

COUNTS_INTERVAL = 5.0
"""The same for counts and messages alone: each of a thousand pods that become ready changes some."""

_ON_THE_WAY = frozenset({Phase.PENDING, Phase.STARTING, Phase.UPDATING})
"""Phases that nobody waits for: a cluster that is quick is spared an API call for each."""

_CROWD = 50
"""So many clusters that are due have others wait for the API calls."""

CROWDED_INTERVAL = 15.0
"""Then the same for a cluster that is on its way, and of which nobody was told anything else."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where the controller tells how it goes, the log aside."""

    events: Events
    metrics: Metrics
    traces: Traces


class Controller:
    """Reconciles every RayCluster in the cache while :meth:`run` runs, that is, while this replica leads."""

    def __init__(
        self,
        cache: Cache,
        heads: Heads,
        autoscaler: Autoscaler,
        writer: Writer,
        executor: Executor,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._cache = cache
        self._heads = heads
        self._autoscaler = autoscaler
        self._writer = writer
        self._events = telemetry.events
        self._executor = executor
        self._clock = clock
        self._metrics = telemetry.metrics
        self._traces = telemetry.traces
        self._queue: WorkQueue[ClusterKey] = WorkQueue()
        self._states = ClusterStates()
        self._running = False
        cache.subscribe(self._changed)
        heads.subscribe(self._changed, self._answered)
        self._metrics.watch_queue(self._queue.__len__)

    async def run(self, workers: int) -> None:
        """Reconcile until cancelled, ``workers`` clusters at a time."""
        for view in sorted(self._cache.list_clusters(), key=_is_settled):
            self._queue.add(view.key)
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heads.run(), name="heads")
                for _ in range(workers):
                    group.create_task(self._work())
        finally:
            self._running = False
            self._queue.clear()
            self._states.clear()
            self._autoscaler.clear()

    def _changed(self, key: ClusterKey) -> None:
        if self._running:
            self._queue.add(key)

    async def _answered(self, key: ClusterKey, answer: Snapshot, nodes: RayView) -> bool:
        """Have a head's answer made a plan; return whether the next one is wanted soon."""
        view = self._cache.find_cluster(key)
        if view is None or view.deleting or isinstance(view.spec, SpecError) or view.spec.suspend:
            return False
        told = view.status.find_condition(ConditionType.UPGRADING)
        if told is not None and told.reason == Reason.RESTARTING_HEAD:
            return False  # all of it goes; the next head's demand is what counts then
        if not self._writer.is_open:
            return False  # nothing is decided, nor told to Ray, by a replica that does not lead any more
        state = self._states.get(key, view.uid, view.generation, self._clock.monotonic())
        tick = await self._autoscaler.look(view.spec, self._own_pods(view, state), answer, nodes)
        self._tell(view, tick.notes, ClusterLog(_log, key))
        if tick.changed:
            self._changed(key)
        has_news = tick.feedback is not None or bool(tick.restore)
        if has_news and not await self._heads.tell(key, tick.feedback, tick.restore):
            self._autoscaler.not_told(view.spec)
        return tick.busy

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            log = ClusterLog(_log, key)
            try:
                with self._metrics.reconcile():
                    acted = await self._reconcile(key, log)
            except Fenced as error:
                log.warning("Not written, leadership is in doubt: %s", error)
                self._queue.retry(key)
            except KubeError as error:
                delay = self._queue.retry(key)
                log.warning("%s; trying again in %.1f s", error, delay)
            except Exception:
                # A fault of ours with one cluster must not end the others' reconciles; it is told, and tried
                # again.
                delay = self._queue.retry(key)
                log.exception("Reconciling failed; trying again in %.1f s", delay)
            else:
                # What a pass did is in the cache and has made the key due again. Where nothing changed by it
                # (somebody undoes it, a Service hangs in Terminating) the next try is a back-off away.
                if acted:
                    self._queue.retry(key)
                else:
                    self._queue.forgive(key)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: ClusterKey, log: ClusterLog) -> bool:
        """Do one pass; return whether it acted, and the next one should find nothing to do."""
        view = self._cache.find_cluster(key)
        if view is None:
            self._heads.leave(key)
            self._autoscaler.forget(key)
            self._queue.forget(key)
            if self._states.forget(key):
                log.info("The RayCluster is gone; Kubernetes removes its pods and its Service")
            return False
        state = self._states.get(key, view.uid, view.generation, self._clock.monotonic())
        if view.deleting:
            if not state.told_deleting:
                state.told_deleting = True
                log.info("The RayCluster is being deleted")
            going = Decision((), replace(view.status, phase=Phase.TERMINATING))
            await self._finish(view, state, going, log)
            return False
        if isinstance(view.spec, SpecError):
            refusal = refuse(view, view.spec)
            self._tell(view, refusal.notes, log)
            await self._finish(view, state, refusal, log)
            return False
        await self._executor.ask_after(key, state)
        seen = self._observe(view, view.spec, state)
        wishes = self._autoscaler.wishes(view.spec, seen.pods)
        decision = decide(view.spec, seen, wishes.targets, self._clock.wall(), wishes.leave)
        if view.refused is not None:
            decision = refuse(view, view.refused, decision)
        self._tell(view, decision.notes, log)
        self._tell(view, [note for note in decision.standing if note not in state.told], log)
        state.told = frozenset(decision.standing)
        outcome = await self._act(view.spec, decision, state)
        self._tell(view, outcome.notes, log)
        if not decision.actions or self._is_told_too_seldom(view, state, outcome):
            await self._finish(view, state, decision, log)
        if outcome.failure is not None:
            raise outcome.failure
        if outcome.cut:
            self._queue.add(key)
            return False
        return bool(decision.actions)

    def _is_told_too_seldom(self, view: ClusterView, state: ClusterState, outcome: Outcome) -> bool:
        """Return whether a pass that acts tells the status, as a rule the next one's that finds all done.

        Where each pass has something to do, or fails at it, nobody would know otherwise.
        """
        if isinstance(outcome.failure, Fenced | Unreachable):
            return False
        interval = CROWDED_INTERVAL if self._comes_last(view) else COUNTS_INTERVAL
        return self._clock.monotonic() - state.status_written >= interval

    def _comes_last(self, view: ClusterView) -> bool:
        """Return whether many wait, and the status that is stored promises nothing that may have ended."""
        return len(self._queue) >= _CROWD and view.status.phase in {"", *_ON_THE_WAY}

    async def _act(self, cluster: RayCluster, decision: Decision, state: ClusterState) -> Outcome:
        if not decision.actions:
            return Outcome((), None)
        why = {
            traces.NAMESPACE: cluster.key.namespace,
            traces.CLUSTER: cluster.key.name,
            traces.WHY: "; ".join(note.text for note in decision.notes),
        }
        with self._traces.span("reconcile", why):
            return await self._executor.execute(
                cluster, decision.actions, state, self._clock.wall(), lambda: len(self._queue) > 0
            )

    def _observe(self, view: ClusterView, cluster: RayCluster, state: ClusterState) -> Observed:
        services = [service for service in self._cache.list_services(view.key) if service.owner == view.uid]
        shown = self._own_pods(view, state)
        state.keep(shown, self._clock.monotonic())
        return Observed(
            pods=shown,
            service_fingerprint=next((s.fingerprint for s in services if not s.deleting), None),
            status=view.status,
            ray=self._ask_ray(cluster, shown, state),
            left=frozenset(state.left),
            foreign_heads=frozenset(
                pod.incarnation
                for pod in self._cache.list_pods(view.key)
                if pod.role is Role.HEAD and pod.owner != view.uid
            ),
            unmet=self._autoscaler.unmet(cluster),
            drains=state.drains,
            troubles=state.standing(self._clock.wall()),
            service_trouble=state.service_trouble,
        )

    def _own_pods(self, view: ClusterView, state: ClusterState) -> tuple[PodView, ...]:
        """Return the cluster's own pods, with what we deleted on its way out."""
        return tuple(
            msgspec.structs.replace(pod, deleting=True) if pod.uid in state.removed else pod
            for pod in self._cache.list_pods(view.key)
            if pod.owner == view.uid
        )

    def _ask_ray(
        self, cluster: RayCluster, pods: Sequence[PodView], state: ClusterState
    ) -> RayView | Silence | None:
        """Return what Ray says of its nodes; its head is followed from its first readiness on."""
        head = head_of(cluster, pods)
        if head is None or not head.ip:
            self._heads.leave(cluster.key)
            return None
        life = session_of(head)
        if not may_answer(head) and not self._heads.is_followed(cluster.key, life):
            return None
        sleepy = cluster.idle_seconds is not None
        address, secret = self._address_of(cluster, head)
        return self._heads.follow(
            cluster.key, life, address, secret, closely=bool(state.drains), sleepy=sleepy
        )

    def _address_of(self, cluster: RayCluster, head: PodView) -> tuple[str, str]:
        """Return where a head's GCS is, and the Secret with its token.

        One that the spec has left behind goes on as it was made, and is asked where it was until it is gone.
        """
        followed = self._heads.find_address(cluster.key, session_of(head))
        made_of = blueprint(cluster, Role.HEAD, cluster.head_type)
        if followed is not None and (made_of is None or made_of.why_outdated(head)):
            return followed
        host = f"[{head.ip}]" if ":" in head.ip else head.ip
        return f"{host}:{gcs_port(cluster)}", cluster.auth.token_secret

    async def _finish(
        self, view: ClusterView, state: ClusterState, decision: Decision, log: ClusterLog
    ) -> None:
        if decision.ask_ray:
            self._heads.ask(view.key)
        if decision.wake_after is not None:
            self._queue.add_after(view.key, decision.wake_after)
        wanted = settle(decision.status, view.status, self._clock.wall())
        if wanted == view.status:
            return
        at = self._clock.monotonic()
        interval = STATUS_INTERVAL if _is_news(view.status, wanted) else COUNTS_INTERVAL
        if wanted.phase in _ON_THE_WAY and self._comes_last(view):
            interval = CROWDED_INTERVAL
        early = state.status_written + interval - at
        patient = wanted.phase in _ON_THE_WAY or wanted.phase == view.status.phase
        if early > 0 and patient and not decision.urgent:
            self._queue.add_after(view.key, early)
            return
        state.status_written = at
        self._cache.accept(await self._writer.write_status(view.key, view.uid, status_document(wanted)))
        _log_change(view.status, wanted, log)

    def _tell(self, view: ClusterView, notes: Sequence[Note], log: ClusterLog) -> None:
        for note in notes:
            log.log(logging.WARNING if note.warning else logging.INFO, "%s", note.text)
            if note.event:
                self._events.tell(view, note)


def _is_settled(view: ClusterView) -> bool:
    """Return whether nobody waits for it, by its status: a new leader sees to the others first."""
    return view.status.phase == Phase.RUNNING and view.status.observed_generation == view.generation


def _is_news(before: RayClusterStatus, after: RayClusterStatus) -> bool:
    """Return whether somebody may wait for what has changed: more than counts and words."""

    def marks(status: RayClusterStatus) -> tuple[object, ...]:
        truths = tuple((condition.type, condition.true) for condition in status.conditions)
        return status.phase, status.observed_generation, status.head, truths

    return marks(before) != marks(after)


def _log_change(before: RayClusterStatus, after: RayClusterStatus, log: ClusterLog) -> None:
    if before.phase != after.phase:
        why = "; ".join(c.message or c.reason for c in after.conditions if c.type in NEEDED and not c.true)
        log.info("%s%s", after.phase, f" ({why})" if why else "")

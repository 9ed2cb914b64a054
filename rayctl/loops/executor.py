"""Carries out actions through the writer, side by side but deletions first, and says how it went.

What the API server refuses for good (quota, admission, a field it does not take) becomes the cluster's
trouble and is retried after a back-off of its own; what may pass (time-outs, throttling, a lost lease) is
handed to the controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from rayctl.api.moment import Seconds
from rayctl.api.names import LABEL_CLUSTER, ClusterKey, PodKind
from rayctl.api.raycluster import RayCluster
from rayctl.core.autoscale.demand import DrainReason
from rayctl.core.reconcile.actions import (
    Action,
    ApplyService,
    CreatePod,
    DeletePod,
    DrainNode,
    Note,
    Reason,
)
from rayctl.core.reconcile.seen import Drain
from rayctl.gcs.errors import GcsError
from rayctl.kube.cache import Cache
from rayctl.kube.errors import (
    AlreadyExists,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    ServerFault,
    may_have_taken_effect,
)
from rayctl.kube.writer import Writer
from rayctl.loops.autoscaler import Autoscaler
from rayctl.loops.heads import Heads
from rayctl.loops.scheduling import Scheduling
from rayctl.loops.state import ClusterState
from rayctl.telemetry import traces
from rayctl.telemetry.traces import Traces

LONGEST_WAVE: Seconds = 5.0
"""Of all but deletions: what has not been begun by then is left to the next pass, which knows more."""
LONGEST_WAVE_IN_A_CROWD: Seconds = 1.0
"""The same while other clusters are due: there are only so many passes at a time."""

_FAILED: Mapping[type[Action], Reason] = {
    ApplyService: Reason.FAILED_SERVICE,
    CreatePod: Reason.FAILED_CREATE,
    DeletePod: Reason.FAILED_DELETE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the actions of one pass went."""

    notes: tuple[Note, ...]
    """What was refused, in the server's words."""
    failure: KubeError | None
    """The first failure that may pass; the pass is to be tried again."""
    cut: bool = False
    """Whether something was left to the next pass, which is to follow at once."""


class Executor:
    """Carries out actions.

    ``parallel`` bounds the API calls that one cluster may have under way at once, and together with them the
    pods that it has made and the scheduler has not yet looked at.
    """

    def __init__(
        self,
        writer: Writer,
        cache: Cache,
        heads: Heads,
        autoscaler: Autoscaler,
        spans: Traces,
        parallel: int,
    ) -> None:
        self._writer = writer
        self._cache = cache
        self._heads = heads
        self._autoscaler = autoscaler
        self._traces = spans
        self._parallel = parallel
        self._scheduling = Scheduling(cache)

    async def execute(
        self,
        cluster: RayCluster,
        actions: tuple[Action, ...],
        state: ClusterState,
        now: datetime,
        others_wait: Callable[[], bool],
    ) -> Outcome:
        """Carry out ``actions``. Every answer goes into the cache: the next pass sees what this one did.

        ``others_wait`` says whether other clusters are due, and this one should make way for them.
        """
        run = _Run(self._writer, self._cache, self._heads, self._autoscaler, cluster, state, now)
        gate = asyncio.Semaphore(self._parallel)

        async def one(action: Action, *, is_followed: bool) -> None:
            async with gate:
                if run.is_overtaken(others_wait):
                    return
                with self._traces.span(*_span(action)):
                    await run.act(action)
                if is_followed and isinstance(action, CreatePod):
                    await self._scheduling.looked_at(cluster.key, action.name)

        for wave in _waves(actions):
            run.begin_wave(endless=isinstance(wave[0], DeletePod))
            async with asyncio.TaskGroup() as group:
                for place, action in enumerate(wave):
                    # Nobody waits for the places of the last ones: they hold the pass up for nothing.
                    group.create_task(one(action, is_followed=place + self._parallel < len(wave)))
        return Outcome(tuple(run.notes), run.failure, run.cut)

    async def ask_after(self, key: ClusterKey, state: ClusterState) -> None:
        """Find out what became of creations that nobody knows of: a pass without them decides wrongly.

        What is seen in the cache needs no asking; a pod that was made is put there.

        Raises:
            KubeError: it still is not known.
        """
        state.unsure -= {pod.name for pod in self._cache.list_pods(key)}
        for name in sorted(state.unsure):
            with suppress(NotFound):
                self._cache.accept(await self._writer.read_pod(key.namespace, name))
            state.unsure.discard(name)


def _waves(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """Return deletions, then what is made, then drains.

    A pod made beside a deletion that fails would be one too many; heads that hang hold up no pod.
    """
    deletes = tuple(action for action in actions if isinstance(action, DeletePod))
    drains = tuple(action for action in actions if isinstance(action, DrainNode))
    makes = tuple(action for action in actions if not isinstance(action, DeletePod | DrainNode))
    return filter(None, (deletes, makes, drains))


def _span(action: Action) -> tuple[str, dict[str, str]]:
    """Return the name and the attributes of an action's span."""
    match action:
        case CreatePod():
            what = {traces.POD: action.name, traces.POD_TYPE: action.slot.pod_type}
            return "create pod", {**what, traces.WHY: action.why}
        case DeletePod():
            what = {traces.POD: action.pod.name, traces.POD_TYPE: action.pod.pod_type}
            return "delete pod", {**what, traces.WHY: action.why}
        case DrainNode():
            what = {traces.POD: action.pod.name, traces.POD_TYPE: action.pod.pod_type}
            return "drain node", {**what, traces.WHY: action.why}
        case ApplyService():
            return "apply service", {traces.WHY: action.why}
        case _:
            assert_never(action)


class _Run:
    """One pass's execution."""

    def __init__(
        self,
        writer: Writer,
        cache: Cache,
        heads: Heads,
        autoscaler: Autoscaler,
        cluster: RayCluster,
        state: ClusterState,
        now: datetime,
    ) -> None:
        self._writer = writer
        self._cache = cache
        self._heads = heads
        self._autoscaler = autoscaler
        self._cluster = cluster
        self._state = state
        self._now = now
        self._began = 0.0
        self._endless = False
        self._is_outdated = False
        self._refused: set[PodKind] = set()
        """Kinds of which a pod was refused in this pass: that another one was made proves nothing."""
        self.notes: list[Note] = []
        self.failure: KubeError | None = None
        self.cut = False
        """Whether anything was left to the next pass."""

    @property
    def _key(self) -> ClusterKey:
        return self._cluster.key

    def begin_wave(self, *, endless: bool) -> None:
        """Give the next actions time of their own: what hangs before them must not take all of it.

        Deletions have as much as they need: nothing may be made in the place of what was not tried.
        """
        self._began, self._endless = asyncio.get_running_loop().time(), endless

    def is_overtaken(self, others_wait: Callable[[], bool]) -> bool:
        """Return whether what is left is better decided anew: the spec has changed, or time has passed."""
        view = self._cache.find_cluster(self._key)
        gone = view is None or view.deleting or view.spec is not self._cluster
        self._is_outdated = self._is_outdated or gone
        took = 0.0 if self._endless else asyncio.get_running_loop().time() - self._began
        late = took >= LONGEST_WAVE or (took >= LONGEST_WAVE_IN_A_CROWD and others_wait())
        self.cut = self.cut or self._is_outdated or late
        return self._is_outdated or late

    async def act(self, action: Action) -> None:
        if self.failure is not None:
            return  # the API server is not well, or the lease is lost: the rest waits for the next pass
        try:
            match action:
                case CreatePod():
                    await self._create(action)
                case DeletePod():
                    await self._delete(action)
                case DrainNode():
                    await self._drain(action)
                case ApplyService():
                    await self._apply(action)
                case _:
                    assert_never(action)
        except KubeError as error:
            reason = _FAILED.get(type(action))
            if self.failure is None and isinstance(error, ServerFault) and reason is not None:
                # A webhook that cannot be called is one: it does not pass by itself.
                self.notes.append(Note(reason, f"{error}; trying again", warning=True))
            self.failure = self.failure or error
            if isinstance(action, CreatePod) and may_have_taken_effect(error):
                self._state.unsure.add(action.name)

    async def _create(self, action: CreatePod) -> None:
        kind = action.slot.kind
        trouble = self._state.troubles.get(kind)
        if trouble is not None and trouble.until > self._now.timestamp():
            return  # a sibling was refused in this very pass; the others would be as well
        try:
            pod = await self._writer.create_pod(self._key.namespace, action.manifest)
        except AlreadyExists:
            pod = await self._writer.read_pod(self._key.namespace, action.name)
            if pod.owner == self._cluster.uid and pod.key != self._key:
                self._refused_pod(
                    action, f"pods {action.name!r} has lost its label {LABEL_CLUSTER}={self._key.name}"
                )
                return
            if pod.owner != self._cluster.uid:
                owner = f"another owner ({pod.owner or 'none'})"
                self._refused_pod(action, f"pods {action.name!r} is there already and belongs to {owner}")
                return
        except (Forbidden, Invalid) as error:
            self._refused_pod(action, str(error))
            return
        if kind not in self._refused:
            self._state.troubles.pop(kind, None)
        self._cache.accept(pod)

    def _refused_pod(self, action: CreatePod, message: str) -> None:
        kind = action.slot.kind
        trouble = self._state.troubles.get(kind)
        if trouble is not None and trouble.until > self._now.timestamp():
            return
        self._refused.add(kind)
        trouble = self._state.pod_refused(kind, message, self._now)
        self._autoscaler.refused_pod(self._cluster, kind.pod_type, message)
        retry = f"next try in {trouble.until - self._now.timestamp():.0f} s"
        text = f"Cannot create a {action.slot.role} pod of type {kind.pod_type}: {message} ({retry})"
        self.notes.append(Note(Reason.FAILED_CREATE, text, warning=True))

    async def _delete(self, action: DeletePod) -> None:
        try:
            gone = await self._writer.delete_pod(self._key, action.pod.name, action.pod.uid, action.grace)
        except (Forbidden, Invalid) as error:  # as a policy may say of one pod; the others are not held up
            self.notes.append(Note(Reason.FAILED_DELETE, f"{error}; trying on", warning=True))
            return
        self._state.removed[action.pod.uid] = action.pod.name
        self._autoscaler.deleted(self._cluster, action.pod.name)
        if gone is None:
            return
        self._cache.accept(gone)
        if action.failed:
            self._state.pod_ended(action.pod, action.why, self._now)
            self._autoscaler.failed_pod(self._cluster, action.pod, action.why)

    async def _drain(self, action: DrainNode) -> None:
        if not self._writer.is_open:
            return  # Ray would do as it is told by a replica that does not lead any more
        try:
            reason = DrainReason.IDLE if action.idle else DrainReason.PREEMPTION
            answer = await self._heads.drain(self._key, action.node_id, reason, action.why, action.deadline)
        except GcsError as error:
            text = f"Ray could not be told to drain {action.pod.name}: {error}"
            self.notes.append(Note(Reason.DRAIN_REFUSED, text, warning=True))
            if not action.idle:
                self._state.drain_failed(action.pod, action.why, str(error), action.deadline, self._now)
            return
        refused = "" if answer.accepted else answer.why or "without a word"
        if action.idle and refused:
            self._autoscaler.refused_drain(self._cluster, action.pod)
            return
        self._autoscaler.drained(self._cluster, action.pod)
        self._state.drains[action.pod.uid] = Drain(action.deadline.timestamp(), action.why, refused)
        if refused:
            text = f"Ray refuses to drain {action.pod.name}: {refused}"
            self.notes.append(Note(Reason.DRAIN_REFUSED, text, warning=True))
        elif action.idle:
            # Ray's node is gone by now, and its container would run on without one.
            await self._delete(DeletePod(action.pod, action.why))

    async def _apply(self, action: ApplyService) -> None:
        try:
            service = await self._writer.apply_service(self._key.namespace, action.manifest)
        except (Forbidden, Invalid) as error:
            trouble = self._state.service_refused(str(error), self._now)
            retry = f"next try in {trouble.until - self._now.timestamp():.0f} s"
            text = f"Cannot apply the head's Service: {error} ({retry})"
            self.notes.append(Note(Reason.FAILED_SERVICE, text, warning=True))
            return
        self._state.service_trouble = None
        self._cache.accept(service)

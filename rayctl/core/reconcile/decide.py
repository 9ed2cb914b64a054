"""From what is wished and what is seen to what to do. Level-triggered: equal inputs give equal Decisions.

After a perfect execution the next pass finds nothing to do (unit/core/reconcile/test_decide.py holds it to
that).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rayctl.api.document import SpecError
from rayctl.api.names import PodName, Role, Slot, TypeName
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import ConditionType
from rayctl.core.autoscale.minimum import Targets
from rayctl.core.build.pod import pod_template
from rayctl.core.build.service import head_service, service_fingerprint
from rayctl.core.reconcile.actions import (
    Action,
    ApplyService,
    CreatePod,
    Decision,
    DeletePod,
    Note,
    Observed,
    Reason,
)
from rayctl.core.reconcile.slots import (
    free_ordinals,
    head_of,
    is_live,
    next_incarnation,
    of_type,
    session_of,
    surplus,
)
from rayctl.core.reconcile.status import refused_status, running_status
from rayctl.core.reconcile.trouble import blocked_for

_GRACE_OF_THE_LOST = 5
"""Seconds."""

_MOST_AT_ONCE = 500
"""Pods of a type that one pass creates; the next pass goes on, and others have their turn between."""


def decide(cluster: RayCluster, seen: Observed, targets: Targets, now: datetime) -> Decision:
    """Return what is to be done for one cluster now."""
    work = _Work(cluster, seen, now)
    work.service()
    work.clear_finished()
    work.clear_foreign_types()
    work.fill(Role.HEAD, cluster.head_type, 1)
    work.clear_lost_sessions()
    for pod_type in cluster.pod_types:
        work.fill(Role.WORKER, pod_type.name, targets.get(pod_type.name, 0))
    actions = (*work.applies, *work.deletes, *work.creates)
    return Decision(
        actions=actions,
        status=running_status(cluster, seen, targets, settled=not actions),
        notes=(*work.notes, *_summary(work.creates)),
        wake_after=min(work.waits, default=None),
    )


def refuse(view: ClusterView, error: SpecError) -> Decision:
    """Return the Decision for a RayCluster that cannot be understood: say so, touch nothing that runs."""
    known = view.status.find_condition(ConditionType.ACCEPTED)
    told = known is not None and known.message == str(error)
    notes = () if told else (Note(Reason.INVALID_SPEC, str(error), warning=True),)
    return Decision(actions=(), status=refused_status(view, error), notes=notes)


@dataclass(slots=True)
class _Work:
    """The actions of one pass as they come together."""

    cluster: RayCluster
    seen: Observed
    now: datetime
    applies: list[Action] = field(default_factory=list)
    deletes: list[DeletePod] = field(default_factory=list)
    creates: list[CreatePod] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    taken: set[PodName] = field(default_factory=set)
    going: set[PodName] = field(default_factory=set)
    head: PodView | None = None

    def __post_init__(self) -> None:
        self.taken = {pod.name for pod in self.seen.pods}
        self.head = head_of(self.cluster, self.seen.pods)

    def service(self) -> None:
        if self.seen.service_fingerprint == service_fingerprint(self.cluster):
            return
        wait = blocked_for(self.seen.service_trouble, self.now)
        if wait:
            self.waits.append(wait)
            return
        why = "it is missing" if self.seen.service_fingerprint is None else "spec.headServicePorts changed"
        self.applies.append(ApplyService(head_service(self.cluster), why))

    def clear_finished(self) -> None:
        for pod in self.seen.pods:
            if pod.finished and not pod.deleting:
                why = f"it has ended ({_ending(pod)})"
                self.deletes.append(DeletePod(pod, why))
                self.notes.append(Note(Reason.POD_ENDED, f"Replacing pod {pod.name}: {why}", warning=True))

    def clear_foreign_types(self) -> None:
        """Remove heads of another type than the head's, and workers of types that the spec has no more."""
        for pod in self.seen.pods:
            if not is_live(pod):
                continue
            if pod.role is Role.HEAD and pod.pod_type != self.cluster.head_type:
                self._delete([pod], f"spec.headPodType is {self.cluster.head_type} now")
            elif pod.role is Role.WORKER and self.cluster.find_type(pod.pod_type) is None:
                self._delete([pod], f"spec.podTypes has no {pod.pod_type} any more")

    def clear_lost_sessions(self) -> None:
        """Remove the workers of a head that is no more: Ray's state died with it, they cannot join the next.

        Left alone they would end by themselves after a minute of looking like workers. They have nothing to
        save, so they get no time to drain.
        """
        if self.head is None:
            return
        session = session_of(self.head)
        lost = [
            pod
            for pod in self.seen.pods
            if is_live(pod) and pod.role is Role.WORKER and pod.session not in {"", session}
        ]
        self._delete(lost, f"they belong to a head before {self.head.name}", grace=_GRACE_OF_THE_LOST)

    def fill(self, role: Role, name: TypeName, wanted: int) -> None:
        """Bring the pods of one role and type to the number wanted; workers only beside a head."""
        pods = of_type(self.seen.pods, role, name)
        live = [pod for pod in pods if is_live(pod) and pod.name not in self.going]
        self._delete(surplus(live, wanted), f"{len(live)} of type {name} are there, {wanted} wanted")
        ordinals = free_ordinals(live, wanted)
        if not ordinals or (role is Role.WORKER and self.head is None):
            return
        trouble = self.seen.find_trouble(name)
        wait = blocked_for(trouble, self.now)
        if wait:
            self.waits.append(wait)
            return
        why = f"{len(live)} of {wanted} are there"
        self._create(role, name, ordinals[: _MOST_AT_ONCE if trouble is None else 1], pods, why)

    def _create(
        self, role: Role, name: TypeName, ordinals: Sequence[int], pods: tuple[PodView, ...], why: str
    ) -> None:
        pod_type = self.cluster.find_type(name)
        assert pod_type is not None
        template = pod_template(self.cluster, pod_type, role)
        session = session_of(self.head) if role is Role.WORKER and self.head else ""
        for ordinal in ordinals:
            slot = Slot(role, name, ordinal)
            incarnation, pod = next_incarnation(template.prefix, self.cluster.uid, slot, self.taken, pods)
            self.taken.add(pod)
            manifest = template.manifest(ordinal, incarnation, session)
            self.creates.append(CreatePod(slot, incarnation, pod, manifest, why))

    def _delete(self, pods: Sequence[PodView], why: str, grace: int | None = None) -> None:
        if not pods:
            return
        self.deletes.extend(DeletePod(pod, why, grace) for pod in pods)
        self.going.update(pod.name for pod in pods)
        names = ", ".join(pod.name for pod in pods[:3]) + (" …" if len(pods) > 3 else "")
        self.notes.append(Note(Reason.DELETING_PODS, f"Removing {_count(len(pods))} ({names}): {why}"))


def _ending(pod: PodView) -> str:
    words = ": ".join(part for part in (pod.reason, pod.message) if part)
    return f"{pod.phase}: {words}" if words else pod.phase


def _count(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"


def _summary(creates: Sequence[CreatePod]) -> tuple[Note, ...]:
    """Return one Note for all pods that a pass creates: an Event each would drown its reader."""
    if not creates:
        return ()
    parts = [f"the head ({create.name})" for create in creates if create.slot.role is Role.HEAD]
    workers: dict[TypeName, list[CreatePod]] = {}
    for create in creates:
        if create.slot.role is Role.WORKER:
            workers.setdefault(create.slot.pod_type, []).append(create)
    for name, group in workers.items():
        noun = "worker" if len(group) == 1 else "workers"
        parts.append(f"{len(group)} {noun} of type {name} ({group[0].why})")
    return (Note(Reason.CREATING_PODS, "Creating " + " and ".join(parts), event=bool(workers)),)

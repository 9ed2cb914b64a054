"""The actions of one pass as they come together, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from rayctl.api.names import PodName, Role, Slot, TypeName
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.core.autoscale.demand import DrainReason
from rayctl.core.autoscale.leave import Leave
from rayctl.core.build.pod import pod_template
from rayctl.core.build.service import head_service
from rayctl.core.reconcile.actions import (
    Action,
    ApplyService,
    CreatePod,
    DeletePod,
    DrainNode,
    Note,
    Reason,
)
from rayctl.core.reconcile.removal import Ask, Go, Removal, Stay, count_of, names_of
from rayctl.core.reconcile.slots import next_incarnation, session_of


@dataclass(slots=True)
class Worklist:
    """What is to be done in one pass."""

    cluster: RayCluster
    head: PodView | None
    removal: Removal
    now: datetime
    taken: set[PodName]
    """Names that exist, are about to, or are remembered as another pod's."""
    live: Mapping[tuple[Role, TypeName], Sequence[PodView]]
    """The pods that were live when the pass began."""
    services: list[ApplyService] = field(default_factory=list)
    drains: list[DrainNode] = field(default_factory=list)
    deletes: list[DeletePod] = field(default_factory=list)
    creates: list[CreatePod] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    standing: list[Note] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    leave: dict[PodName, Leave] = field(default_factory=dict)
    """Who is to go by the plan; without one, who failed by Kubernetes' word and not by Ray's."""
    planned: bool = False
    """Whether the targets are a plan's, which counts who is leaving beside them."""
    ask_ray: bool = False
    """Whether the next pass should know what Ray says then."""
    gone: set[PodName] = field(default_factory=set)
    """Pods that this pass deletes."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """All of it."""
        return (*self.services, *self.drains, *self.deletes, *self.creates)

    def still_live(self, role: Role, name: TypeName | None = None) -> list[PodView]:
        """Return the live pods of a role, and of one type of it, that this pass does not delete."""
        return [
            pod
            for (of_role, of_type), pods in self.live.items()
            if of_role is role and name in {None, of_type}
            for pod in pods
            if pod.name not in self.gone
        ]

    def wake_by(self, due: float | None) -> None:
        """Have another pass at that moment, in seconds since the epoch."""
        if due is not None:
            self.waits.append(max(0.0, due - self.now.timestamp()))

    def wake_in(self, seconds: float | None) -> None:
        """Have another pass in a while, at most once a second."""
        if seconds is not None:
            self.waits.append(max(1.0, seconds))

    def head_incarnation(self) -> int | None:
        """Return which head there is after this pass, or None when there is none."""
        made = (create.incarnation for create in self.creates if create.slot.role is Role.HEAD)
        return next(made, self.head.incarnation if self.head is not None else None)

    def apply_service(self, incarnation: int, why: str) -> None:
        """Have the head's Service be as the spec says, in front of that head."""
        self.services.append(ApplyService(head_service(self.cluster, incarnation), why))

    def delete(
        self, pods: Sequence[PodView], why: str, *, grace: int | None = None, failed: Reason | None = None
    ) -> None:
        """Delete pods now. ``failed``: they go because they failed, and this is how."""
        if not pods:
            return
        self.deletes.extend(DeletePod(pod, why, grace, failed=failed is not None) for pod in pods)
        self.gone.update(pod.name for pod in pods)
        text = f"Removing {count_of(len(pods))} ({names_of(pods)}): {why}"
        self.notes.append(Note(failed or Reason.DELETING_PODS, text, warning=failed is not None))

    def retire(self, pods: Iterable[PodView], why: str, *, failed: Reason | None = None) -> None:
        """Have pods leave in an orderly way: each the next step of its way out. ``failed``: see delete."""
        leaving: dict[str, list[PodView]] = {}
        asked: list[PodView] = []
        for pod in pods:
            match self.removal.step(pod, self.now):
                case Go(remark=remark):
                    leaving.setdefault(remark, []).append(pod)
                case Stay(seconds=seconds):
                    self.waits.append(seconds)
                case Ask(node_id=node_id):
                    until = self.now + timedelta(seconds=self.removal.patience)
                    self.drains.append(DrainNode(pod, node_id, why, until))
                    asked.append(pod)
                case never:
                    assert_never(never)
        for remark, group in leaving.items():
            self.delete(group, f"{why}; {remark}" if remark else why, failed=failed)
        if asked:
            most = f"{self.removal.patience} s at most"
            text = f"Draining {count_of(len(asked))} ({names_of(asked)}; {most}): {why}"
            self.notes.append(Note(Reason.DRAINING_PODS, text))

    def depart(self, pods: Iterable[PodView]) -> None:
        """Have pods leave that the plan names, each in the way that it says."""
        forced: dict[str, list[PodView]] = {}
        for pod in pods:
            leave = self.leave[pod.name]
            if leave.reason is DrainReason.IDLE:
                until = self.now + timedelta(seconds=self.removal.patience)
                self.drains.append(DrainNode(pod, leave.node_id, leave.why, until, idle=True))
            else:
                forced.setdefault(leave.why, []).append(pod)
        for why, group in forced.items():
            self.retire(group, why)

    def create(
        self,
        role: Role,
        name: TypeName,
        ordinals: Sequence[int],
        pods: Sequence[PodView],
        why: str,
        *,
        first: int = 0,
    ) -> None:
        """Make pods for these ordinals; ``pods`` are all of the role and type, whatever their state.

        ``first``: the incarnation at the least.
        """
        pod_type = self.cluster.find_type(name)
        assert pod_type is not None
        template = pod_template(self.cluster, pod_type, role)
        session = session_of(self.head) if role is Role.WORKER and self.head else ""
        last: dict[int, int] = {}
        for pod in pods:
            last[pod.ordinal] = max(pod.incarnation, last.get(pod.ordinal, -1))
        for ordinal in ordinals:
            slot = Slot(role, name, ordinal)
            least = max(first, last.get(ordinal, -1) + 1)
            incarnation, pod_name = next_incarnation(
                template.prefix, self.cluster.uid, slot, self.taken, least
            )
            self.taken.add(pod_name)
            manifest = template.manifest(ordinal, incarnation, session)
            self.creates.append(CreatePod(slot, incarnation, pod_name, manifest, why))

    def summary(self) -> tuple[Note, ...]:
        """Return one Note for all pods that the pass creates: an Event each would drown its reader."""
        if not self.creates:
            return ()
        parts = [f"the head ({create.name})" for create in self.creates if create.slot.role is Role.HEAD]
        workers: dict[TypeName, list[CreatePod]] = {}
        for create in self.creates:
            if create.slot.role is Role.WORKER:
                workers.setdefault(create.slot.pod_type, []).append(create)
        for name, group in workers.items():
            parts.append(f"{count_of(len(group), 'worker')} of type {name} ({group[0].why})")
        # The head's creation alone is no Event: the status names the pod, and its workers follow.
        return (Note(Reason.CREATING_PODS, "Creating " + " and ".join(parts), event=bool(workers)),)

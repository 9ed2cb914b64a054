"""How a pod goes: Ray is told first, so that what runs there may end, and then it is deleted.

Ray knows a drain's deadline but does not enforce it, and there is no way back from a drain (measured on Ray
2.60): whoever asked for one sees it through. A pod that Ray does not count on goes at once; what is told to
nobody, SIGTERM tells, which Ray answers with a drain of its own within the pod's time to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from rayctl.api.moment import Seconds
from rayctl.api.names import PodName, Role, Uid
from rayctl.api.observed import PodView
from rayctl.core.autoscale.demand import NodeId, NodeStatus
from rayctl.core.reconcile.seen import Drain, RayView, Silence

ASK_AGAIN: Seconds = 0.5
_FRESH: Seconds = 1.5
"""So old may be what tells idle workers from busy ones, when it is to be chosen who goes, or if all do."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Tell Ray to drain that node."""

    node_id: NodeId


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing to do for so many seconds, unless something changes."""

    seconds: Seconds


@dataclass(frozen=True, slots=True)
class Go:
    """Delete it. ``remark`` says what is not as it should be with that, or is ''."""

    remark: str = ""


Step: TypeAlias = Ask | Stay | Go


@dataclass(frozen=True, slots=True)
class Removal:
    """What decides on how a cluster's workers go. ``patience`` is ``drainTimeoutSeconds``, 0: no drains."""

    head_may_answer: bool
    """Whether there is a head that has been ready in its present life."""
    ray: RayView | Silence | None
    drains: Mapping[Uid, Drain]
    patience: int

    @property
    def view(self) -> RayView | None:
        """What Ray says, or None."""
        return self.ray if isinstance(self.ray, RayView) else None

    @property
    def is_asked(self) -> bool:
        """Whether Ray is being asked for the first time: an answer comes, or within seconds a Silence."""
        return self.ray is None and self.head_may_answer

    def is_fresh(self, now: datetime) -> bool:
        """Return whether what Ray says of who is busy is so new that it may be gone by."""
        return self.view is not None and now.timestamp() - self.view.at <= _FRESH

    def is_blind(self, now: datetime) -> bool:
        """Return whether a choice of who goes had better wait for Ray's next word on who is busy."""
        if not self.patience:
            return False
        return self.is_asked or (self.view is not None and not self.is_fresh(now))

    def leaving(self, pods: Iterable[PodView]) -> list[PodView]:
        """Return the pods of which Ray was told that they are to go, by us or by whomever."""
        draining = self.view.draining if self.view is not None else frozenset()
        if not draining and not self.drains:
            return []
        return [pod for pod in pods if pod.uid in self.drains or pod.name in draining]

    def step(self, pod: PodView, now: datetime) -> Step:
        """Return what is to be done next with a pod that is to go."""
        if pod.role is Role.HEAD or not self.patience or pod.finished:
            return Go()
        if self.view is None:
            if self.is_asked:
                return Stay(ASK_AGAIN)
            if isinstance(self.ray, Silence) and pod.ready:
                return Go(f"Ray could not be told: {self.ray.why}")
            return Go()
        return self._step(pod, self.view, now)

    def _step(self, pod: PodView, view: RayView, now: datetime) -> Step:
        node = view.nodes.get(pod.name)
        if node is None or node.status is NodeStatus.DEAD:
            return Go()
        drain = self.drains.get(pod.uid)
        if drain is None:
            return Ask(node.node_id)
        if drain.refused:
            return Go(f"Ray refused to drain it: {drain.refused}")
        left = drain.until - now.timestamp()
        return Stay(left) if left > 0 else Go(f"what runs there did not end within {self.patience} s")


def names_of(pods: Iterable[PodView]) -> str:
    """Return pods by name, cut after the third."""
    names: list[PodName] = [pod.name for pod in pods]
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def count_of(number: int, noun: str = "pod") -> str:
    """Return a number of things in words: ``1 pod``, ``2 pods``."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"

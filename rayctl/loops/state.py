"""What the controller remembers of each cluster between two passes, beyond what the API holds.

All of it may be lost: a new leader starts without, and at worst asks the API server once more than needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import ClusterKey, PodKind, PodName, Uid
from rayctl.api.observed import PodView
from rayctl.core.reconcile.actions import Note
from rayctl.core.reconcile.seen import Drain
from rayctl.core.reconcile.trouble import Trouble, ended, is_past, worse

_REMEMBERED: Seconds = 120.0
"""Ray knows for at most about a minute of a node that it has not yet noticed to be dead."""


@dataclass(slots=True)
class ClusterState:
    """The memory of one cluster: of this UID, in this generation of its spec."""

    uid: Uid
    generation: int
    status_written: Monotonic
    """When, or since when it could have been: the first status waits a moment for one that says more."""
    troubles: dict[PodKind, Trouble] = field(default_factory=dict)
    endings: dict[PodKind, Trouble] = field(default_factory=dict)
    counted: dict[PodKind, tuple[float, float]] = field(default_factory=dict)
    """When a pod whose end counted last had ended and been made, in seconds since the epoch."""
    removed: dict[Uid, PodName] = field(default_factory=dict)
    """Pods that we deleted and that are still in sight. The API marks an ended one not even then."""
    drains: dict[Uid, Drain] = field(default_factory=dict)
    """Drains that were asked for, by the pod's UID. A new leader finds them in what Ray says."""
    in_vain: dict[Uid, float] = field(default_factory=dict)
    """Pods whose drain Ray could not be told, and when it is given up; seconds since the epoch."""
    left: dict[PodName, Monotonic] = field(default_factory=dict)
    """Pods that were deleted and are gone, and since when: their successors get other names."""
    unsure: set[PodName] = field(default_factory=set)
    """Pods whose creation failed in a way that tells not whether they were made."""
    _leaving: dict[Uid, PodName] = field(default_factory=dict)
    told: frozenset[Note] = frozenset()
    """What is told already for as long as it stays so."""
    service_trouble: Trouble | None = None
    told_deleting: bool = False

    def keep(self, pods: Iterable[PodView], at: Monotonic) -> None:
        """Forget pods that are gone, but for their names."""
        present = {pod.uid for pod in pods}
        # Some vanish before they are seen to leave. Their successors are on their way with the next name, and
        # one whose creation is tried again must not get theirs.
        leaving = self._leaving | self.removed
        for uid in leaving.keys() - present:
            self.left[leaving[uid]] = at
        self._leaving = {pod.uid: pod.name for pod in pods if pod.deleting}
        self.left = {name: since for name, since in self.left.items() if at - since < _REMEMBERED}
        self.removed = {uid: name for uid, name in self.removed.items() if uid in present}
        for asked in (self.drains, self.in_vain):
            for uid in asked.keys() - present:
                del asked[uid]

    def drain_failed(self, pod: PodView, why: str, problem: str, deadline: datetime, now: datetime) -> None:
        """Note that Ray could not be told to drain a pod; that is tried until the first try's deadline."""
        given_up = self.in_vain.setdefault(pod.uid, deadline.timestamp())
        if now.timestamp() >= given_up:
            self.drains[pod.uid] = Drain(given_up, why, problem)

    def pod_refused(self, kind: PodKind, message: str, now: datetime) -> Trouble:
        """Note that the API server refused a pod of that kind; return the trouble."""
        trouble = worse(self.troubles.get(kind), message, now)
        self.troubles[kind] = trouble
        return trouble

    def pod_ended(self, pod: PodView, message: str, now: datetime) -> None:
        """Note that a pod ended and was removed.

        Only one that was made after the last end that counted is a failure more: workers that are lost
        together say nothing of what comes after them. The API tells whole seconds, so of pods made in the
        same one only the first counts.
        """
        kind = PodKind(pod.role, pod.pod_type)
        over, made = self.counted.get(kind, (0.0, -1.0))
        if pod.created < int(over) or pod.created <= made:
            return
        self.counted[kind] = (now.timestamp(), pod.created)
        self.endings[kind] = ended(self.endings.get(kind), message, now)

    def standing(self, now: datetime) -> tuple[tuple[PodKind, Trouble], ...]:
        """Return the troubles that count now. One pod that ended is none yet, nor are ends of long ago."""
        often = {
            kind: trouble
            for kind, trouble in self.endings.items()
            if trouble.failures > 1 and not is_past(trouble, now)
        }
        return tuple(sorted((often | self.troubles).items()))

    def service_refused(self, message: str, now: datetime) -> Trouble:
        """Note that the API server refused the Service; return the trouble."""
        self.service_trouble = worse(self.service_trouble, message, now)
        return self.service_trouble


class ClusterStates:
    """The memories of all clusters."""

    def __init__(self) -> None:
        self._states: dict[ClusterKey, ClusterState] = {}

    def get(self, key: ClusterKey, uid: Uid, generation: int, at: Monotonic) -> ClusterState:
        """Return a cluster's memory: a fresh one for another UID; without troubles for an edited spec."""
        state = self._states.get(key)
        if state is None or state.uid != uid:
            state = self._states[key] = ClusterState(uid, generation, at)
        elif state.generation != generation:
            state.generation = generation
            state.troubles.clear()
            state.endings.clear()
            state.counted.clear()
            state.service_trouble = None
        return state

    def forget(self, key: ClusterKey) -> bool:
        """Forget a cluster that is gone; return whether there was anything to forget."""
        return self._states.pop(key, None) is not None

    def clear(self) -> None:
        """Forget all: leadership was lost."""
        self._states.clear()

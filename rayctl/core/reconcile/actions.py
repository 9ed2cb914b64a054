"""What a reconcile may decide to do, and what it has to say about it.

An action is a value that tells why it is there; only :mod:`rayctl.loops.executor` carries one out. The order
of a Decision's actions is free: they are carried out side by side, any of them may fail, and the next pass
goes on from what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from rayctl.api.document import Document
from rayctl.api.names import PodName, Slot, TypeName
from rayctl.api.observed import PodView
from rayctl.api.status import RayClusterStatus


class Reason(StrEnum):
    """Why something happened or is as it is: the ``reason`` of conditions and Events, in one list."""

    ACCEPTED = "Accepted"
    INVALID_SPEC = "InvalidSpec"
    CREATING_PODS = "CreatingPods"
    DELETING_PODS = "DeletingPods"
    POD_ENDED = "PodEnded"
    FAILED_CREATE = "FailedCreate"
    FAILED_SERVICE = "FailedService"
    HEAD_READY = "HeadReady"
    HEAD_MISSING = "HeadMissing"
    HEAD_STARTING = "HeadStarting"
    WORKERS_READY = "WorkersReady"
    WORKERS_STARTING = "WorkersStarting"
    WORKERS_MISSING = "WorkersMissing"


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be told: a log line and an Event on the RayCluster at once."""

    reason: Reason
    text: str
    warning: bool = False
    event: bool = True
    """False: the log line alone; Events are API calls, and the object's own fields tell it as well."""


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Make the pod that fills a slot."""

    slot: Slot
    incarnation: int
    name: PodName
    manifest: Document
    why: str


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Remove this very pod (by UID): a namesake that came after it is safe."""

    pod: PodView
    why: str
    grace: int | None = None
    """Seconds that it has to end; None: what its spec says."""


@dataclass(frozen=True, slots=True)
class ApplyService:
    """Make the head's Service be as this manifest says, whether it is there or not."""

    manifest: Document
    why: str


Action: TypeAlias = CreatePod | DeletePod | ApplyService


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be made, or did not last: how often in a row, and until when it is left alone."""

    failures: int
    until: float
    """Seconds since the epoch."""
    message: str
    """The server's words, or how the last pod ended."""
    reason: Reason = Reason.FAILED_CREATE


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is seen of one cluster: its own pods and Service, and what went wrong before."""

    pods: tuple[PodView, ...]
    service_fingerprint: str | None
    """None: there is no Service of this cluster."""
    status: RayClusterStatus
    troubles: tuple[tuple[TypeName, Trouble], ...] = ()
    service_trouble: Trouble | None = None

    def find_trouble(self, name: TypeName) -> Trouble | None:
        """Return what is wrong with making pods of that type, or None."""
        return next((trouble for kind, trouble in self.troubles if kind == name), None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, what to say, and what the status is. Equal inputs give equal Decisions."""

    actions: tuple[Action, ...]
    status: RayClusterStatus
    notes: tuple[Note, ...] = ()
    wake_after: float | None = None
    """Seconds until something is due although nothing changed; None: nothing is."""

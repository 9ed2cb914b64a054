"""What a reconcile may decide to do, and what it has to say about it.

An action is a value that tells why it is there; only :mod:`rayctl.loops.executor` carries one out. The order
of a Decision's actions is free: they are carried out side by side, any of them may fail, and the next pass
goes on from what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from rayctl.api.document import Document
from rayctl.api.names import PodName, Slot
from rayctl.api.observed import PodView
from rayctl.api.status import RayClusterStatus
from rayctl.core.autoscale.demand import NodeId


class Reason(StrEnum):
    """Why something happened or is as it is: the ``reason`` of conditions and Events, in one list."""

    ACCEPTED = "Accepted"
    INVALID_SPEC = "InvalidSpec"
    CREATING_PODS = "CreatingPods"
    DELETING_PODS = "DeletingPods"
    DRAINING_PODS = "DrainingPods"
    DRAIN_REFUSED = "DrainRefused"
    POD_ENDED = "PodEnded"
    POD_LOST = "PodLost"
    POD_STUCK = "PodStuck"
    FAILED_CREATE = "FailedCreate"
    FAILED_DELETE = "FailedDelete"
    FAILED_SERVICE = "FailedService"
    HEAD_READY = "HeadReady"
    HEAD_MISSING = "HeadMissing"
    HEAD_STARTING = "HeadStarting"
    WORKERS_READY = "WorkersReady"
    WORKERS_STARTING = "WorkersStarting"
    WORKERS_MISSING = "WorkersMissing"
    SCALING_UP = "ScalingUp"
    SCALING_DOWN = "ScalingDown"
    UNMET_DEMAND = "UnmetDemand"
    TYPE_BLOCKED = "TypeBlocked"
    LIMIT_REACHED = "LimitReached"
    FOLLOWING_DEMAND = "FollowingDemand"
    GCS_UNREACHABLE = "GcsUnreachable"
    GCS_UNAUTHENTICATED = "GcsUnauthenticated"
    UP_TO_DATE = "UpToDate"
    ROLLING = "Rolling"
    RESTARTING_HEAD = "RestartingHead"
    WAITING_FOR_DELETION = "WaitingForDeletion"
    IDLE = "Idle"
    SUSPENDED = "Suspended"
    SUSPENDING = "Suspending"
    NOT_SUSPENDED = "NotSuspended"


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
    failed: bool = False
    """Whether it goes because it failed: where that happens often, its successors wait."""


@dataclass(frozen=True, slots=True)
class DrainNode:
    """Tell Ray that a worker is to leave: what runs there goes on, nothing new comes."""

    pod: PodView
    node_id: NodeId
    why: str
    deadline: datetime
    """When the pod is deleted at the latest. Ray only knows of it; it does not enforce it."""
    idle: bool = False
    """Whether it goes because it is idle: Ray may refuse, and once Ray accepts the pod is deleted at once."""


@dataclass(frozen=True, slots=True)
class ApplyService:
    """Make the head's Service be as this manifest says, whether it is there or not."""

    manifest: Document
    why: str


Action: TypeAlias = CreatePod | DeletePod | DrainNode | ApplyService


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, what to say, and what the status is. Equal inputs give equal Decisions."""

    actions: tuple[Action, ...]
    status: RayClusterStatus
    notes: tuple[Note, ...] = ()
    wake_after: float | None = None
    """Seconds until something is due although nothing changed; None: nothing is."""
    standing: tuple[Note, ...] = ()
    """What is told once for as long as it stays so: a pod that hangs, a restart to come."""
    urgent: bool = False
    """Whether the next pass waits for the status to be written."""
    ask_ray: bool = False
    """Whether it waits for Ray's next word: who is busy is to be known before it is chosen who goes."""

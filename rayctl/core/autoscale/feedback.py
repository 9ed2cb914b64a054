"""What Ray is told of our plan, for ``ray status`` and the dashboard on the head.

Ray shows one line for each PendingRequest whatever else it carries, and gives up tasks whose shape is among
the infeasible ones where the user asked it to: only shapes that no type could ever hold belong there.
"""

from __future__ import annotations

from dataclasses import dataclass

from rayctl.core.autoscale.demand import Demand, Gang


@dataclass(frozen=True, slots=True)
class PendingInstance:
    """A pod that is there and has not joined Ray."""

    pod: str
    type: str
    details: str
    """What it waits for: ``Scheduling``, ``ImagePullBackOff: …``; Ray shows it in lower case."""
    ip: str = ""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A pod that is wanted and not there yet."""

    type: str


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A type whose pods can't be had at the moment, and why."""

    type: str
    count: int
    reason: str
    since: float
    """Seconds since the epoch, as ``failed_at``."""
    failed_at: float


@dataclass(frozen=True, slots=True)
class Feedback:
    """All that Ray is told at once; the latest replaces what it was told before."""

    pending_instances: tuple[PendingInstance, ...] = ()
    pending_requests: tuple[PendingRequest, ...] = ()
    failed_requests: tuple[FailedRequest, ...] = ()
    infeasible: tuple[Demand, ...] = ()
    infeasible_gangs: tuple[Gang, ...] = ()
    infeasible_constraint: tuple[Demand, ...] = ()

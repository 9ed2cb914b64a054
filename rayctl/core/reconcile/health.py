"""How a pod is: one verdict, and when time alone may change it.

The times: a pod that was ready and is not has 60 s to come back (a head 120 s: its loss costs the whole
cluster). Where Ray has its node among the living, only Kubernetes hears nothing of it, as when kubelets are
cut off from the API server: then a worker has 300 s, as by Kubernetes' own eviction, counted from when its
head is ready, and a head is kept. A node that Ray gave up has half a minute for a restart in place; one
that never joined has ``joinTimeoutSeconds`` from its start, or from the head's, whichever was later; a head
from its own. Whether a worker has joined Ray is for Ray to say, where it says anything. A pod that cannot
be scheduled, pulled or started is left to Kubernetes, which tries on and tells why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rayctl.api.moment import Seconds
from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.core.reconcile.seen import RayView

UNREADY_WORKER: Seconds = 60.0
UNREADY_HEAD: Seconds = 120.0
UNREADY_BUT_IN_RAY: Seconds = 300.0
RESTART_IN_PLACE: Seconds = 30.0
LATE_TO_END: Seconds = 60.0


class Verdict(StrEnum):
    """How a pod is; also the word for it in messages."""

    READY = "ready"
    STARTING = "starting"
    UNREADY = "not ready for a moment"
    UNSCHEDULABLE = "cannot be scheduled"
    CANNOT_START = "its container cannot be made"
    CRASH_LOOPING = "keeps crashing"
    ENDED = "has ended"
    UNREADY_TOO_LONG = "was ready and is not any more"
    LOST_BY_RAY = "was lost by Ray"
    NEVER_JOINED = "did not join Ray in time"
    TERMINATING = "is ending"
    STUCK_TERMINATING = "hangs in Terminating"


FAILED = frozenset({Verdict.ENDED, Verdict.UNREADY_TOO_LONG, Verdict.LOST_BY_RAY, Verdict.NEVER_JOINED})
"""What is removed and replaced."""

_REASONS = {
    "Unschedulable": Verdict.UNSCHEDULABLE,
    "SchedulingGated": Verdict.UNSCHEDULABLE,
    "ErrImagePull": Verdict.CANNOT_START,
    "ImagePullBackOff": Verdict.CANNOT_START,
    "ErrImageNeverPull": Verdict.CANNOT_START,
    "InvalidImageName": Verdict.CANNOT_START,
    "CreateContainerConfigError": Verdict.CANNOT_START,
    "CreateContainerError": Verdict.CANNOT_START,
    "RunContainerError": Verdict.CANNOT_START,
    "CrashLoopBackOff": Verdict.CRASH_LOOPING,
}


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict. ``due``: seconds since the epoch when it may be another one though nothing changed."""

    verdict: Verdict
    due: float | None = None


def health_of(
    pod: PodView, ray: RayView | None, joining_since: float, patience: int, now: datetime
) -> Health:
    """Return how a pod is.

    ``joining_since`` is when a worker could have joined at the earliest: when its head became ready;
    ``patience`` is ``joinTimeoutSeconds``, 0 for ever.
    """
    at = now.timestamp()
    if pod.deleting:
        hangs = pod.ends_by + LATE_TO_END if pod.ends_by else math.inf
        return _by(at, hangs, Verdict.TERMINATING, Verdict.STUCK_TERMINATING)
    if pod.started and not pod.finished and ray is not None and ray.has_lost(pod):
        return _by(at, pod.started + RESTART_IN_PLACE, Verdict.UNREADY, Verdict.LOST_BY_RAY)
    known = _at_once(pod)
    if known is Verdict.READY and pod.role is Role.WORKER and ray is not None and not ray.knows(pod):
        return _joining(pod, known, joining_since, patience, at)
    if known is not None:
        return Health(known)
    if pod.started and pod.ready_changed > pod.started:
        return _unready(pod, ray, joining_since, at)
    if pod.role is Role.WORKER and ray is not None and ray.has_alive(pod):
        patience = 0  # it has joined
    return _joining(pod, Verdict.STARTING, joining_since, patience, at)


def _at_once(pod: PodView) -> Verdict | None:
    """Return the verdict that needs no time, or None."""
    if pod.finished:
        return Verdict.ENDED
    return Verdict.READY if pod.ready else _REASONS.get(pod.reason)


def _unready(pod: PodView, ray: RayView | None, head_ready_since: float, at: float) -> Health:
    due = pod.ready_changed + (UNREADY_HEAD if pod.role is Role.HEAD else UNREADY_WORKER)
    if ray is not None and ray.has_alive(pod):
        if pod.role is Role.HEAD:
            return Health(Verdict.UNREADY)  # it answers: all of Ray would be lost with it, and nothing gained
        due = max(pod.ready_changed, head_ready_since) + UNREADY_BUT_IN_RAY
    return _by(at, due, Verdict.UNREADY, Verdict.UNREADY_TOO_LONG)


def _joining(pod: PodView, meanwhile: Verdict, since: float, patience: int, at: float) -> Health:
    if not (pod.started and patience):
        return Health(meanwhile)
    since = pod.started if pod.role is Role.HEAD else max(pod.started, since)
    return _by(at, since + patience, meanwhile, Verdict.NEVER_JOINED)


def _by(at: float, due: float, before: Verdict, after: Verdict) -> Health:
    return Health(before, due if due < math.inf else None) if at < due else Health(after)

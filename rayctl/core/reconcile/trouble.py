"""Back-off for what the API server refuses (quota, admission, a bad field) and for pods that keep failing.

A refusal is retried after 5 s, then after twice as long each time, up to 10 minutes; the retry makes one pod,
as a probe. A pod that ended or was lost is replaced at once the first time, then with the same back-off. A
success, or an edit of the spec, clears a refusal; ten minutes without an end clear the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from rayctl.core.reconcile.actions import Reason

FIRST_RETRY = 5.0
LONGEST_RETRY = 600.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be made, or did not last: how often in a row, and until when it is left alone."""

    failures: int
    until: float
    """Seconds since the epoch."""
    message: str
    """The server's words, or how the last pod ended."""
    reason: Reason = Reason.FAILED_CREATE


def worse(before: Trouble | None, message: str, now: datetime) -> Trouble:
    """Return the trouble after one more refusal with the server's words ``message``."""
    failures = 1 if before is None else before.failures + 1
    delay = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 10))
    return Trouble(failures=failures, until=now.timestamp() + delay, message=message)


def is_past(trouble: Trouble, now: datetime) -> bool:
    """Return whether it is so long ago that pods of the type ended that it says nothing any more."""
    return now.timestamp() - trouble.until > LONGEST_RETRY


def ended(before: Trouble | None, message: str, now: datetime) -> Trouble:
    """Return the trouble after one more pod that ended; the first in ten minutes blocks nothing."""
    if before is not None and is_past(before, now):
        before = None
    after = replace(worse(before, message, now), reason=Reason.POD_ENDED)
    return after if before else replace(after, until=now.timestamp())


def blocked_for(trouble: Trouble | None, now: datetime) -> float:
    """Return for how many seconds nothing is to be tried; 0 when it may be."""
    return 0.0 if trouble is None else max(0.0, trouble.until - now.timestamp())

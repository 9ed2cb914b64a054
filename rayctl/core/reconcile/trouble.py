"""Back-off for what the API server refuses (quota, admission, a bad field) and for pods that keep failing.

A refusal is retried after 1 s, then after twice as long each time, up to 10 minutes; the retry makes one pod,
as a probe. A pod that ended or was lost is replaced at once the first time, then after 10 s, 20 s and so on.
A success, or an edit of the spec, clears a refusal; ten minutes without an end clear the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rayctl.core.reconcile.actions import Reason

FIRST_RETRY = 1.0
"""Seconds. What is missing may be about to come: a namespace has its service account a moment later."""
FIRST_REPLACEMENT = 10.0
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
    until = now.timestamp() + _delay(FIRST_RETRY, failures)
    return Trouble(failures=failures, until=until, message=message)


def is_past(trouble: Trouble, now: datetime) -> bool:
    """Return whether it is so long ago that pods of the type ended that it says nothing any more."""
    return now.timestamp() - trouble.until > LONGEST_RETRY


def ended(before: Trouble | None, message: str, now: datetime) -> Trouble:
    """Return the trouble after one more pod that ended; the first in ten minutes blocks nothing."""
    failures = 1 if before is None or is_past(before, now) else before.failures + 1
    wait = _delay(FIRST_REPLACEMENT, failures - 1) if failures > 1 else 0.0
    return Trouble(failures, now.timestamp() + wait, message, Reason.POD_ENDED)


def blocked_for(trouble: Trouble | None, now: datetime) -> float:
    """Return for how many seconds nothing is to be tried; 0 when it may be."""
    return 0.0 if trouble is None else max(0.0, trouble.until - now.timestamp())


def _delay(first: float, failures: int) -> float:
    return min(LONGEST_RETRY, first * 2.0 ** min(failures - 1, 10))

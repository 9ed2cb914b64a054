"""A violation and what led to it, in as few lines as tell it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from e2e.faults.checker import NOT_SETTLED, Violation
from e2e.faults.history import Change, History, Lease, Pod, RayCluster, Request

_LINES = 30
_BEFORE = 15.0
"""Seconds."""


def story(violation: Violation, history: History) -> str:
    """Return the violation with the last things before it that concern its cluster, the Lease or a fault."""
    told: list[tuple[float, str]] = []
    for change in history.changes:
        told.extend((change.at, line) for line in _told(change, violation.about))
    told.extend((fault.at, f"    ! {fault.what}") for fault in history.faults)
    told.extend((one.received, f"      {_written(one)}") for one in history.requests if _matters(one))
    # What is not settled has its causes as far back as its cluster's own lines go.
    since = 0.0 if violation.rule == NOT_SETTLED else violation.at - _BEFORE
    near = sorted(line for line in told if since <= line[0] <= violation.at + 0.5)
    head = f"VIOLATION of {violation.rule!r} at {_clock(violation.at)}: {violation.what}"
    return "\n".join([head, *(f"  {_clock(at)} {line}" for at, line in near[-_LINES:])])


def _told(change: Change, about: str) -> Iterator[str]:
    before, after = change.before, change.after
    where = f"{change.revision:>7}"
    match after or before:
        case Lease():
            holder = after.holder if isinstance(after, Lease) else "(deleted)"
            if not isinstance(before, Lease) or before.holder != holder:
                yield f"{where} Lease: {holder or '(free)'}"
        case RayCluster(uid=uid, name=name) if uid == about:
            asked = (after.generation, after.leaving) if isinstance(after, RayCluster) else None
            if not isinstance(before, RayCluster) or asked != (before.generation, before.leaving):
                state = f"generation {after.generation}" if isinstance(after, RayCluster) else "gone"
                yield f"{where} RayCluster {name}: {state}"
        case Pod(owner=owner, name=name) if owner == about:
            if not isinstance(before, Pod):
                yield f"{where} pod {name} is made"
            elif not isinstance(after, Pod):
                yield f"{where} pod {name} is gone"
            elif before.live and not after.live:
                yield f"{where} pod {name} {'ended' if after.ended else 'is to go'}"


def _matters(one: Request) -> bool:
    return bool(one.replica) and one.verb in {"create", "delete"} and one.resource == "pods"


def _written(one: Request) -> str:
    return f"{one.replica.partition('_')[0]}: {one.verb} {one.resource} {one.name} → {one.code}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]

"""A violation and what led to it, in as few lines as tell it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from e2e.faults.checker import NOT_SETTLED, Violation
from e2e.faults.history import CLUSTERS, USER, Change, History, Lease, Pod, RayCluster, Request

_LINES = 30
_BEFORE = 15.0
"""Seconds."""
_AFTER = 0.5


def story(violation: Violation, history: History) -> str:
    """Return the violation with the last things before it that concern its cluster, the Lease or a fault."""
    about = violation.about
    name = _name_of(about, history)
    told: list[tuple[float, str]] = []
    for change in history.changes:
        told.extend((change.at, line) for line in _told(change, about))
    told.extend(
        (fault.at, f"    ! {fault.what}")
        for fault in history.faults
        if not (name and fault.what.startswith(USER)) or name in fault.what.split()
    )
    told.extend((one.received, f"      {_written(one)}") for one in history.requests if _matters(one, name))
    # What is not settled has its causes as far back as its cluster's own lines go.
    since = 0.0 if violation.rule == NOT_SETTLED else violation.at - _BEFORE
    near = sorted(line for line in told if since <= line[0] <= violation.at + _AFTER)
    if violation.rule == NOT_SETTLED:
        last = max((at for at, line in near if name and name in line), default=violation.at)
        near = [line for line in near if line[0] <= last + _AFTER]
    head = f"VIOLATION of {violation.rule!r} at {_clock(violation.at)}: {violation.what}"
    return "\n".join([head, *(f"  {_clock(at)} {line}" for at, line in near[-_LINES:])])


def _name_of(about: str, history: History) -> str:
    states = (change.after for change in history.changes)
    return next((one.name for one in states if isinstance(one, RayCluster) and one.uid == about), "")


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


def _matters(one: Request, name: str) -> bool:
    """Return whether a replica did it to a pod or the status of the cluster (where there is one)."""
    if not one.replica or one.resource not in {"pods", f"{CLUSTERS}/status"} or one.verb == "get":
        return False
    return not name or one.name == name or one.name.startswith(f"{name}-")


def _written(one: Request) -> str:
    return f"{one.replica.partition('_')[0]}: {one.verb} {one.resource} {one.name} → {one.code}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]

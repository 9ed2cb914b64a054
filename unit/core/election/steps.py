"""A candidate's life in steps, for the examples of its rules."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from rayctl.api.moment import Monotonic
from rayctl.core.election.actions import Acquire, Action
from rayctl.core.election.candidate import Election, State
from rayctl.core.election.events import Began, Event, Seen, Wrote
from rayctl.core.election.lease import Lease
from unit.fakes.candidates import NOON, TERMS

ME = Election("me", TERMS)


def at(seconds: float) -> Monotonic:
    return Monotonic(seconds)


def a_lease(holder: str = "other", **fields: Any) -> Lease:
    given: dict[str, Any] = {
        "duration": 15,
        "acquired": NOON,
        "renewed": NOON,
        "transitions": 3,
        "resource_version": 7,
    }
    return Lease(holder=holder, **given | fields)


def seen(lease: Lease | None, when: float, *, consistent: bool = False, version: int = 0) -> Seen:
    return Seen(lease, version or (lease.resource_version if lease else 0), at(when), consistent)


def after(*events: Event, election: Election = ME, state: State | None = None, jitter: float = 0.0) -> State:
    state = state or State()
    for event in events:
        state = election.step(state, event, jitter)
    return state


def next_at(state: State, when: float, election: Election = ME) -> Action:
    return election.next(state, at(when), NOON + timedelta(seconds=when))


def a_leader(began: float = 100.0, answered: float = 100.1) -> State:
    """Someone who has taken a lease that was free."""
    state = after(seen(a_lease(""), began - 1, consistent=True))
    action = next_at(state, began)
    assert isinstance(action, Acquire)
    stored = replace(action.lease, resource_version=8)
    return after(Began(action.lease, at(began)), Wrote(stored, at(answered)), state=state)

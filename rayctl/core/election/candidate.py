"""Who leads: a candidate's part in the election on a Lease, as a state machine without I/O.

What happened comes in by :meth:`Election.step`; what is to be done comes out of :meth:`Election.next`. The
rules are client-go's (k8s.io/client-go/tools/leaderelection) and more:

- No clock but the own monotonic one counts: a lease's age runs from when *we* saw it change, for as long as
  *its holder* wrote that it lasts. Times in the record are only compared for change.
- A leader's right ends ``renew_deadline`` after the *start* of its last successful write, and at once when
  the record is seen to be another's, free or gone. It opens again only when the work has been stopped.
- Every write is a compare-and-swap on the resource version. A write without an answer counts as done when
  its very record is seen.
- A holder whose process is known to have ended has no right left: its lease is not waited out. That a pod is
  gone says nothing, since where its node is cut off it may still run.
- A holder that vanishes from the record without having renewed it keeps its time: whoever deletes or edits a
  Lease by hand does not stop a leader that cannot see it. Only who has never seen a Lease takes one at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from rayctl.api.moment import Monotonic, Seconds
from rayctl.core.election.actions import Acquire, Action, Done, Read, Release, Renew, StepDown, Wait
from rayctl.core.election.events import Began, Ended, Event, Failed, Leave, Refused, Seen, Stopped, Wrote
from rayctl.core.election.lease import Lease, Terms

NEVER = Monotonic(-math.inf)
"""A right that has ended, or that has not begun."""

_TAKE_OVER_SPREAD: Seconds = 0.05
"""Candidates that see a lease released take it within this time, at random."""
_LEAVE_WITHIN: Seconds = 5.0
"""How long a release may take; the lease runs out by itself otherwise."""


@dataclass(frozen=True, slots=True)
class State:
    """What a candidate knows."""

    known: Lease | None = None
    version: int = 0
    """The newest version seen, of the record or its deletion."""
    read_first: bool = True
    """What is known may be old: a write would be refused."""
    attempt: Began | None = None
    """Our last write, until its outcome is known."""
    busy_until: Monotonic = NEVER
    """The known holder, or one before it, may lead until then."""
    others_until: Monotonic = NEVER
    """One before the known holder may lead until then."""
    ended: frozenset[str] = frozenset()
    """Holders whose processes have ended."""
    next_at: Monotonic = NEVER
    """No request before then."""
    leading: bool = False
    """Work may be going on."""
    valid_until: Monotonic = NEVER
    """Up to when we may act."""
    leave_until: Monotonic | None = None
    """We are leaving, and give up then; None: we stay."""


@dataclass(frozen=True, slots=True)
class Election:
    """A candidate of this ``identity``. Two that are alive never share one."""

    identity: str
    terms: Terms

    def step(self, state: State, event: Event, jitter: float) -> State:
        """Return the state after an event. ``jitter`` is a random number from 0 up to 1."""
        match event:
            case Seen():
                state = self._seen(state, event, jitter)
            case Ended():
                state = self._ended(state, event, jitter)
            case Began():
                state = replace(state, attempt=event)
            case Wrote():
                state = self._wrote(state, event, jitter)
            case Refused(at=at):
                hurry = state.leading or state.leave_until is not None
                state = replace(state, read_first=True, next_at=at if hurry else self._later(at, jitter))
            case Failed(at=at):
                doubt = state.read_first or state.leave_until is not None
                state = replace(state, read_first=doubt, next_at=self._later(at, jitter))
            case Stopped(at=at):
                state = replace(state, leading=False, valid_until=NEVER)
                if state.leave_until is None:
                    state = replace(state, read_first=True, next_at=self._later(at, jitter))
            case Leave(at=at):
                doubt = state.read_first or state.attempt is not None
                until = Monotonic(at + min(_LEAVE_WITHIN, self.terms.renew_deadline))
                state = replace(state, leave_until=until, read_first=doubt, next_at=at)
            case _:
                assert_never(event)
        return state

    def next(self, state: State, now: Monotonic, wall: datetime) -> Action:
        """Return what to do now. ``wall`` is written into records, for people."""
        if state.leading and (now >= state.valid_until or state.leave_until is not None):
            return StepDown(self._why(state))
        if state.leave_until is not None:
            return self._leave(state, now, wall, state.leave_until)
        if now < state.next_at:
            return Wait(min(state.next_at, state.valid_until) if state.leading else state.next_at)
        if not state.read_first and not state.leading and now < _free_at(state):
            return Wait(_free_at(state))
        timeout = self._timeout(state, now)
        if state.read_first:
            return Read(timeout)
        claim = self._claim(state, wall)
        return Renew(claim, timeout) if state.leading else Acquire(claim, timeout, self._why_free(state))

    def _seen(self, state: State, event: Seen, jitter: float) -> State:
        lease, before = event.lease, state.known
        if not event.consistent and event.version <= state.version:
            return state  # the stream lags behind what we have read or written
        if lease is not None and state.attempt is not None and lease.same(state.attempt.lease):
            return self._wrote(state, Wrote(lease, event.at), jitter)
        # A read is true even where it goes back: etcd may have been restored from a backup.
        newest = event.version if event.consistent and event.version else max(event.version, state.version)
        state = replace(state, known=lease, version=newest, read_first=False)
        if lease is None or lease.holder != self.identity:
            state = replace(state, valid_until=NEVER)
        if lease is None:
            return self._vanished(state, event.at, before)
        return state if lease.same(before) else self._changed(state, event.at, before, lease, jitter)

    def _changed(
        self, state: State, at: Monotonic, before: Lease | None, lease: Lease, jitter: float
    ) -> State:
        if lease.holder == self.identity:
            # Edited by hand: ours all the same, and to be put right.
            return replace(state, next_at=at) if state.leading else state
        if not lease.holder:
            return self._freed(state, at, before, lease, jitter)
        if before is None or lease.holder != before.holder:
            until = state.busy_until
            if before is not None and before.holder and at < _free_at(state):
                # A hand on the record: the one before may have renewed it a moment ago, unseen.
                until = self._lasting(before, at)
            state = replace(state, others_until=until, busy_until=Monotonic(max(state.busy_until, until)))
        busy = Monotonic(max(state.busy_until, at + (lease.duration or self.terms.lease)))
        return _take_when_free(replace(state, busy_until=busy), at, jitter)

    def _vanished(self, state: State, at: Monotonic, before: Lease | None) -> State:
        """Give whoever may have held a Lease that somebody deleted its time: it may not have heard of it."""
        if before is None or before.holder == self.identity:
            return state
        return replace(state, busy_until=Monotonic(max(state.busy_until, self._lasting(before, at))))

    def _lasting(self, lease: Lease, at: Monotonic) -> Monotonic:
        """Return until when a holder may lead that renewed at ``at``, whatever the record says of it."""
        return Monotonic(at + max(lease.duration, self.terms.lease))

    def _ended(self, state: State, event: Ended, jitter: float) -> State:
        holder = frozenset() if state.known is None else frozenset({state.known.holder})
        news = holder & event.holders - state.ended
        # The kubelet remembers two ends of a container; the holder's stays known here.
        state = replace(state, ended=event.holders | state.ended & holder)
        return _take_when_free(state, event.at, jitter) if news else state

    def _freed(self, state: State, at: Monotonic, before: Lease | None, lease: Lease, jitter: float) -> State:
        released = state.busy_until <= at if before is None else lease.renewed != before.renewed
        return _take_when_free(replace(state, busy_until=at) if released else state, at, jitter)

    def _wrote(self, state: State, event: Wrote, jitter: float) -> State:
        lease = event.lease
        if lease.resource_version < state.version:
            return replace(state, attempt=None)  # true once; something newer has been seen since
        if state.attempt is None:
            return state  # the stream told of it before its answer came
        began = state.attempt.at
        state = replace(state, attempt=None, known=lease, version=lease.resource_version, read_first=False)
        if lease.holder != self.identity:
            return replace(state, valid_until=NEVER)
        until = Monotonic(began + self.terms.renew_deadline)
        lapsed = state.leading and event.at >= state.valid_until
        if lapsed or event.at >= until or (state.leave_until is not None and not state.leading):
            # Ours, but too late to act on: the work is stopped first, and then we claim it anew.
            return replace(state, next_at=event.at)
        return replace(
            state,
            leading=True,
            valid_until=until,
            next_at=Monotonic(began + self.terms.retry_period * (0.9 + 0.2 * jitter)),
        )

    def _leave(self, state: State, now: Monotonic, wall: datetime, until: Monotonic) -> Action:
        if now >= until:
            return Done()
        if now < state.next_at:
            return Wait(min(state.next_at, until))
        if state.read_first:
            return Read(until - now)
        if state.known is None or state.known.holder != self.identity:
            return Done()
        return Release(replace(state.known, holder="", duration=1, acquired=wall, renewed=wall), until - now)

    def _claim(self, state: State, wall: datetime) -> Lease:
        """Return the record that says that we lead."""
        known = state.known
        mine = known is not None and known.holder == self.identity
        return Lease(
            holder=self.identity,
            duration=math.ceil(self.terms.lease),
            acquired=known.acquired if known is not None and mine else wall,
            renewed=wall,
            transitions=0 if known is None else known.transitions + (not mine),
            resource_version=0 if known is None else known.resource_version,
        )

    def _timeout(self, state: State, now: Monotonic) -> Seconds:
        """Return how long one request may take: within the deadline there is time for more than one."""
        one = max(self.terms.retry_period, self.terms.renew_deadline / 3)
        return min(one, state.valid_until - now) if state.leading else one

    def _later(self, at: Monotonic, jitter: float) -> Monotonic:
        return Monotonic(at + self.terms.retry_period * (0.5 + 0.5 * jitter))

    def _why_free(self, state: State) -> str:
        known = state.known
        if known is None:
            return "there was no lease"
        if not known.holder:
            return "nobody held the lease"
        if known.holder == self.identity:
            return "the lease had this replica's name on it"
        if known.holder in state.ended:
            return f"the container of {known.holder} has ended"
        return f"{known.holder} did not renew the lease for {known.duration or self.terms.lease:g} s"

    def _why(self, state: State) -> str:
        if state.leave_until is not None:
            return "this replica is shutting down"
        if state.known is None:
            return "the lease is gone"
        if state.known.holder != self.identity:
            return f"the lease is held by {state.known.holder or 'nobody'}"
        return f"the lease was not renewed for {self.terms.renew_deadline:g} s"


def _free_at(state: State) -> Monotonic:
    """Return from when on nobody else can lead."""
    ended = state.known is not None and state.known.holder in state.ended
    return state.others_until if ended else state.busy_until


def _take_when_free(state: State, at: Monotonic, jitter: float) -> State:
    return replace(state, next_at=Monotonic(max(at, _free_at(state)) + jitter * _TAKE_OVER_SPREAD))

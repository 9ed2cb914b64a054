"""The election's rules, as examples; its promise is searched for a breach in test_safety.py."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rayctl.core.election.actions import Acquire, Action, Done, Read, Release, Renew, StepDown, Wait
from rayctl.core.election.candidate import NEVER, Election, State
from rayctl.core.election.events import Began, Failed, Leave, Refused, Seen, Stopped, Wrote
from rayctl.core.election.lease import Lease, Terms
from unit.core.election.steps import a_leader, a_lease, after, at, next_at, seen
from unit.fakes.candidates import NOON, TERMS


@pytest.mark.parametrize(
    ("state", "when", "kind"),
    [
        pytest.param(State(), 0, Read, id="at first the lease is read"),
        pytest.param(after(seen(None, 0, consistent=True)), 0, Acquire, id="no lease is free"),
        pytest.param(
            after(seen(a_lease(""), 0, consistent=True)), 0, Acquire, id="a lease of nobody is free"
        ),
        pytest.param(
            after(seen(a_lease(), 100)), 114.9, Wait, id="a lease is waited out from when it was seen"
        ),
        pytest.param(after(seen(a_lease(), 100)), 115, Acquire, id="a lease that has run out is taken"),
        pytest.param(
            after(seen(a_lease(), 100), seen(a_lease(renewed=NOON + timedelta(1), resource_version=8), 114)),
            128,
            Wait,
            id="a renewal starts the wait anew",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(a_lease(resource_version=8), 114)),
            115,
            Acquire,
            id="another version of the same record is no renewal",
        ),
        pytest.param(
            after(seen(a_lease(duration=60), 100)), 120, Wait, id="the holder's duration counts and not ours"
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(None, 114, consistent=True, version=8)),
            128.9,
            Wait,
            id="who held a lease that was deleted may have renewed it a moment before",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(None, 114, consistent=True, version=8)),
            129,
            Acquire,
            id="a lease that was deleted is made anew",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(a_lease("thief", duration=1, resource_version=8), 114)),
            128.9,
            Wait,
            id="who held a lease that was stolen may have renewed it a moment before",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(a_lease("next", duration=1, resource_version=8), 115)),
            116,
            Acquire,
            id="who takes a lease that has run out steals nothing",
        ),
        pytest.param(
            after(seen(a_lease(duration=0), 100)),
            114.9,
            Wait,
            id="a lease without a duration lasts as ours does",
        ),
        pytest.param(
            after(
                seen(a_lease(), 100), seen(a_lease("", renewed=NOON + timedelta(1), resource_version=8), 101)
            ),
            101,
            Acquire,
            id="a lease that was given away is taken at once",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(a_lease("", resource_version=8), 101)),
            114.9,
            Wait,
            id="a holder erased by hand keeps its time",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(None, 101, version=8)),
            114.9,
            Wait,
            id="the holder of a lease deleted by hand keeps its time",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(a_lease("me", resource_version=8), 101)),
            114.9,
            Wait,
            id="a lease put into our name by hand is still its holder's for its time",
        ),
        pytest.param(
            after(seen(a_lease(), 100), seen(a_lease(duration=1, resource_version=8), 101)),
            114.9,
            Wait,
            id="a duration shortened by hand does not shorten its holder's time",
        ),
        pytest.param(
            after(
                seen(a_lease(resource_version=9), 100),
                seen(a_lease("", renewed=None, resource_version=8), 101),
            ),
            114.9,
            Wait,
            id="what the stream tells late is not believed",
        ),
    ],
)
def test_a_candidate(state: State, when: float, kind: type[Action]) -> None:
    assert isinstance(next_at(state, when), kind)


def test_taking_over_counts_a_transition_and_renewing_does_not() -> None:
    taken = next_at(after(seen(a_lease(), 0)), 15)
    assert isinstance(taken, Acquire)
    stored = replace(taken.lease, resource_version=8)
    leading = after(Began(taken.lease, at(15)), Wrote(stored, at(15.1)), state=after(seen(a_lease(), 0)))
    renewed = next_at(leading, 18)

    assert (taken.lease.holder, taken.lease.transitions, taken.lease.resource_version) == ("me", 4, 7)
    assert isinstance(renewed, Renew)
    assert (renewed.lease.transitions, renewed.lease.resource_version) == (4, 8)
    assert renewed.lease.acquired == taken.lease.acquired
    assert renewed.lease.renewed == NOON + timedelta(seconds=18)


def test_the_first_lease_of_all_has_no_transition_and_our_duration_in_whole_seconds() -> None:
    quick = Election("me", Terms(lease=0.8, renew_deadline=0.55, retry_period=0.2))

    made = next_at(after(seen(None, 0, consistent=True), election=quick), 0, quick)

    assert isinstance(made, Acquire)
    assert made.lease == Lease("me", 1, NOON, NOON, 0, 0)


def test_the_right_to_lead_runs_from_the_start_of_the_request() -> None:
    state = a_leader(began=100.0, answered=103.0)

    assert state.valid_until == 110.0
    assert isinstance(next_at(state, 109.9), Renew)
    assert next_at(state, 110) == StepDown("the lease was not renewed for 10 s")


def test_an_answer_that_comes_too_late_gives_no_right() -> None:
    state = a_leader(began=100.0, answered=110.0)

    assert not state.leading
    assert state.valid_until == NEVER


def test_a_leader_that_was_stopped_too_long_stops_its_work_before_it_leads_again() -> None:
    state = a_leader(began=100.0)
    renewal = next_at(state, 102)
    assert isinstance(renewal, Renew)
    stored = replace(renewal.lease, resource_version=9)

    state = after(Began(renewal.lease, at(109)), Wrote(stored, at(111)), state=state)

    assert isinstance(next_at(state, 111), StepDown)
    state = after(Stopped(at(111.5)), seen(stored, 112.5, consistent=True), state=state)
    assert isinstance(next_at(state, 112.5), Acquire)


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(seen(a_lease("thief", resource_version=9), 101), id="someone else holds the lease"),
        pytest.param(seen(a_lease("", resource_version=9), 101), id="nobody holds the lease"),
        pytest.param(seen(None, 101, version=9), id="the lease is gone"),
    ],
)
def test_a_leader_has_no_right_from_the_moment_in_which_it_sees_that(what: Seen) -> None:
    state = after(what, state=a_leader())

    assert state.valid_until == NEVER
    assert isinstance(next_at(state, 101), StepDown)


def test_a_renewal_that_was_overtaken_gives_no_right_back() -> None:
    state = a_leader()
    renewal = next_at(state, 102)
    assert isinstance(renewal, Renew)

    state = after(
        Began(renewal.lease, at(102)),
        seen(a_lease("thief", resource_version=10), 102.1),
        Wrote(replace(renewal.lease, resource_version=9), at(102.2)),
        state=state,
    )

    assert state.valid_until == NEVER
    assert isinstance(next_at(state, 102.2), StepDown)


def test_a_lease_that_was_stolen_before_the_answer_came_gives_no_right() -> None:
    state = after(seen(a_lease(""), 99, consistent=True))
    action = next_at(state, 100)
    assert isinstance(action, Acquire)

    state = after(
        Began(action.lease, at(100)),
        seen(a_lease("thief", resource_version=9), 100.1),
        Wrote(replace(action.lease, resource_version=8), at(100.2)),
        state=state,
    )

    assert not state.leading
    assert isinstance(next_at(state, 100.2), Wait)


def test_a_leader_whose_lease_was_edited_puts_it_right_at_once() -> None:
    edited = a_lease("me", duration=3600, resource_version=9)

    action = next_at(after(seen(edited, 100.5), state=a_leader()), 100.5)

    assert isinstance(action, Renew)
    assert (action.lease.duration, action.lease.resource_version) == (15, 9)


def test_a_lost_answer_counts_when_its_record_is_seen() -> None:
    state = after(seen(a_lease(""), 99, consistent=True))
    action = next_at(state, 100)
    assert isinstance(action, Acquire)
    state = after(Began(action.lease, at(100)), Failed(at(103)), state=state)
    assert not state.leading

    state = after(seen(replace(action.lease, resource_version=8), 103.5), state=state)

    assert state.leading
    assert state.valid_until == 110.0


def test_a_renewal_that_the_stream_tells_of_before_its_answer_is_one_renewal() -> None:
    renewal = next_at(a_leader(), 103)
    assert isinstance(renewal, Renew)
    stored = replace(renewal.lease, resource_version=9)

    state = after(
        Began(renewal.lease, at(103)), seen(stored, 103.1), Wrote(stored, at(103.2)), state=a_leader()
    )

    assert isinstance(next_at(state, 103.2), Wait)
    assert state.valid_until == 103 + TERMS.renew_deadline


def test_a_renewal_that_fails_is_tried_again_until_the_right_ends() -> None:
    state = a_leader(began=100.0)

    for when in (102.0, 104.0, 106.0, 108.0):
        action = next_at(state, when)
        assert isinstance(action, Renew)
        assert when + action.timeout <= 110.0
        state = after(Began(action.lease, at(when)), Failed(at(when + 0.5)), state=state)

    assert isinstance(next_at(state, 110), StepDown)


def test_a_refused_renewal_is_read_at_once_and_a_refused_candidate_waits() -> None:
    leader = after(Refused(at(102)), state=a_leader())
    candidate = after(seen(None, 100, consistent=True), Refused(at(102)))

    assert isinstance(next_at(leader, 102), Read)
    assert isinstance(next_at(candidate, 102), Wait)
    assert isinstance(next_at(candidate, 104), Read)


def test_leaving_stops_the_work_then_gives_the_lease_away() -> None:
    state = after(Leave(at(101)), state=a_leader())
    assert next_at(state, 101) == StepDown("this replica is shutting down")

    state = after(Stopped(at(101.5)), state=state)
    action = next_at(state, 101.5)

    assert isinstance(action, Release)
    assert (action.lease.holder, action.lease.transitions, action.lease.resource_version) == ("", 4, 8)
    stored = replace(action.lease, resource_version=9)
    assert (
        next_at(after(Began(action.lease, at(101.5)), Wrote(stored, at(101.6)), state=state), 101.6) == Done()
    )


def test_leaving_with_a_renewal_under_way_reads_what_became_of_it() -> None:
    state = a_leader()
    renewal = next_at(state, 102)
    assert isinstance(renewal, Renew)
    state = after(Began(renewal.lease, at(102)), Leave(at(102.1)), Stopped(at(102.2)), state=state)
    assert isinstance(next_at(state, 102.2), Read)

    stored = replace(renewal.lease, resource_version=9)
    action = next_at(after(seen(stored, 102.3, consistent=True), state=state), 102.3)

    assert isinstance(action, Release)
    assert action.lease.resource_version == 9


@pytest.mark.parametrize(
    ("state", "when"),
    [
        pytest.param(after(seen(a_lease(), 100), Leave(at(101))), 101, id="the lease is another's"),
        pytest.param(after(seen(None, 100, consistent=True), Leave(at(101))), 101, id="there is no lease"),
        pytest.param(
            after(Leave(at(101)), Stopped(at(101)), Failed(at(103)), state=a_leader()),
            106,
            id="no answer came",
        ),
    ],
)
def test_leaving_is_done_when(state: State, when: float) -> None:
    assert next_at(state, when) == Done()

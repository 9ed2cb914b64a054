"""The election: its rules as examples, and its promise as a property of many candidates with bad clocks."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rayctl.api.moment import Monotonic
from rayctl.core.election import (
    NEVER,
    Acquire,
    Action,
    Began,
    Done,
    Election,
    Event,
    Failed,
    Lease,
    Leave,
    Read,
    Refused,
    Release,
    Renew,
    Seen,
    State,
    StepDown,
    Stopped,
    Terms,
    Wait,
    Wrote,
)
from unit.fakes.candidates import NOON, TERMS, Candidate, World

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


@pytest.mark.parametrize(
    ("lease", "deadline", "retry"),
    [
        pytest.param(10, 10, 2, id="the deadline is as long as the lease"),
        pytest.param(15, 2, 2, id="no time for a second attempt"),
        pytest.param(15, 10, 0, id="no pause between attempts"),
    ],
)
def test_terms_that_contradict_each_other_are_refused(lease: float, deadline: float, retry: float) -> None:
    with pytest.raises(ValueError, match="must be longer"):
        Terms(lease, deadline, retry)


ANSWERS = ["quick", "quick", "slow", "none"]
AROUND = [-0.001, 0.001, 0.001, 1.0]


class Candidates(RuleBasedStateMachine):
    """Whatever happens in whatever order: never do two lead at once, and who leads holds the lease."""

    everyone = st.integers(0, 5)

    @initialize(clocks=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0.9, 1.1)), min_size=2, max_size=4))
    def begin(self, clocks: list[tuple[float, float]]) -> None:
        self.world = World(clocks)

    def some(self, number: int) -> Candidate:
        return self.world.everyone[number % len(self.world.everyone)]

    @rule(which=st.integers(0, 20), around=st.sampled_from(AROUND))
    def time_passes_to_when_something_is_due(self, which: int, around: float) -> None:
        due = self.world.due(around)
        self.world.now = due[which % len(due)] if due else self.world.now + 1.0

    @rule(number=everyone, answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=4))
    def one_acts(self, number: int, answers: list[str]) -> None:
        for answer in answers:
            self.world.act(self.some(number), answer)

    @rule(number=everyone)
    def an_answer_comes(self, number: int) -> None:
        self.world.answer(self.some(number))

    @rule(number=everyone)
    def a_request_is_given_up(self, number: int) -> None:
        self.world.give_up(self.some(number))

    @rule()
    def a_forgotten_request_arrives(self) -> None:
        self.world.a_forgotten_request_arrives()

    @rule(number=everyone, back=st.integers(0, 2))
    def a_stream_tells(self, number: int, back: int) -> None:
        self.world.tell(self.some(number), back)

    @rule(number=everyone)
    def one_leaves(self, number: int) -> None:
        self.world.leave(self.some(number))

    @invariant()
    def at_most_one_leads_and_holds_the_lease(self) -> None:
        self.world.check()


TestCandidates = pytest.mark.timeout(300)(Candidates.TestCase)  # a counterexample takes long to make short
TestCandidates.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("seed", range(8))
def test_there_are_never_two_leaders_in_a_long_unlucky_life(seed: int) -> None:
    dice = random.Random(seed)
    world = World([(dice.uniform(-1e6, 1e6), dice.uniform(0.9, 1.1)) for _ in range(3)])

    for _ in range(20_000):
        candidate = dice.choice(world.everyone)
        match dice.choices(["time", "act", "answer", "give up", "arrive", "tell"], [3, 6, 2, 1, 1, 4])[0]:
            case "time":
                due = world.due(dice.choice(AROUND))
                world.now = dice.choice(due) if due else world.now + 1.0
            case "act":
                world.act(candidate, dice.choice(ANSWERS))
            case "answer":
                world.answer(candidate)
            case "give up":
                world.give_up(candidate)
            case "arrive":
                world.a_forgotten_request_arrives()
            case _:
                world.tell(candidate, dice.choice([0, 0, 0, 1, 2]))
        world.check()

    assert len(world.leaders_so_far) > 10  # else nothing was tried

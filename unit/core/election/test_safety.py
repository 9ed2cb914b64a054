"""The election's promise, searched for a breach: never do two lead at once, and who leads holds the lease."""

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rayctl.core.election.lease import Terms
from unit.fakes.candidates import Candidate, World

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
    def a_process_ends(self, number: int) -> None:
        self.world.die(self.some(number))

    @rule(number=everyone)
    def one_learns_whose_processes_have_ended(self, number: int) -> None:
        self.world.tell_of_the_dead(self.some(number))

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
        happenings = ["time", "act", "answer", "give up", "arrive", "tell", "die", "mourn"]
        match dice.choices(happenings, [30, 60, 20, 10, 10, 40, 1, 3])[0]:
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
            case "die":
                world.die(candidate)
            case "mourn":
                world.tell_of_the_dead(candidate)
            case _:
                world.tell(candidate, dice.choice([0, 0, 0, 1, 2]))
        world.check()

    assert len(world.leaders_so_far) > 10  # else nothing was tried


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

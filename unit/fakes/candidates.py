"""A world of candidates over one Lease, to search for two leaders at once.

Clocks are off without bound and run up to 10 % too fast or too slow (lease and deadline are 50 % apart).
Requests arrive late or never, answers come late or never, streams lag, processes stop and go on, or end.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from rayctl.api.moment import Monotonic
from rayctl.core.election.actions import Acquire, Done, Read, Release, Renew, StepDown, Wait
from rayctl.core.election.candidate import NEVER, Election, State
from rayctl.core.election.events import Began, Ended, Event, Failed, Leave, Refused, Seen, Stopped, Wrote
from rayctl.core.election.lease import Lease, Terms

TERMS = Terms(lease=15, renew_deadline=10, retry_period=2)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Request:
    """A write on its way: not there yet, stored or refused there, or forgotten by who sent it."""

    lease: Lease
    arrived: bool = False
    stored: Lease | None = None


class Candidate:
    """A replica: its clock is off, and runs at a rate of its own."""

    def __init__(self, name: str, offset: float, rate: float) -> None:
        self.election = Election(name, TERMS)
        self.offset, self.rate = offset, rate
        self.state = State()
        self.request: Request | None = None

    def clock(self, true: float) -> Monotonic:
        return Monotonic(self.offset + self.rate * true)

    def feed(self, event: Event) -> None:
        self.state = self.election.step(self.state, event, 0.5)

    def leads(self, true: float) -> bool:
        return self.clock(true) < self.state.valid_until

    def moments(self) -> list[float]:
        """When something becomes due here, in true time."""
        own = [self.state.next_at, self.state.busy_until, self.state.valid_until]
        return [(moment - self.offset) / self.rate for moment in own if moment != NEVER]


class World:
    """Candidates, the stored Lease, and true time."""

    def __init__(self, clocks: list[tuple[float, float]]) -> None:
        self.now = 0.0
        self.stored: Lease | None = None
        self.told: list[Lease] = []
        self.everyone = [Candidate(f"candidate-{number}", *clock) for number, clock in enumerate(clocks)]
        self.forgotten: list[Request] = []
        self.dead: frozenset[str] = frozenset()
        self.leaders_so_far: list[str] = []
        self._version = 1

    def due(self, around: float) -> list[float]:
        """Return the moments to come at which something is due, or so many seconds after it."""
        moments = (moment for candidate in self.everyone for moment in candidate.moments())
        return sorted(moment + around for moment in moments if moment + around > self.now)

    def act(self, candidate: Candidate, answer: str) -> None:
        """Have a candidate do one thing; a request of it is answered ``quick``, ``slow`` or not (``none``)."""
        if candidate.request is not None:
            return
        now = candidate.clock(self.now)
        match candidate.election.next(candidate.state, now, NOON + timedelta(seconds=self.now)):
            case Read():
                version = self.stored.resource_version if self.stored else 0
                seen = Seen(self.stored, version, now, consistent=True)
                candidate.feed(seen if answer == "quick" else Failed(now))
            case Acquire() | Renew() | Release() as write:
                candidate.feed(Began(write.lease, now))
                candidate.request = Request(write.lease)
                if answer != "none":
                    self.arrive(candidate.request)
                if answer == "quick":
                    self.answer(candidate)
            case StepDown():
                candidate.feed(Stopped(now))
            case Wait() | Done():
                pass

    def arrive(self, request: Request) -> None:
        if request.arrived:
            return
        request.arrived = True
        if request.lease.resource_version == (self.stored.resource_version if self.stored else 0):
            self._version += 1
            self.stored = request.stored = replace(request.lease, resource_version=self._version)
            self.told.append(self.stored)

    def answer(self, candidate: Candidate) -> None:
        """Have the answer to a candidate's request arrive, if it has one."""
        request, candidate.request = candidate.request, None
        if request is not None:
            self.arrive(request)
            now = candidate.clock(self.now)
            candidate.feed(Refused(now) if request.stored is None else Wrote(request.stored, now))

    def give_up(self, candidate: Candidate) -> None:
        """Have a candidate's request time out; it may still arrive."""
        request, candidate.request = candidate.request, None
        if request is not None:
            self.forgotten.append(request)
            candidate.feed(Failed(candidate.clock(self.now)))

    def a_forgotten_request_arrives(self) -> None:
        if self.forgotten:
            self.arrive(self.forgotten.pop(0))

    def tell(self, candidate: Candidate, back: int) -> None:
        """Have the stream tell a candidate of the record that was ``back`` records ago."""
        if back < len(self.told):
            lease = self.told[-1 - back]
            now = candidate.clock(self.now)
            candidate.feed(Seen(lease, lease.resource_version, now, consistent=False))

    def die(self, candidate: Candidate) -> None:
        """End a candidate's process; what it has sent may still arrive. Another one starts."""
        if candidate.request is not None:
            self.forgotten.append(candidate.request)
        self.dead |= {candidate.election.identity}
        self.everyone.remove(candidate)
        self.everyone.append(Candidate(f"heir-{len(self.dead)}", candidate.offset, candidate.rate))

    def tell_of_the_dead(self, candidate: Candidate) -> None:
        """Have a candidate learn whose processes have ended."""
        candidate.feed(Ended(self.dead, candidate.clock(self.now)))

    def leave(self, candidate: Candidate) -> None:
        if candidate.state.leave_until is None and candidate.request is None and len(self.everyone) < 6:
            candidate.feed(Leave(candidate.clock(self.now)))
            self.everyone.append(Candidate(f"candidate-{len(self.everyone)}", 0.0, 1.0))

    def check(self) -> None:
        """Fail unless at most one leads, and it holds the lease."""
        leaders = [candidate.election.identity for candidate in self.everyone if candidate.leads(self.now)]
        assert len(leaders) <= 1, leaders
        for leader in leaders:
            assert self.stored is not None
            assert self.stored.holder == leader
            if [leader] != self.leaders_so_far[-1:]:
                self.leaders_so_far.append(leader)

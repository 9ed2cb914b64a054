"""From what is asked for and what is there to how many workers there shall be, and who goes.

Level-triggered and pure: the same Situation gives the same Plan. A Plan whose launches are on their way leads
to a Plan without launches (unit/core/autoscale/test_properties.py holds it to that).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import TypeName
from rayctl.core.autoscale.asked import Asked, asked_of
from rayctl.core.autoscale.attempt import Left, Outcome
from rayctl.core.autoscale.axes import Group, rank, times_fitting
from rayctl.core.autoscale.block import allowances, review
from rayctl.core.autoscale.board import Board, Limits, Nomination, board_of
from rayctl.core.autoscale.coarse import Rounding, rounding_to
from rayctl.core.autoscale.demand import Amounts, Demand, Snapshot
from rayctl.core.autoscale.explain import Unmet, explainer
from rayctl.core.autoscale.grant import Grant, grant, nomination, nominations_of
from rayctl.core.autoscale.leave import Leave, may_leave, must_leave, waits_in_vain
from rayctl.core.autoscale.memory import Basis, Memory, capacity_of, look, recall, still_owed
from rayctl.core.autoscale.offer import TypeOffer, learn
from rayctl.core.autoscale.search import search
from rayctl.core.autoscale.space import Load, Space, Tier
from rayctl.core.autoscale.workers import (
    COUNTED,
    JOINED,
    UNJOINED,
    UNSCHEDULED,
    PodVerdict,
    Worker,
    WorkerState,
)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan is made from."""

    offers: tuple[TypeOffer, ...]
    """In the order of the spec."""
    cluster_maximum: int
    speed: float
    """``upscalingSpeed``, above 0."""
    workers: tuple[Worker, ...]
    asked: Snapshot
    memory: Memory
    now: Monotonic
    doomed: Mapping[str, str] = field(default_factory=dict)
    """Pods that are named to go, and why."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What lies on so many nodes alike, once all is there."""

    type: TypeName
    pods: tuple[str, ...]
    """() for nodes that are to be launched."""
    nodes: int
    load: Nomination


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be there, and what it takes."""

    targets: Mapping[TypeName, int]
    """Workers of each type, without those that drain, are in ``leave``, or end already."""
    launch: Mapping[TypeName, int]
    """Pods to be made now; they are in ``targets``."""
    held_back: Mapping[TypeName, int]
    """Pods that upscalingSpeed leaves for later."""
    leave: tuple[Leave, ...]
    unmet: tuple[Unmet, ...]
    placements: tuple[Placement, ...]
    """Of tasks, actors and placement groups."""
    restore: tuple[Demand, ...]
    """A request that the GCS has forgotten and is to be told again."""
    memory: Memory
    """For the next plan."""
    steps: int
    """Work done, in steps of about a microsecond."""


def plan(situation: Situation) -> Plan:
    """Return the plan for one cluster now."""
    now, offers = situation.now, situation.offers
    memory = look(situation.memory, situation.asked, now)
    workers = _patient(situation.workers, memory, now)
    memory = replace(memory, blocks=review(memory.blocks, offers, workers, memory.joined, now))
    forced = must_leave(workers, offers, situation.cluster_maximum, situation.doomed, memory.held)
    acting = _acting(workers, forced)
    limits = Limits(situation.cluster_maximum, allowances(memory.blocks, offers, acting, now))
    asked = asked_of(
        situation.asked.demands, situation.asked.gangs, memory.request, _rounding(offers, acting)
    )
    board = board_of(asked, offers, acting, limits, recall(memory, acting))
    outcome = search(board)
    before = _basis(situation, limits, acting, asked)
    granted = grant(outcome.ledger.batches, acting, situation.speed, still_owed(memory.basis, before, acting))
    memory = replace(memory, basis=_after(before, granted))
    return _Ending(situation, memory, acting, tuple(forced), board, outcome, granted).plan()


def estimated_steps(asked: Snapshot, workers: int, types: int) -> int:
    """Return about how many steps a plan takes: more than 60,000 belong in a thread of their own."""
    groups = len(asked.demands) + sum(len(gang.bundles) for gang in asked.gangs) + len(asked.constraint)
    return groups + workers * (4 + min(groups, 50)) + types * min(groups, 500) * 10


def _patient(workers: Sequence[Worker], memory: Memory, now: Monotonic) -> tuple[Worker, ...]:
    """Return the workers, with those not yet given up that a GCS which started anew may have missed."""
    if not memory.restarted or now >= memory.settled_at:
        return tuple(workers)
    alive = {PodVerdict.READY, PodVerdict.STARTING}
    return tuple(
        replace(worker, state=WorkerState.RUNNING)
        if worker.state is WorkerState.LOST and worker.verdict in alive
        else worker
        for worker in workers
    )


def _acting(workers: Sequence[Worker], forced: Iterable[Leave]) -> tuple[Worker, ...]:
    """Return the workers as a plan may count on them: not on those that are to go."""
    going = {leave.pod for leave in forced}
    return tuple(
        replace(worker, state=WorkerState.DRAINING)
        if worker.pod in going and worker.state in COUNTED
        else worker
        for worker in workers
    )


def _rounding(offers: Iterable[TypeOffer], workers: Iterable[Worker]) -> Rounding:
    """Return the rounding that lets everything fit that fits now: on any type, and on the largest node."""
    largest: dict[str, int] = {}
    for worker in workers:
        for name, amount in worker.total.items():
            if amount > largest.get(name, 0):
                largest[name] = amount
    capacities: list[Amounts] = [offer.resources for offer in offers]
    return rounding_to([*capacities, largest])


def _basis(situation: Situation, limits: Limits, workers: Sequence[Worker], asked: Asked) -> Basis:
    """Return what the plan is made from, as if it launched nothing."""
    counts = Counter(worker.type for worker in workers if worker.state in COUNTED)
    coming = Counter(worker.type for worker in workers if worker.state in UNJOINED)
    return Basis(
        offers=situation.offers,
        cluster_maximum=limits.cluster_maximum,
        allowance=limits.allowance,
        wishes=asked.wishes,
        capacity=capacity_of(workers),
        counts=counts,
        coming=coming,
        planned=coming,
    )


def _after(before: Basis, granted: Grant) -> Basis:
    """Return the basis with the launches in it."""
    counts, coming = Counter(before.counts), Counter(before.coming)
    counts.update(granted.now)
    coming.update(granted.now)
    planned = Counter(coming)
    planned.update(granted.later)
    return replace(before, counts=counts, coming=coming, planned=planned)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What follows from a finished search: who may go, what is unmet, what to remember."""

    situation: Situation
    memory: Memory
    workers: tuple[Worker, ...]
    """As the plan counted on them."""
    forced: tuple[Leave, ...]
    board: Board
    outcome: Outcome
    granted: Grant

    def plan(self) -> Plan:
        """Return all of it."""
        held = self._used(self.outcome.whole)
        needed = held | self._used(self.outcome.free)
        unneeded = self._unneeded_since(needed)
        leave = (*self.forced, *self._spare(needed, unneeded))
        going = {each.pod for each in leave}
        explain = explainer(
            self.outcome, self.board.types, self.memory.blocks, self.workers, self.situation.now
        )
        return Plan(
            targets=self._targets(going),
            launch=self.granted.now,
            held_back=self.granted.later,
            leave=leave,
            unmet=explain.unmet(self.outcome.left),
            placements=tuple(self._placements()),
            restore=self.memory.forgotten,
            memory=self._remember(needed, held, unneeded),
            steps=self.outcome.steps,
        )

    def _used(self, space: Space) -> frozenset[str]:
        """Return the pods that something was placed on."""
        return frozenset(
            self.workers[index].pod for cell in space.cells() if cell.load for index in cell.members
        )

    def _unneeded_since(self, needed: frozenset[str]) -> dict[str, Monotonic]:
        before, now = self.memory.unneeded_since, self.situation.now
        hoped_for = self._hoped_for()
        return {
            worker.pod: before.get(worker.pod, now)
            for worker in self.workers
            if (worker.state in UNSCHEDULED and worker.pod not in needed)
            or (worker.state is WorkerState.STUCK and worker.type not in hoped_for)
        }

    def _hoped_for(self) -> set[TypeName]:
        """Return the types that could take something of what is unmet, if only their pods came."""
        groups = [group for left in self.outcome.left for group in _groups(left)]
        return {
            fresh.offer.name
            for fresh in self.board.types
            if any(
                times_fitting(group.need, fresh.vector) and rank(group.matches, fresh.labels) >= 0
                for group in groups
            )
        }

    def _spare(self, needed: frozenset[str], unneeded: Mapping[str, Monotonic]) -> tuple[Leave, ...]:
        now, offers = self.situation.now, self.situation.offers
        if now < self.memory.settled_at:
            return ()
        staying = [worker for worker in self.workers if worker.state is not WorkerState.DRAINING]
        vain = waits_in_vain(staying, offers, unneeded, now)
        return (*vain, *may_leave(staying, offers, needed | self.memory.needed, self._idle_for))

    def _idle_for(self, worker: Worker) -> Seconds:
        """Return for how long a worker has been idle: at most since Ray last said that it was not."""
        idle = worker.idle + max(0.0, self.situation.now - self.situation.asked.at)
        refused = self.memory.kept_at.get(worker.pod)
        return idle if refused is None else min(idle, self.situation.now - refused)

    def _targets(self, going: Iterable[str]) -> Mapping[TypeName, int]:
        left = set(going)
        counts = Counter(
            worker.type
            for worker in self.workers
            if worker.state in COUNTED and worker.state is not WorkerState.DRAINING and worker.pod not in left
        )
        counts.update(self.granted.now)
        return {offer.name: counts[offer.name] for offer in self.situation.offers}

    def _placements(self) -> Iterable[Placement]:
        for cell in self.outcome.free.cells():
            if cell.load:
                pods = tuple(self.workers[index].pod for index in cell.members)
                yield Placement(cell.site.type, pods, cell.size, nomination(cell.load))

    def _remember(
        self, needed: frozenset[str], held: frozenset[str], unneeded: Mapping[str, Monotonic]
    ) -> Memory:
        pods = {worker.pod for worker in self.workers}
        joined = {worker.pod for worker in self.workers if worker.state in JOINED}
        return replace(
            self.memory,
            joined=(self.memory.joined & pods) | joined,
            needed=needed,
            held=held,
            unneeded_since=unneeded,
            kept_at={pod: at for pod, at in self.memory.kept_at.items() if pod in pods},
            nominations=self._nominations(),
            unbound=nominations_of(self.outcome, self.granted),
            learnt=learn(self.memory.learnt, self.situation.offers, self.workers),
        )

    def _nominations(self) -> Mapping[str, Nomination]:
        """Return what the workers on their way are for now."""
        loads: dict[str, Load] = {}
        for space in (self.outcome.whole, self.outcome.free):
            for cell in space.cells():
                if cell.load and cell.site.tier in {Tier.STARTING, Tier.PENDING}:
                    for index in cell.members:
                        pod = self.workers[index].pod
                        loads[pod] = (*loads.get(pod, ()), *cell.load)
        return {pod: nomination(load) for pod, load in loads.items()}


def _groups(left: Left) -> Iterable[Group]:
    if isinstance(left.subject, Group):
        return (left.subject,)
    return (group for group, _ in left.subject.groups)

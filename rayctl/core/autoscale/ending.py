"""What follows once it is clear what is launched: who may go, what is unmet, what to say and to remember."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import TypeName
from rayctl.core.autoscale.attempt import Left, Outcome, new_cells
from rayctl.core.autoscale.axes import Group, rank, times_fitting
from rayctl.core.autoscale.board import Board, Nomination
from rayctl.core.autoscale.explain import Unmet, explainer
from rayctl.core.autoscale.grant import Grant, nomination, nominations_of
from rayctl.core.autoscale.leave import Leave, may_leave, waits_in_vain
from rayctl.core.autoscale.memory import SAY_AGAIN, Memory
from rayctl.core.autoscale.offer import learn
from rayctl.core.autoscale.remarks import Remark, launch_remarks, removal_remarks, standing_remarks
from rayctl.core.autoscale.situation import Placement, Plan, Situation
from rayctl.core.autoscale.space import Load, Space, Tier
from rayctl.core.autoscale.workers import (
    COUNTED,
    JOINED,
    UNJOINED,
    UNSCHEDULED,
    Worker,
    WorkerState,
)

_MOST_SAID = 1000
"""Sentences that are remembered; a head may ask for something else each time."""


@dataclass(frozen=True, slots=True)
class Ending:
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
        explain = explainer(
            self.outcome, self.board.types, self.memory.blocks, self.workers, self.situation.now
        )
        unmet = explain.unmet(self.outcome.left)
        new = [*new_cells(self.outcome.whole), *new_cells(self.outcome.free)]
        coming = explain.coming(new, self.granted.later, self.granted.now)
        standing = self._standing(unmet)
        now = self.situation.now
        said = {text: at for text, at in self.memory.said.items() if now - at < SAY_AGAIN}
        remarks = (
            *launch_remarks(self.granted.now, coming),
            *removal_remarks(leave),
            *(remark for remark in standing if remark.text not in said),
        )
        memory = replace(
            self._remember(unneeded),
            needed=needed,
            held=held,
            told=frozenset(remark.text for remark in standing),
            said=dict(islice((said | {remark.text: now for remark in standing}).items(), _MOST_SAID)),
        )
        return Plan(
            targets=self._targets(leave),
            launch=self.granted.now,
            held_back=self.granted.later,
            leave=leave,
            unmet=unmet,
            coming=coming,
            placements=tuple(self._placements()),
            restore=self.memory.forgotten,
            remarks=remarks,
            memory=memory,
            steps=self.outcome.steps,
        )

    def _standing(self, unmet: Iterable[Unmet]) -> tuple[Remark, ...]:
        offers, maximum = self.situation.offers, self.situation.cluster_maximum
        return tuple(standing_remarks(offers, maximum, unmet, self.memory.blocks))

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

    def _targets(self, leaves: Iterable[Leave]) -> Mapping[TypeName, int]:
        left = {leave.pod for leave in leaves}
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

    def _remember(self, unneeded: Mapping[str, Monotonic]) -> Memory:
        pods = {worker.pod for worker in self.workers}
        joined = {worker.pod for worker in self.workers if worker.state in JOINED}
        return replace(
            self.memory,
            joined=(self.memory.joined & pods) | joined,
            unneeded_since=unneeded,
            kept_at={pod: at for pod, at in self.memory.kept_at.items() if pod in pods},
            nominations=self._nominations(),
            unbound=nominations_of(self.outcome, self.granted),
            learnt=learn(self.memory.learnt, self.situation.offers, self.workers, self.memory.joined),
        )

    def _nominations(self) -> Mapping[str, Nomination]:
        """Return what the workers on their way are for now; nothing, too, is worth remembering of a pod."""
        loads: dict[str, Load] = {worker.pod: () for worker in self.workers if worker.state in UNJOINED}
        for space in (self.outcome.whole, self.outcome.free):
            for cell in space.cells():
                if cell.load and cell.site.tier in {Tier.STARTING, Tier.PENDING}:
                    for index in cell.members:
                        pod = self.workers[index].pod
                        loads[pod] = (*loads[pod], *cell.load)
        return {pod: nomination(load) for pod, load in loads.items()}


def _groups(left: Left) -> Iterable[Group]:
    if isinstance(left.subject, Group):
        return (left.subject,)
    return (group for group, _ in left.subject.groups)

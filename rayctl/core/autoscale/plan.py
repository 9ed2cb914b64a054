"""From what is asked for and what is there to how many workers there shall be, and who goes.

Level-triggered and pure: the same Situation gives the same Plan. A Plan whose launches are on their way leads
to a Plan without launches (unit/core/autoscale/test_properties.py holds it to that).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.asked import Asked, asked_of
from rayctl.core.autoscale.block import allowances, review
from rayctl.core.autoscale.board import Limits, board_of
from rayctl.core.autoscale.coarse import EXACT, Rounding, no_rounding, rounding_to
from rayctl.core.autoscale.ending import Ending
from rayctl.core.autoscale.grant import Grant, grant
from rayctl.core.autoscale.leave import Leave, must_leave
from rayctl.core.autoscale.memory import Basis, Memory, capacity_of, look, recall, still_owed
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.search import search
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.weight import most_of
from rayctl.core.autoscale.workers import (
    COUNTED,
    UNJOINED,
    PodVerdict,
    Worker,
    WorkerState,
)


def plan(situation: Situation) -> Plan:
    """Return the plan for one cluster now."""
    now, offers = situation.now, situation.offers
    memory = look(situation.memory, situation.asked, now)
    workers = _patient(situation.workers, memory, now)
    memory = replace(memory, blocks=review(memory.blocks, offers, workers, memory.joined, now))
    forced = must_leave(workers, offers, situation.cluster_maximum, situation.doomed, memory.held)
    acting = _acting(workers, forced)
    limits = Limits(situation.cluster_maximum, allowances(memory.blocks, offers, acting, now))
    demands = situation.asked.demands
    many = max(len(demands), len(memory.request)) > EXACT
    rounding = _rounding(offers, acting) if many else no_rounding
    most = most_of(offer.resources for offer in offers)
    asked = asked_of(demands, situation.asked.gangs, memory.request, rounding, most)
    board = board_of(asked, offers, acting, limits, recall(memory, acting))
    outcome = search(board)
    before = _basis(situation, limits, acting, asked)
    last = memory.basis
    owed = still_owed(last, before, acting)
    granted = grant(outcome.ledger.batches, acting, situation.speed, owed)
    # What is bound by a plan that left something out leaves it out, too.
    complete = not outcome.left and (last is None or owed is None or last.complete)
    memory = replace(memory, basis=_after(before, granted, complete=complete))
    return Ending(situation, memory, acting, tuple(forced), board, outcome, granted).plan()


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
    largest = most_of(worker.total for worker in workers)
    return rounding_to([*(offer.resources for offer in offers), largest])


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
        complete=False,
    )


def _after(before: Basis, granted: Grant, *, complete: bool) -> Basis:
    """Return the basis with the launches in it."""
    counts, coming = Counter(before.counts), Counter(before.coming)
    counts.update(granted.now)
    coming.update(granted.now)
    planned = Counter(coming)
    planned.update(granted.later)
    return replace(before, counts=counts, coming=coming, planned=planned, complete=complete)

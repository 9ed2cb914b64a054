"""One attempt at a plan: everything that is asked for placed once, in one order and with one score.

No order packs two dimensions well in all cases, so :mod:`rayctl.core.autoscale.search` makes several attempts
and compares their Quality.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from rayctl.core.autoscale.asked import Asked, GangWant, sort_key, wants_of
from rayctl.core.autoscale.axes import Group, Want
from rayctl.core.autoscale.board import Board
from rayctl.core.autoscale.gangs import place_gang
from rayctl.core.autoscale.grow import Policy, Stage, grow
from rayctl.core.autoscale.ledger import Cause, Ledger
from rayctl.core.autoscale.space import Cell, Site, Space, Tier
from rayctl.core.autoscale.weight import special_of


class Hardness(StrEnum):
    """Which demand is hardest to place and goes first."""

    WEIGHT = "the heaviest"
    SHARE = "the one that takes most of any node's one resource"
    MEMORY = "the one that takes most memory"


@dataclass(frozen=True, slots=True)
class Left:
    """What an attempt could not place: so many of a group, or of equal gangs."""

    subject: Group | GangWant
    count: int

    @property
    def weight(self) -> int:
        """What it weighs."""
        if isinstance(self.subject, Group):
            return self.subject.weight * self.count
        return sum(group.weight * count for group, count in self.subject.groups) * self.count


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt when it is over."""

    asked: Asked
    whole: Space
    free: Space
    ledger: Ledger
    left: tuple[Left, ...]
    steps: int


_PARTS = 1_000_000

Quality: TypeAlias = tuple[int, int, tuple[int, ...], int]
"""Less is better: weight left, pieces left, cost by rising priority, nodes."""


def attempt(board: Board, hardness: Hardness, policy: Policy) -> Outcome:
    """Place everything once."""
    order = _order(board, hardness)
    left: list[Left] = []
    stage = Stage(board.asked.axes, board.types, board.whole.copy(), board.ledger.copy(), policy)
    if board.asked.request:
        _add_launched(stage)
        left += _place(stage, wants_of(sorted(board.asked.request, key=order)), Cause.REQUEST)
    whole = stage.space
    stage.space = board.free.copy()
    _add_launched(stage)
    others = Counter(board.asked.counts)
    for want in board.asked.gangs:
        others.subtract({group.key: count * want.gang.count for group, count in want.groups})
        stage, placed = place_gang(stage, want, others)
        if placed < want.gang.count:
            left.append(Left(want, want.gang.count - placed))
    left += _place(stage, wants_of(sorted(board.asked.tasks, key=order)), Cause.TASK)
    steps = whole.steps + stage.space.steps - board.whole.steps - board.free.steps
    return Outcome(board.asked, whole, stage.space, stage.ledger, tuple(left), steps)


def quality(board: Board, outcome: Outcome) -> Quality:
    """Return how good an attempt's end is."""
    costs: dict[int, int] = {fresh.offer.priority: 0 for fresh in board.types}
    nodes = 0
    by_name = {fresh.offer.name: fresh for fresh in board.types}
    for batch in outcome.ledger.batches:
        fresh = by_name[batch.type]
        costs[fresh.offer.priority] += fresh.unit_cost * batch.units
        nodes += batch.units * batch.hosts
    return (
        sum(left.weight for left in outcome.left),
        sum(left.count for left in outcome.left),
        tuple(cost for _, cost in sorted(costs.items())),
        nodes,
    )


def new_cells(space: Space) -> list[Cell]:
    """Return the cells of launched nodes."""
    return [cell for cell in space.cells() if cell.site.tier is Tier.NEW]


def _place(stage: Stage, wants: list[Want], cause: Cause) -> list[Left]:
    """Place demands on what is there, then on what is launched for them."""
    stage.space.claim(wants)
    for want in wants:
        stage.space.take(want)
    return [Left(want.group, want.left) for want in grow(stage, wants, cause)]


def _add_launched(stage: Stage) -> None:
    """Add the nodes of all launches so far to a space that has not seen them."""
    by_name = {fresh.offer.name: fresh for fresh in stage.types}
    for number, batch in enumerate(stage.ledger.batches):
        fresh = by_name[batch.type]
        site = Site(batch.type, Tier.NEW, special_of(fresh.special), fresh.labels, number)
        stage.space.add(stage.space.cell(fresh.vector, site, (), batch.units * batch.hosts))


def _order(board: Board, hardness: Hardness) -> Callable[[tuple[Group, int]], tuple[object, ...]]:
    """Return the sort key that puts the hardest demand first."""
    axes = board.asked.axes
    most = [
        max((fresh.vector[axis] for fresh in board.types), default=1) or 1 for axis in range(len(axes.index))
    ]
    memory = axes.index.get("memory", -1)

    def size(group: Group) -> int:
        match hardness:
            case Hardness.WEIGHT:
                return 0
            case Hardness.SHARE:
                return max((amount * _PARTS // most[axis] for axis, amount in group.need), default=0)
            case Hardness.MEMORY:
                return next((amount for axis, amount in group.need if axis == memory), 0)

    def key(entry: tuple[Group, int]) -> tuple[object, ...]:
        group = entry[0]
        selectors = group.key.selectors
        return (
            -sum(group.special),
            not selectors,
            len(selectors),
            -size(group),
            -len(group.need) if hardness is Hardness.WEIGHT else 0,
            -group.weight,
            sort_key(group.key.shape, selectors),
        )

    return key

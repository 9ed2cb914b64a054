"""Which nodes to launch for what does not fit: one unit of each type is filled in mind, the best wins.

A unit has to take the hardest demand that is left; what else it takes fills it up. So easy demand never gets
nodes of its own while there is room on those that hard demand needs.
Each demand may go only where the earliest of its selectors is fulfilled that any type may still launch. Best
is what leaves no accelerator unused, then nothing special at all, then what the user ranks highest, then
whose filled part costs most of the whole; then as many equal units are launched as the counts allow. What is
left on them is free for whatever comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from operator import lt
from typing import TypeAlias

from rayctl.api.names import TypeName
from rayctl.core.autoscale.axes import Axes, Group, Match, Need, Vector, Want, less, rank, times_fitting
from rayctl.core.autoscale.ledger import Cause, Fresh, Ledger
from rayctl.core.autoscale.space import Load, Site, Space, Tier
from rayctl.core.autoscale.weight import is_accelerator, special_of

_PARTS = 10_000
"""Shares are compared in so many parts of the whole; a finer difference is none."""


class Score(StrEnum):
    """What makes one launch better than another."""

    SHARE = "most of the node used"
    MOST = "most placed on one node"


@dataclass(frozen=True, slots=True)
class Policy:
    """How one attempt chooses what to launch."""

    score: Score = Score.SHARE
    first: TypeName | None = None
    """A type that is taken before its equals in selector, waste and rank; None: the score alone decides."""


@dataclass(slots=True)
class Stage:
    """The state of one attempt: what is free, what was launched. A copy is a point to return to."""

    axes: Axes
    types: tuple[Fresh, ...]
    space: Space
    ledger: Ledger
    policy: Policy

    def copy(self) -> Stage:
        """Return a Stage of its own."""
        return Stage(self.axes, self.types, self.space.copy(), self.ledger.copy(), self.policy)

    def launch(self, fresh: Fresh, units: int, cause: Cause) -> Site:
        """Enter a launch; the caller adds its nodes to the space, as far as they are free."""
        batch = self.ledger.start(fresh.offer, units, cause)
        return Site(fresh.offer.name, Tier.NEW, special_of(fresh.special), fresh.labels, batch)


Merit: TypeAlias = tuple[bool, bool, int, bool, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Filling:
    """One unit of a type, filled."""

    fresh: Fresh
    merit: Merit
    placed: tuple[tuple[int, int], ...]
    """Which wants went into the unit, by index, and how many of each."""


def grow(stage: Stage, wants: Iterable[Want], cause: Cause) -> list[Want]:
    """Launch what the rest of ``wants`` needs; return those of which some is left."""
    growth = _growth(stage, [want for want in wants if want.left], cause)
    while (best := growth.best()) is not None:
        growth.settle(best)
    return [want for want in growth.wants if want.left]


def launch_apart(stage: Stage, want: Want, cause: Cause) -> bool:
    """Launch a node for each of what is left of a demand that wants no second one beside it.

    Return whether all of it was placed.
    """
    while want.left:
        best = _growth(stage, [Want(want.group, 1)], cause).best()
        if best is None:
            return False
        offer = best.fresh.offer
        units = min(stage.ledger.room(offer), -(-want.left // offer.hosts))
        site = stage.launch(best.fresh, units, cause)
        stage.space.add(stage.space.cell(best.fresh.vector, site, (), units * offer.hosts))
        stage.space.take(want)
    return True


def _growth(stage: Stage, wants: Sequence[Want], cause: Cause) -> _Growth:
    groups = [want.group for want in wants]
    rows = [(group.weight, group.need, group.matches) for group in groups]
    shared = dict(groups[0].need) if groups else {}
    for group in groups:
        # Few wants have a resource in common with all others: as good as always this is soon empty.
        shared = {axis: min(amount, shared[axis]) for axis, amount in group.need if axis in shared}
    least = tuple([shared.get(axis, 0) for axis in range(len(stage.axes.resources))])
    return _Growth(stage, wants, cause, rows, least, [want.left for want in wants])


Row: TypeAlias = tuple[int, Need, tuple[Match, ...]]


@dataclass(slots=True)
class _Growth:
    """Launching for one list of wants."""

    stage: Stage
    wants: Sequence[Want]
    cause: Cause
    rows: Sequence[Row]
    """Weight, need and selectors of each want."""
    least: Vector
    """Of each resource the least that any want needs: a node with less of one of them is full."""
    left: list[int]
    """Of each want what is left."""
    open: list[Fresh] = field(default_factory=list)
    """Types that may launch."""
    ranks: list[int] = field(default_factory=list)
    """Of each want the earliest selector that an open type fulfils; -1 when none could take it."""
    lead: int = 0
    """The hardest want of which something is left that can be had. Before it nothing is, ever after."""
    known: dict[TypeName, _Filling] = field(default_factory=dict)
    """Fillings of earlier rounds, as long as the same types are open. Wants only shrink, so one stays what
    filling anew would give as long as all that went into it is still there."""

    def best(self) -> _Filling | None:
        """Return the unit to launch next; None when no type can take any of the wants."""
        self._look_around()
        while self.lead < len(self.left) and not (self.left[self.lead] and self.ranks[self.lead] >= 0):
            self.lead += 1
        if self.lead == len(self.left):
            return None
        _, need, matches = self.rows[self.lead]
        best: _Filling | None = None
        for fresh in self.open:
            if times_fitting(need, fresh.vector) and rank(matches, fresh.labels) == self.ranks[self.lead]:
                filling = self.known.get(fresh.offer.name)
                if filling is None or filling.placed[0][0] != self.lead or not self._units(filling):
                    filling = self.known[fresh.offer.name] = self._fill(fresh)
                if best is None or filling.merit > best.merit:
                    best = filling
        return best

    def _look_around(self) -> None:
        """Find out which types may still launch, and what that means for each want."""
        open_types = [fresh for fresh in self.stage.types if self.stage.ledger.room(fresh.offer) > 0]
        if open_types == self.open and self.ranks:
            return
        self.open = open_types
        self.known.clear()
        self.ranks = [
            min(
                (
                    which
                    for fresh in open_types
                    if times_fitting(need, fresh.vector) and (which := rank(matches, fresh.labels)) >= 0
                ),
                default=-1,
            )
            for _, need, matches in self.rows
        ]

    def settle(self, filling: _Filling) -> None:
        """Launch equal units and put on them what they were filled with."""
        space, offer, vector = self.stage.space, filling.fresh.offer, filling.fresh.vector
        units = min(self._units(filling), self.stage.ledger.room(offer))
        site = self.stage.launch(filling.fresh, units, self.cause)
        load: Load = ()
        if offer.hosts == 1:
            for index, times in filling.placed:
                want = self.wants[index]
                vector = less(vector, want.group.need, times)
                want.left -= times * units
                load = (*load, (want.group, times))
        space.add(space.cell(vector, site, (), units * offer.hosts, load=load))
        for index, _ in filling.placed:
            if offer.hosts > 1:
                space.take(self.wants[index])
            self.left[index] = self.wants[index].left

    def _units(self, filling: _Filling) -> int:
        """Return how many equal units the wants can fill: none when something of it is no longer left."""
        return min([self.left[index] // times for index, times in filling.placed])

    def _fill(self, fresh: Fresh) -> _Filling:
        """Fill one unit of a type that can take the lead with wants, the lead first."""
        left = self.left.copy()
        placed: dict[int, int] = {}
        for _ in range(fresh.offer.hosts):
            before = placed.copy()
            self._fill_host(fresh, left, placed)
            if placed == before:
                break
        taken = [(self.wants[index].group, times) for index, times in placed.items()]
        return _Filling(fresh, _merit(self.stage.policy, fresh, taken), tuple(placed.items()))

    def _fill_host(self, fresh: Fresh, left: list[int], placed: dict[int, int]) -> None:
        """Fill one node, from ``left`` to ``placed``."""
        vector, weight, labels, ranks = fresh.vector, fresh.weight, fresh.labels, self.ranks
        index = first = self.lead
        for index, (size, need, matches) in enumerate(islice(self.rows, first, None), first):
            times = left[index]
            if not times or size > weight or ranks[index] < 0:
                continue
            for axis, amount in need:
                quotient = vector[axis] // amount
                if quotient < times:
                    times = quotient
                    if times <= 0:
                        break
            if times > 0 and rank(matches, labels) == ranks[index]:
                left[index] -= times
                placed[index] = placed.get(index, 0) + times
                weight -= size * times
                vector = less(vector, need, times)
                if any(map(lt, vector, self.least)):
                    break
        self.stage.space.steps += 30 + (index - first) // 4


def _merit(policy: Policy, fresh: Fresh, placed: Sequence[tuple[Group, int]]) -> Merit:
    used = sum([group.weight * times for group, times in placed])
    uses = {name for group, _ in placed for name, _ in group.key.shape} if fresh.special else ()
    first = policy.first in {None, fresh.offer.name}
    if policy.score is Score.SHARE:
        worth = used * _PARTS // fresh.unit_cost, fresh.unit_cost
    else:
        worth = used, -fresh.unit_cost
    idle = fresh.special.difference(uses)
    return not any(map(is_accelerator, idle)), not idle, fresh.offer.priority, first, *worth

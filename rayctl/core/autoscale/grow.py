"""Which nodes to launch for what does not fit: one unit of each type is filled in mind, and the best wins.

Best is whose demand gets the earliest of its selectors, which wastes the fewest kinds of special resources,
which the user ranks highest, and whose filled part costs most of the whole; then as many equal units are
launched as the counts allow. What is left on them is free for whatever comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import lt
from typing import TypeAlias

from rayctl.api.names import TypeName
from rayctl.core.autoscale.axes import Axes, Group, Match, Need, Vector, Want, less, rank
from rayctl.core.autoscale.ledger import Cause, Fresh, Ledger
from rayctl.core.autoscale.space import Load, Site, Space, Tier

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
        return Site(fresh.offer.name, Tier.NEW, len(fresh.special), fresh.labels, batch)


Merit: TypeAlias = tuple[int, int, int, bool, int, int]


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
    while any(growth.left):
        best = growth.best()
        if best is None:
            break
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
    needs = [dict(group.need) for group in groups]
    axes = range(len(stage.axes.resources))
    least = tuple([min([need.get(axis, 0) for need in needs], default=0) for axis in axes])
    return _Growth(stage, wants, cause, rows, least, [want.left for want in wants], {})


Row: TypeAlias = tuple[int, Need, tuple[Match, ...]]


@dataclass(frozen=True, slots=True)
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
    known: dict[TypeName, _Filling | None]
    """Fillings of earlier rounds. Wants only shrink, so one stays what filling anew would give as long as all
    that went into it is still there."""

    def best(self) -> _Filling | None:
        """Return the unit to launch next; None when no type can take any of the wants."""
        best: _Filling | None = None
        for fresh in self.stage.types:
            if self.stage.ledger.room(fresh.offer) <= 0:
                continue
            name = fresh.offer.name
            filling = self.known.get(name)
            if name not in self.known or (filling and not self._units(filling)):
                filling = self.known[name] = self._fill(fresh)
            if filling and (best is None or filling.merit > best.merit):
                best = filling
        return best

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

    def _fill(self, fresh: Fresh) -> _Filling | None:
        """Fill one unit of a type with wants, the first first."""
        left = self.left.copy()
        placed: dict[int, int] = {}
        worst = 0
        for _ in range(fresh.offer.hosts):
            before = placed.copy()
            worst = max(worst, self._fill_host(fresh, left, placed))
            if placed == before:
                break
        if not placed:
            return None
        taken = [(self.wants[index].group, times) for index, times in placed.items()]
        merit = _merit(self.stage.policy, fresh, taken, worst)
        return _Filling(fresh, merit, tuple(placed.items()))

    def _fill_host(self, fresh: Fresh, left: list[int], placed: dict[int, int]) -> int:
        """Fill one node, from ``left`` to ``placed``; return the latest selector that was needed."""
        vector, weight, labels = fresh.vector, fresh.weight, fresh.labels
        worst = index = 0
        for index, (size, need, matches) in enumerate(self.rows):
            times = left[index]
            if not times or size > weight:
                continue
            for axis, amount in need:
                quotient = vector[axis] // amount
                if quotient < times:
                    times = quotient
                    if times <= 0:
                        break
            which = rank(matches, labels) if times > 0 else -1
            if which >= 0:
                worst = max(worst, which)
                left[index] -= times
                placed[index] = placed.get(index, 0) + times
                weight -= size * times
                vector = less(vector, need, times)
                if any(map(lt, vector, self.least)):
                    break
        self.stage.space.steps += 10 + index // 5
        return worst


def _merit(policy: Policy, fresh: Fresh, placed: Sequence[tuple[Group, int]], worst: int) -> Merit:
    used = sum([group.weight * times for group, times in placed])
    wasted = (
        fresh.special - {name for group, _ in placed for name, _ in group.key.shape} if fresh.special else ()
    )
    first = policy.first in {None, fresh.offer.name}
    if policy.score is Score.SHARE:
        # Of nodes that nothing uses the cheapest, of equally well used ones the largest.
        worth = used * _PARTS // fresh.unit_cost, fresh.unit_cost if used else -fresh.unit_cost
    else:
        worth = used, -fresh.unit_cost
    return -worst, -len(wasted), fresh.offer.priority, first, *worth

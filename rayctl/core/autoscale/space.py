"""Free capacity as cells of equal nodes, in the order in which demand should use them up.

A cell stands for any number of nodes that nothing distinguishes; placing on some of them splits it. Cells are
values, so that an attempt is undone by dropping a copy, at the price of one list. Demand takes first what
spares others: nodes without accelerators, among them those without custom resources, then nodes that work
already, then idle ones, then those on their way, then new ones; and among these the fullest, so that work
packs tightly and idle nodes stay idle.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from rayctl.api.names import TypeName
from rayctl.core.autoscale.axes import (
    UNLIMITED,
    Axes,
    Group,
    Key,
    LabelValues,
    Match,
    Vector,
    Want,
    less,
    satisfies,
)
from rayctl.core.autoscale.weight import Special


class Tier(IntEnum):
    """How willingly a node is used, the first first."""

    WORKING = 0
    IDLE = 1
    STARTING = 2
    PENDING = 3
    NEW = 4


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """What the nodes of a cell have in common whatever is placed on them."""

    type: TypeName
    tier: Tier
    special: Special
    labels: LabelValues
    batch: int = 0
    """Of new nodes: which launch they are of, in the order of launching."""


Load: TypeAlias = tuple[tuple[Group, int], ...]
"""What was placed on each node of a cell."""

Kept: TypeAlias = tuple[tuple[Key, int], ...]
"""What each node of a cell was launched for and keeps room for; the cell's vector is without it."""

Order: TypeAlias = tuple[int, TypeName, Vector, LabelValues, tuple[str, ...]]


class Cell(NamedTuple):
    """Equal nodes."""

    order: Order
    """Weight of the vector first; the rest makes the order independent of the input's."""
    vector: Vector
    site: Site
    groups: tuple[str, ...]
    """Placement groups that have a part of them and want no second one there."""
    load: Load
    kept: Kept
    members: tuple[int, ...]
    """Which workers; () for new nodes. The last are used first: they have been idle for the shortest time."""
    size: int
    """How many."""


_ORDER = itemgetter(0)
Band: TypeAlias = tuple[Special, Tier]


@dataclass(slots=True)
class Space:
    """All cells, by band (special kinds, tier) and in a band by weight."""

    axes: Axes
    bands: dict[Band, list[Cell]] = field(default_factory=dict)
    used_up: list[Cell] = field(default_factory=list)
    """Cells with a load and with nothing left."""
    aside: list[Cell] = field(default_factory=list)
    """Cells with a bundle of the placement group that is being placed and wants no second one there."""
    hopeless: set[Key] = field(default_factory=set)
    """What is known not to fit anywhere, as long as nothing is added."""
    kept: dict[Key, int] = field(default_factory=dict)
    """How many of each demand have room kept."""
    keeps_empty: bool = False
    """Whether nodes without anything left matter: there is a demand that needs nothing."""
    steps: int = 0
    """Work done, in steps of about a microsecond."""

    def copy(self) -> Space:
        """Return a Space of its own with the same cells."""
        bands = {band: cells.copy() for band, cells in self.bands.items()}
        self.steps += len(self.used_up) // 50 + sum(map(len, bands.values())) // 50
        return Space(
            self.axes,
            bands,
            self.used_up.copy(),
            self.aside.copy(),
            self.hopeless.copy(),
            self.kept.copy(),
            self.keeps_empty,
            self.steps,
        )

    def cells(self) -> Iterator[Cell]:
        """Yield every cell that has a load or could take one."""
        for band in sorted(self.bands):
            yield from self.bands[band]
        yield from self.used_up

    def add(self, cell: Cell) -> None:
        """Add a cell whose nodes were not there before."""
        self.hopeless.clear()
        self._put(cell)

    def cell(
        self,
        vector: Vector,
        site: Site,
        members: tuple[int, ...],
        count: int,
        *,
        groups: tuple[str, ...] = (),
        load: Load = (),
        kept: Kept = (),
    ) -> Cell:
        """Return a cell, with its place in the order."""
        order = (self.axes.weigh(vector), site.type, vector, site.labels, groups)
        return Cell(order, vector, site, groups, load, kept, members, count)

    def claim(self, wants: Iterable[Want]) -> None:
        """Place demands where nodes were launched for them; that goes before all taking."""
        claims = {want.group.key: want for want in wants if self.kept.get(want.group.key)}
        for cell in self._keeping(claims) if claims else ():
            pieces = [cell]
            for key, times in cell.kept:
                if key in claims:
                    pieces = [part for piece in pieces for part in self._split_for(piece, claims[key], times)]
            for piece in pieces:
                self._put(piece)

    def take(self, want: Want) -> None:
        """Place as many of a demand as fit, and lower ``want.left`` by them.

        Selectors are tried in the user's order, each over all cells.
        """
        group = want.group
        if not want.left or group.key in self.hopeless:
            return
        for match in group.matches:
            for band in sorted(self.bands):
                if band[0].covers(group.special):
                    self._take_in(self.bands[band], want, match)
                    if not want.left:
                        return
        self.hopeless.add(group.key)

    def release(self, group: Group, keep: int) -> None:
        """Give up the room that is kept for more than so many of a demand, in whole nodes."""
        extra = self.kept.get(group.key, 0) - keep
        if extra <= 0:
            return
        for cell in self._keeping({group.key}):
            times = dict(cell.kept)[group.key]
            count = min(cell.size, max(0, -(-extra // times)))
            staying, going = _split(cell, count)
            if staying:
                self._put(staying)
            if going:
                freed = less(cell.vector, group.need, -times)
                self._put(self._rebuilt(going, freed, kept=_without(cell.kept, group.key)))
            extra -= count * times
            self.kept[group.key] -= count * times
        self.hopeless.clear()

    def rejoin(self) -> None:
        """Put back what was set aside: a placement group that wanted no node twice is placed."""
        for cell in self.aside:
            self._put(cell)
        self.aside.clear()

    def _take_in(self, cells: list[Cell], want: Want, match: Match) -> None:
        group = want.group
        need, apart = group.need, group.key.apart
        # A cell that weighs less than the demand lacks something; the rest has to be looked at.
        index = bisect_left(cells, (group.weight,), key=_ORDER)
        pieces: list[Cell] = []
        looked = 0
        while index < len(cells) and want.left:
            cell = cells[index]
            looked += 1
            vector = cell.vector
            times = UNLIMITED
            for axis, amount in need:
                quotient = vector[axis] // amount
                if quotient < times:
                    times = quotient
                    if times <= 0:
                        break
            if (
                times <= 0
                or (match and not satisfies(match, cell.site.labels))
                or (apart and apart in cell.groups)
            ):
                index += 1
                continue
            rest = self._place(cell, want, 1 if apart else times, pieces)
            if rest is None:
                del cells[index]
            else:
                cells[index] = rest
                index += 1
        self.steps += looked
        if apart:
            self.aside += pieces
            return
        for piece in pieces:
            self._put(piece)

    def _place(self, cell: Cell, want: Want, times: int, pieces: list[Cell]) -> Cell | None:
        """Fill nodes of a cell with up to ``times`` each; return what of the cell is untouched.

        At most two pieces come of it: the nodes that are filled, and one that gets the remainder.
        """
        full, remainder = divmod(want.left, times)
        if full >= cell.size:
            full, remainder = cell.size, 0
        if full:
            pieces.append(self._loaded(cell, want.group, times, full, cell.size - full))
        if remainder:
            pieces.append(self._loaded(cell, want.group, remainder, 1, cell.size - full - 1))
        want.left -= full * times + remainder
        left = cell.size - full - (1 if remainder else 0)
        return cell._replace(members=cell.members[:left], size=left) if left else None

    def _loaded(self, cell: Cell, group: Group, times: int, count: int, start: int) -> Cell:
        """Return ``count`` nodes of a cell from ``start`` on, with so many of a demand placed on each."""
        order, vector, site, groups, load, kept, members, _ = cell
        if group.key.apart:
            groups = (*groups, group.key.apart)
        self.steps += 5
        vector = less(vector, group.need, times)
        order = (order[0] - group.weight * times, site.type, vector, site.labels, groups)
        members = members[start : start + count]
        return Cell(order, vector, site, groups, (*load, (group, times)), kept, members, count)

    def _split_for(self, cell: Cell, want: Want, times: int) -> Iterator[Cell]:
        """Yield what becomes of a cell that keeps room for ``times`` of a demand on each of its nodes."""
        full, part = divmod(want.left, times)
        rest, filled = _split(cell, min(cell.size, full))
        if filled:
            yield self._claimed(filled, want, times, 0)
        if rest and part and full < cell.size:
            rest, last = _split(rest, 1)
            if last:
                yield self._claimed(last, want, part, times - part)
        if rest:
            yield rest

    def _claimed(self, cell: Cell, want: Want, times: int, still: int) -> Cell:
        """Return a cell with so many of a demand where room was kept for them, and for so many still."""
        key = want.group.key
        want.left -= cell.size * times
        self.kept[key] -= cell.size * times
        kept = _without(cell.kept, key)
        return self._rebuilt(
            cell._replace(
                groups=(*cell.groups, key.apart) if key.apart else cell.groups,
                load=(*cell.load, (want.group, times)),
            ),
            cell.vector,
            kept=(*kept, (key, still)) if still else kept,
        )

    def _keeping(self, keys: Container[Key]) -> list[Cell]:
        """Take out of the Space, and return, each cell that keeps room for one of these demands."""
        found: list[Cell] = []
        for band, cells in self.bands.items():
            if band[1] in {Tier.STARTING, Tier.PENDING}:
                self.steps += len(cells)
                staying: list[Cell] = []
                for cell in cells:
                    (found if any(key in keys for key, _ in cell.kept) else staying).append(cell)
                self.bands[band] = staying
        return found

    def _rebuilt(self, cell: Cell, vector: Vector, *, kept: Kept) -> Cell:
        return self.cell(
            vector,
            cell.site,
            cell.members,
            cell.size,
            groups=cell.groups,
            load=cell.load,
            kept=kept,
        )

    def _put(self, cell: Cell) -> None:
        if cell.order[0] or cell.kept or self.keeps_empty or any(cell.vector):
            site = cell.site
            insort(self.bands.setdefault((site.special, site.tier), []), cell, key=_ORDER)
        elif cell.load:
            self.used_up.append(cell)


def _split(cell: Cell, count: int) -> tuple[Cell | None, Cell | None]:
    """Return a cell without its last ``count`` nodes, and these; None for either where it has none."""
    if not count:
        return cell, None
    if count == cell.size:
        return None, cell
    start = cell.size - count
    return (
        cell._replace(members=cell.members[:start], size=start),
        cell._replace(members=cell.members[start:], size=count),
    )


def _without(kept: Kept, key: Key) -> Kept:
    return tuple(entry for entry in kept if entry[0] != key)

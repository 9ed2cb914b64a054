"""What all attempts at one plan start from: the free and the whole capacity as cells, and the counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from rayctl.api.names import TypeName
from rayctl.core.autoscale.asked import Asked
from rayctl.core.autoscale.axes import Group, Key, LabelValues, Purpose, Vector, less, times_fitting
from rayctl.core.autoscale.ledger import Cause, Fresh, Ledger, fresh_of
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.space import Cell, Site, Space, Tier
from rayctl.core.autoscale.weight import Special, special_kinds, special_of
from rayctl.core.autoscale.workers import COUNTED, UNJOINED, Worker, WorkerState

Nomination: TypeAlias = tuple[tuple[Key, int], ...]
"""What one node was launched for: demands, with how many of each."""

_TIERS = {
    WorkerState.RUNNING: Tier.WORKING,
    WorkerState.FOREIGN: Tier.WORKING,
    WorkerState.HEAD: Tier.WORKING,
    WorkerState.IDLE: Tier.IDLE,
    WorkerState.STARTING: Tier.STARTING,
    WorkerState.PENDING: Tier.PENDING,
    WorkerState.REQUESTED: Tier.PENDING,
}
"""States that are capacity."""

_READING = 4
"""Steps that one worker takes to read; see Space.steps."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a plan beside each type's own maximum."""

    cluster_maximum: int
    allowance: Mapping[TypeName, int]
    """Units that a type in trouble may launch; types without trouble are not in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """The start of every attempt. Nothing in it is ever changed: attempts work on copies."""

    asked: Asked
    types: tuple[Fresh, ...]
    whole: Space
    """What nodes have in total, for request_resources; empty where nothing is requested."""
    free: Space
    """What they have available."""
    ledger: Ledger
    """With the launches for minimums already entered."""


def board_of(
    asked: Asked,
    offers: Sequence[TypeOffer],
    workers: Sequence[Worker],
    limits: Limits,
    nominations: Mapping[str, Nomination],
) -> Board:
    """Return the start for a plan; ``nominations`` are those of pods that have not joined."""
    types = tuple(fresh_of(offer, asked.axes) for offer in offers)
    ledger = _ledger(offers, workers, limits)
    _launch_minimums(offers, workers, ledger)
    builder = _Builder(asked, {fresh.offer.name: fresh for fresh in types}, workers, asked.counts)
    return Board(
        asked=asked,
        types=types,
        whole=builder.space(_part(nominations, request=True), total=True)
        if asked.request
        else builder.empty(),
        free=builder.space(_part(nominations, request=False), total=False),
        ledger=ledger,
    )


def _part(nominations: Mapping[str, Nomination], *, request: bool) -> Mapping[str, Nomination]:
    """Return the part of each nomination that is about whole nodes, or about what is free on them."""
    return {
        pod: tuple(entry for entry in nomination if (entry[0].purpose is Purpose.REQUEST) == request)
        for pod, nomination in nominations.items()
    }


def _ledger(offers: Iterable[TypeOffer], workers: Iterable[Worker], limits: Limits) -> Ledger:
    counts = {offer.name: 0 for offer in offers}
    for worker in workers:
        if worker.state in COUNTED:
            counts[worker.type] = counts.get(worker.type, 0) + 1
    return Ledger(counts, sum(counts.values()), limits.cluster_maximum, limits.allowance)


def _launch_minimums(offers: Iterable[TypeOffer], workers: Iterable[Worker], ledger: Ledger) -> None:
    """Launch what is missing of each minimum, in the order of the spec. What leaves is missing already."""
    going: dict[TypeName, int] = {}
    for worker in workers:
        if worker.state in {WorkerState.LOST, WorkerState.DRAINING}:
            going[worker.type] = going.get(worker.type, 0) + 1
    for offer in offers:
        missing = offer.minimum - ledger.counts[offer.name] + going.get(offer.name, 0)
        units = min(-(-missing // offer.hosts), ledger.room(offer))
        if units > 0:
            ledger.start(offer, units, Cause.MINIMUM)


class _Traits(NamedTuple):
    """What makes two workers equal."""

    vector: Vector
    type: TypeName
    tier: Tier
    special: Special
    labels: LabelValues
    apart: tuple[str, ...]
    nomination: Nomination


@dataclass(slots=True)
class _Builder:
    """Makes the cells of a board."""

    asked: Asked
    types: Mapping[TypeName, Fresh]
    workers: Sequence[Worker]
    counts: Mapping[Key, int]

    def empty(self) -> Space:
        return Space(self.asked.axes, keeps_empty=any(not key.shape for key in self.counts))

    def space(self, nominations: Mapping[str, Nomination], *, total: bool) -> Space:
        """Return the cells of all workers that are, or will be, there."""
        space = self.empty()
        keeper = _Keeper(space, _groups(self.asked), dict(self.counts))
        for traits, members in self._alike(nominations, total=total, keeps_empty=space.keeps_empty):
            site = Site(traits.type, traits.tier, traits.special, traits.labels)
            cell = space.cell(traits.vector, site, members, len(members), groups=traits.apart)
            keeper.add(cell, traits.nomination)
        space.steps += _READING * len(self.workers)
        return space

    def _alike(
        self, nominations: Mapping[str, Nomination], *, total: bool, keeps_empty: bool
    ) -> Iterator[tuple[_Traits, tuple[int, ...]]]:
        """Yield equal workers together, in an order that the input's does not change."""
        axes, workers = self.asked.axes, self.workers
        waiting = {want.gang.group for want in self.asked.gangs if want.gang.group}
        alike: dict[_Traits, list[int]] = {}
        for index, worker in enumerate(workers):
            tier = _TIERS.get(worker.state)
            if tier is None:
                continue
            fresh = self.types.get(worker.type)
            if worker.state not in UNJOINED:
                vector = axes.vector(worker.total if total else worker.available)
                labels = axes.values(worker.labels)
            elif fresh:
                vector, labels = fresh.vector, fresh.labels
            else:
                continue
            if keeps_empty or any(vector):
                # An edit of the type takes nothing from a node that has joined.
                kinds = fresh.special if fresh and worker.state in UNJOINED else special_kinds(worker.total)
                traits = _Traits(
                    vector,
                    worker.type,
                    tier,
                    special_of(kinds),
                    labels,
                    tuple(sorted(worker.groups & waiting)) if waiting else (),
                    nominations.get(worker.pod, ()) if tier >= Tier.STARTING else (),
                )
                alike.setdefault(traits, []).append(index)
        for members in alike.values():
            members.sort(key=lambda index: (-workers[index].idle, workers[index].pod, workers[index].node_id))
        first = {
            traits: (workers[members[0]].pod, workers[members[0]].node_id)
            for traits, members in alike.items()
        }
        for traits in sorted(alike, key=lambda traits: (*traits[:6], first[traits])):
            yield traits, tuple(alike[traits])


def _groups(asked: Asked) -> Mapping[Key, Group]:
    """Return every group by its key."""
    gangs = (entry for want in asked.gangs for entry in want.groups)
    return {group.key: group for group, _ in (*asked.tasks, *asked.request, *gangs)}


@dataclass(slots=True)
class _Keeper:
    """Adds cells to a space and keeps room on them for what they were launched for, if it is still asked."""

    space: Space
    groups: Mapping[Key, Group]
    left: dict[Key, int]

    def add(self, cell: Cell, nomination: Nomination) -> None:
        """Add a cell; of its nodes those first that get all they were launched for."""
        cells = [cell]
        for key, times in nomination:
            group = self.groups.get(key)
            if group is not None:
                cells = [piece for each in cells for piece in self._split(each, group, times)]
        for each in cells:
            self.space.add(each)

    def _split(self, cell: Cell, group: Group, times: int) -> Iterator[Cell]:
        key = group.key
        times = min(times, times_fitting(group.need, cell.vector))
        left = self.left.get(key, 0)
        full, remainder = divmod(left, times) if times > 0 else (0, 0)
        if full >= cell.size:
            full, remainder = cell.size, 0
        start = 0
        for count, each in ((full, times), (1 if remainder else 0, remainder)):
            if count:
                yield self.space.cell(
                    less(cell.vector, group.need, each),
                    cell.site,
                    cell.members[start : start + count],
                    count,
                    groups=cell.groups,
                    kept=(*cell.kept, (key, each)),
                )
                self.left[key] -= count * each
                self.space.kept[key] = self.space.kept.get(key, 0) + count * each
                start += count
        if start < cell.size:
            yield cell._replace(members=cell.members[start:], size=cell.size - start)

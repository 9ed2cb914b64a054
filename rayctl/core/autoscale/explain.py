"""Why something that is asked for is not there: for each pod type the first reason that rules it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rayctl.api.moment import Monotonic
from rayctl.api.names import TypeName
from rayctl.core.autoscale.asked import GangWant
from rayctl.core.autoscale.attempt import Left, Outcome
from rayctl.core.autoscale.axes import Axes, Group, LabelValues, Purpose, Vector, rank, times_fitting
from rayctl.core.autoscale.block import Block, BlockCause
from rayctl.core.autoscale.demand import Demand, Gang, Selector, Shape, Strategy
from rayctl.core.autoscale.ledger import Fresh, Ledger
from rayctl.core.autoscale.space import Cell
from rayctl.core.autoscale.wording import amount_text, selectors_text
from rayctl.core.autoscale.workers import ALIVE, Worker, WorkerState


class Verdict(StrEnum):
    """Whether waiting helps."""

    WAITING = "waiting"
    """Some node could hold it, if only there were one more."""
    INFEASIBLE = "infeasible"
    """No node of any type could ever hold it, nor any that is there, whatever ran on it."""


@dataclass(frozen=True, slots=True)
class TypeReason:
    """Why a type does not help."""

    type: TypeName
    text: str
    lasting: str = ""
    """The same without what changes every second; '' where nothing does."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """What no node that is there or coming will take. The count is that of the subject."""

    purpose: Purpose
    subject: Demand | Gang
    verdict: Verdict
    reasons: tuple[TypeReason, ...]


@dataclass(frozen=True, slots=True)
class Coming:
    """What nodes are launched for, or would be if upscalingSpeed let them."""

    purpose: Purpose
    shapes: tuple[tuple[Shape, int], ...]
    """Several where near-equal shapes are planned as one; each with how many are to go on new nodes."""
    selectors: tuple[Selector, ...]
    chosen: frozenset[TypeName]
    reasons: tuple[TypeReason, ...]


@dataclass(frozen=True, slots=True)
class Explainer:
    """What reasons are found from: the end of a plan."""

    axes: Axes
    types: Sequence[Fresh]
    ledger: Ledger
    blocks: Mapping[TypeName, Block]
    stuck: Mapping[TypeName, int]
    """Pods of each type that can't be scheduled or started."""
    whole: Sequence[tuple[Vector, LabelValues]]
    """What each kind of living node has in total, and its labels."""
    now: Monotonic

    def unmet(self, left: Iterable[Left]) -> tuple[Unmet, ...]:
        """Return what is unmet in the words of whom it was asked by, with reasons."""
        found: list[Unmet] = []
        for each in left:
            if isinstance(each.subject, Group):
                found += self._of_group(each.subject, each.count)
            else:
                found.append(self._of_gang(each.subject, each.count))
        return tuple(found)

    def coming(
        self, cells: Iterable[Cell], held_back: Mapping[TypeName, int], launched: Mapping[TypeName, int]
    ) -> tuple[Coming, ...]:
        """Return what is to lie on new nodes, given as cells, and for each type why it was chosen or not."""
        counts: dict[Group, int] = {}
        used: dict[Group, dict[TypeName, int]] = {}
        for cell in cells:
            for group, times in cell.load:
                counts[group] = counts.get(group, 0) + times * cell.size
                mine = used.setdefault(group, {})
                mine[cell.site.type] = max(mine.get(cell.site.type, 0), _weight(cell))
        return tuple(
            Coming(
                purpose=group.key.purpose,
                shapes=tuple(_shared(group.parts, count)),
                selectors=group.key.selectors,
                chosen=frozenset(used[group]),
                reasons=tuple(
                    self._why_chosen(group, fresh, used[group].get(fresh.offer.name), held_back, launched)
                    for fresh in self.types
                ),
            )
            for group, count in counts.items()
        )

    def _why_chosen(
        self,
        group: Group,
        fresh: Fresh,
        used: int | None,
        held_back: Mapping[TypeName, int],
        launched: Mapping[TypeName, int],
    ) -> TypeReason:
        name = fresh.offer.name
        if used is None:
            return TypeReason(name, self._why_not_this(group, fresh))
        if held_back.get(name):
            return TypeReason(name, f"fits; upscalingSpeed: {launched.get(name, 0)} launching")
        return TypeReason(name, f"fits; chosen: {used * 100 // fresh.cost} % used")

    def _why_not_this(self, group: Group, fresh: Fresh) -> str:
        """Return why a type was not chosen: what rules it out, or what it has and the demand does not use."""
        reason = self._why_not(group, fresh)
        if not reason.startswith("fits; ") or not self.ledger.room(fresh.offer):
            return reason
        idle = sorted(fresh.special - {name for name, _ in group.key.shape})
        return f"fits; {', '.join(idle)} would idle" if idle else "fits; another is used better"

    def _of_group(self, group: Group, count: int) -> Iterable[Unmet]:
        verdict = self._verdict(group)
        reasons = tuple(self._reason(fresh, self._why_not(group, fresh)) for fresh in self.types)
        for shape, number in _shared(group.parts, count):
            exactly = verdict
            if verdict is Verdict.INFEASIBLE and len(group.parts) > 1:
                exactly = self._verdict(self.axes.group(group.key._replace(shape=shape), ()))
            part = Demand(shape, number, group.key.selectors)
            yield Unmet(group.key.purpose, part, exactly, reasons)

    def _of_gang(self, want: GangWant, count: int) -> Unmet:
        groups = [group for group, _ in want.groups]
        verdicts = [self._verdict(group) for group in groups]
        hopeless = [
            group for group, verdict in zip(groups, verdicts, strict=True) if verdict is Verdict.INFEASIBLE
        ]
        subject = hopeless[0] if hopeless else groups[0]
        together = want.gang.strategy is Strategy.STRICT_PACK and want.bundles > 1
        reasons = tuple(
            self._reason(
                fresh,
                self._why_not(subject, fresh, total=" in all" if together else "")
                if hopeless
                else self._why_not_all(groups, fresh),
            )
            for fresh in self.types
        )
        verdict = Verdict.INFEASIBLE if hopeless else Verdict.WAITING
        return Unmet(Purpose.GANG, replace(want.gang, count=count), verdict, reasons)

    def _why_not_all(self, groups: Sequence[Group], fresh: Fresh) -> str:
        """Return why a type does not take a whole placement group, of which it may take single bundles."""
        reasons = [self._why_not(group, fresh) for group in groups]
        return next((reason for reason in reasons if reason.startswith("fits")), reasons[0])

    def _verdict(self, group: Group) -> Verdict:
        fresh = ((each.vector, each.labels) for each in self.types)
        could = any(
            times_fitting(group.need, vector) and rank(group.matches, labels) >= 0
            for vector, labels in (*fresh, *self.whole)
        )
        return Verdict.WAITING if could else Verdict.INFEASIBLE

    def _why_not(self, group: Group, fresh: Fresh, total: str = "") -> str:
        offer = fresh.offer
        for axis, amount in group.need:
            if fresh.vector[axis] < amount:
                name = self.axes.resources[axis]
                offers, asked = amount_text(name, fresh.vector[axis]), amount_text(name, amount)
                return f"offers {name} {offers}, {asked} asked{total}"
        if rank(group.matches, fresh.labels) < 0:
            return f"labels: {self._has(group, fresh)}, asked {selectors_text(group.key.selectors)}"
        block = self.blocks.get(offer.name)
        if block is not None and block.level:
            return self._blocked(block, offer.name)
        if self.ledger.counts.get(offer.name, 0) + offer.hosts > offer.maximum:
            return f"fits; maxWorkers {offer.maximum} (cluster: {self.ledger.cluster_maximum}) reached"
        if self.ledger.total + offer.hosts > self.ledger.cluster_maximum:
            return f"fits; maxWorkers {self.ledger.cluster_maximum} of the cluster reached"
        return f"fits; {self.ledger.room(offer)} more may be launched, too few for all at once"

    def _reason(self, fresh: Fresh, text: str) -> TypeReason:
        block = self.blocks.get(fresh.offer.name)
        if block is None or not block.level or not text.startswith("fits"):
            return TypeReason(fresh.offer.name, text)
        return TypeReason(fresh.offer.name, text, f"fits; left alone for now, its pods are {block.cause}")

    def _blocked(self, block: Block, name: TypeName) -> str:
        when = max(0.0, block.until - self.now)
        retry = f"retried in {when:.0f} s" if when else "being tried again"
        words = f": {block.message}" if block.message else ""
        stuck = self.stuck.get(name, 0)
        if block.cause is BlockCause.REFUSED or not stuck:
            return f"fits; {retry}: {block.cause}{words}"
        return f"fits; {retry}: {stuck} pod{'' if stuck == 1 else 's'} {block.cause}{words}"

    def _has(self, group: Group, fresh: Fresh) -> str:
        keys = dict.fromkeys(term.key for selector in group.key.selectors for term in selector)
        return ", ".join(f"{key} is {fresh.offer.labels.get(key, 'absent')}" for key in keys)


def _weight(cell: Cell) -> int:
    return sum(group.weight * times for group, times in cell.load)


def explainer(
    outcome: Outcome,
    types: Sequence[Fresh],
    blocks: Mapping[TypeName, Block],
    workers: Iterable[Worker],
    now: Monotonic,
) -> Explainer:
    """Return what explains the end of a plan."""
    axes = outcome.asked.axes
    stuck: dict[TypeName, int] = {}
    whole: dict[tuple[Vector, LabelValues], None] = {}
    for worker in workers if outcome.left else ():
        if worker.state is WorkerState.STUCK:
            stuck[worker.type] = stuck.get(worker.type, 0) + 1
        elif worker.state in ALIVE or worker.state is WorkerState.DRAINING:
            whole[axes.vector(worker.total), axes.values(worker.labels)] = None
    return Explainer(axes, types, outcome.ledger, blocks, stuck, tuple(whole), now)


def _shared(parts: Sequence[tuple[Shape, int]], count: int) -> Iterable[tuple[Shape, int]]:
    """Return so many of the demands that were planned as one, those that need most first."""
    if count == sum([number for _, number in parts]):
        return parts
    shared: list[tuple[Shape, int]] = []
    for shape, number in sorted(parts, reverse=True):
        if count > 0:
            shared.append((shape, min(number, count)))
            count -= number
    return shared

"""What is asked for, put in order: odd entries dropped, equal ones merged, each a Group on common axes.

Nothing here trusts the Snapshot: a resource of nothing, a count below one, an unsorted shape, a bundle of
nothing else must neither raise nor change what the rest means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product

from rayctl.core.autoscale.axes import Axes, Group, Key, Purpose, Want, axes_of
from rayctl.core.autoscale.coarse import Rounded, Rounding, Totals, What, no_rounding
from rayctl.core.autoscale.demand import Amounts, Demand, Gang, GroupId, Selector, Shape, Strategy
from rayctl.core.autoscale.weight import UNKNOWN

_MOST_CONJUNCTIONS = 16
"""Of the selectors of a STRICT_PACK group's bundles; in practice a bundle has one at most."""

_NAMELESS = GroupId("?")
"""Ray names each; a group that must not share nodes needs something to be known by on them."""


@dataclass(frozen=True, slots=True, eq=False)
class GangWant:
    """Equal placement groups, as they are to be placed."""

    gang: Gang
    groups: tuple[tuple[Group, int], ...]
    """Demands of one placement group, with how many of each: for STRICT_PACK one, the sum of its bundles."""
    bundles: int
    """In one placement group."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for, exactly, with how many of each."""

    tasks: Totals
    request: Totals
    gangs: Mapping[Gang, int]
    """Each as one."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """All that is asked for, as it is planned."""

    axes: Axes
    wishes: Wishes
    tasks: tuple[tuple[Group, int], ...]
    request: tuple[tuple[Group, int], ...]
    gangs: tuple[GangWant, ...]
    """In the order in which they are to be placed."""

    @property
    def counts(self) -> Mapping[Key, int]:
        """How many there are of each group; of a placement group's, all groups together."""
        counts: dict[Key, int] = {}
        for group, count in (*self.tasks, *self.request):
            counts[group.key] = counts.get(group.key, 0) + count
        for want in self.gangs:
            for group, count in want.groups:
                counts[group.key] = counts.get(group.key, 0) + count * want.gang.count
        return counts


def asked_of(
    demands: Iterable[Demand],
    gangs: Iterable[Gang],
    request: Iterable[Demand],
    rounding: Rounding = no_rounding,
    most: Amounts = UNKNOWN,
) -> Asked:
    """Return what is asked for; ``rounding`` may merge near-equal shapes, but for placement groups'.

    ``most`` is the most that any type has of each resource.
    """
    wishes = Wishes(totals_of(demands), totals_of(request), _merged_gangs(gangs))
    tasks, whole = rounding(wishes.tasks), rounding(wishes.request)
    axes = axes_of(
        [
            *tasks,
            *whole,
            *((bundle.shape, bundle.selectors) for gang in wishes.gangs for bundle in gang.bundles),
        ],
        most,
    )
    return Asked(
        axes=axes,
        wishes=wishes,
        tasks=_groups(tasks, Purpose.TASK, axes),
        request=_groups(whole, Purpose.REQUEST, axes),
        gangs=tuple(
            sorted((_gang_want(gang, count, axes) for gang, count in wishes.gangs.items()), key=_gang_order)
        ),
    )


def _groups(totals: Rounded, purpose: Purpose, axes: Axes) -> tuple[tuple[Group, int], ...]:
    return tuple(
        [
            (axes.group(Key(purpose, *what), tuple(parts)), sum([count for _, count in parts]))
            for what, parts in totals.items()
        ]
    )


def totals_of(demands: Iterable[Demand]) -> Totals:
    """Return how many there are of each demand; odd ones dropped."""
    totals: dict[What, int] = {}
    for demand in demands:
        if demand.count > 0:
            what = _shape(demand.shape), _selectors(demand.selectors)
            totals[what] = totals.get(what, 0) + demand.count
    return totals


def sort_key(shape: Shape, selectors: tuple[Selector, ...]) -> tuple[object, ...]:
    """Return what orders demands whatever the order of the input. Sets have none: they are spelt out."""
    spelt = tuple(
        tuple((term.key, term.is_in, tuple(sorted(term.values))) for term in selector)
        for selector in selectors
    )
    return shape, spelt


def wants_of(groups: Iterable[tuple[Group, int]], times: int = 1) -> list[Want]:
    """Return fresh counters."""
    return [Want(group, count * times) for group, count in groups]


def _shape(shape: Shape) -> Shape:
    before = ""
    for name, amount in shape:
        if amount <= 0 or name <= before:
            break
        before = name
    else:
        return shape
    amounts: dict[str, int] = {}
    for name, amount in shape:
        if amount > 0:
            amounts[name] = amounts.get(name, 0) + amount
    return tuple(sorted(amounts.items()))


def _selectors(selectors: tuple[Selector, ...]) -> tuple[Selector, ...]:
    """Return the selectors that matter: none when one of them is fulfilled anywhere."""
    return selectors if not selectors or all(selectors) else ()


def _merged_gangs(gangs: Iterable[Gang]) -> dict[Gang, int]:
    """Return how many there are of each placement group; those that must not share nodes stay apart."""
    totals: dict[Gang, int] = {}
    for gang in gangs:
        bundles = tuple(
            Demand(shape, count, selectors)
            for (shape, selectors), count in sorted(
                totals_of(gang.bundles).items(), key=lambda entry: sort_key(*entry[0])
            )
        )
        if not bundles or gang.count <= 0:
            continue
        if gang.strategy is Strategy.STRICT_SPREAD:
            totals[Gang(gang.strategy, bundles, group=gang.group or _NAMELESS)] = 1
        else:
            one = Gang(gang.strategy, bundles)
            totals[one] = totals.get(one, 0) + gang.count
    return totals


def _gang_want(gang: Gang, count: int, axes: Axes) -> GangWant:
    bundles = sum(bundle.count for bundle in gang.bundles)
    if gang.strategy is Strategy.STRICT_PACK:
        demands: tuple[Demand, ...] = (_summed(gang.bundles),)
    else:
        demands = gang.bundles
    groups = [
        (
            axes.group(
                Key(Purpose.GANG, each.shape, each.selectors, gang.group), ((each.shape, each.count),)
            ),
            each.count,
        )
        for each in demands
    ]
    groups.sort(key=lambda entry: (sum(entry[0].special), entry[0].weight), reverse=True)
    return GangWant(replace(gang, count=count), tuple(groups), bundles)


def _summed(bundles: Iterable[Demand]) -> Demand:
    """Return all bundles of a group as the one demand that they are to a node."""
    amounts: dict[str, int] = {}
    choices: list[tuple[Selector, ...]] = []
    for bundle in bundles:
        for name, amount in bundle.shape:
            amounts[name] = amounts.get(name, 0) + amount * bundle.count
        if bundle.selectors:
            choices.append(bundle.selectors)
    conjunctions = (
        tuple(sorted((term for selector in chosen for term in selector), key=_term_order))
        for chosen in islice(product(*choices), _MOST_CONJUNCTIONS)
    )
    return Demand(tuple(sorted(amounts.items())), 1, _selectors(tuple(conjunctions)) if choices else ())


def _term_order(term: tuple[str, bool, frozenset[str]]) -> tuple[str, bool, tuple[str, ...]]:
    return term[0], term[1], tuple(sorted(term[2]))


_RANK = {
    Strategy.STRICT_SPREAD: 0,
    Strategy.STRICT_PACK: 1,
    Strategy.SPREAD: 2,
    Strategy.PACK: 3,
}


def _gang_order(want: GangWant) -> tuple[object, ...]:
    """Return what puts the gangs that are hardest to place first."""
    gang = want.gang
    weight = sum(group.weight * count for group, count in want.groups)
    keys = tuple((sort_key(bundle.shape, bundle.selectors), bundle.count) for bundle in gang.bundles)
    return _RANK[gang.strategy], -want.bundles, -weight, keys, gang.group

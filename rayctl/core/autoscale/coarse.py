"""Many nearly equal shapes rounded to few, so that planning 10,000 distinct demands stays a matter of 0.1 s.

A resource with many different values is rounded up to 5 significant bits (at most 6 % more), 4 beyond 1,000
shapes (12 %): never across what some node has in all, so that nothing stops fitting, and never off a value
that divides it, so that halves and quarters of a node stay halves and quarters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from rayctl.core.autoscale.demand import Amounts, Selector, Shape

EXACT = 160
"""So many distinct shapes are planned as they are."""

_FINE = 1000
_FEW_VALUES = 16

What: TypeAlias = tuple[Shape, tuple[Selector, ...]]
"""Shape and selectors: all that a demand is but its count."""

Totals: TypeAlias = Mapping[What, int]
"""How many there are of each."""

Rounded: TypeAlias = Mapping[What, Sequence[tuple[Shape, int]]]
"""What to plan with → the true shapes that are planned so, with how many there are of each."""

Rounding: TypeAlias = Callable[[Totals], Rounded]


def no_rounding(totals: Totals) -> Rounded:
    """Plan each demand as it is."""
    return {what: ((what[0], count),) for what, count in totals.items()}


def rounding_to(capacities: Iterable[Amounts]) -> Rounding:
    """Return the rounding that respects nodes with these resources in all."""
    by_resource: dict[str, set[int]] = {}
    for amounts in capacities:
        for name, amount in amounts.items():
            by_resource.setdefault(name, set()).add(amount)
    limits = {name: sorted(values) for name, values in by_resource.items()}

    def rounding(totals: Totals) -> Rounded:
        if len(totals) <= EXACT:
            return no_rounding(totals)
        steps = _steps(totals, limits, 5 if len(totals) <= _FINE else 4)
        rounded: dict[What, list[tuple[Shape, int]]] = {}
        for (shape, selectors), count in totals.items():
            near = tuple([steps.get(entry, entry) for entry in shape])
            rounded.setdefault((near, selectors), []).append((shape, count))
        return rounded

    return rounding


Entry: TypeAlias = tuple[str, int]


def _steps(totals: Totals, limits: Mapping[str, Sequence[int]], bits: int) -> dict[Entry, Entry]:
    """Return what each (resource, amount) that is rounded at all becomes."""
    values: dict[str, set[int]] = {}
    for entry in {entry for shape, _ in totals for entry in shape}:
        values.setdefault(entry[0], set()).add(entry[1])
    return {
        (name, amount): (name, _up(amount, bits, limits.get(name, ())))
        for name, amounts in values.items()
        if len(amounts) > _FEW_VALUES
        for amount in amounts
    }


def _up(amount: int, bits: int, limits: Sequence[int]) -> int:
    """Return an amount rounded up to so many significant bits, or to the next limit where that is nearer."""
    if not amount >> bits:
        return amount
    for limit in limits:
        if limit % amount == 0:
            return amount
    step = 1 << (amount.bit_length() - bits)
    up = -(-amount // step) * step
    index = bisect_left(limits, amount)
    return min(up, limits[index]) if index < len(limits) else up

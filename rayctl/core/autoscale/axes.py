"""Demands and nodes as vectors over the resources and labels that demands name, and nothing else.

What no demand names cannot decide anything, and left out it makes nodes equal that differ in their address
only. A Group is one demand on these axes; Want counts how much of it is still to be placed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from rayctl.core.autoscale.demand import GRAIN, Amounts, Selector, Shape
from rayctl.core.autoscale.weight import UNKNOWN, Special, special_of, weight_of

Vector: TypeAlias = tuple[int, ...]
"""Amounts in the order of the axes."""

Need: TypeAlias = tuple[tuple[int, int], ...]
"""(axis, amount > 0): a vector without its zeros."""

LabelValues: TypeAlias = tuple[str, ...]
"""Values in the order of the label axes; ABSENT where a node has no such label."""

ABSENT = "\x00"
"""No label's value, as Kubernetes and Ray allow none with it."""

UNLIMITED = 1 << 30
"""How many demands that need nothing a node takes."""

_IMPLICIT = "node:__internal_implicit_resource_"
"""Ray gives each node 1 of each resource of this prefix, and lists it once it is used."""


class Purpose(StrEnum):
    """What a demand is a part of."""

    REQUEST = "request_resources"
    TASK = "task or actor"
    GANG = "placement group"


class Key(NamedTuple):
    """What makes two demands one Group."""

    purpose: Purpose
    shape: Shape
    selectors: tuple[Selector, ...] = ()
    apart: str = ""
    """The placement group whose bundles must not share a node; '' for all else."""


Match: TypeAlias = tuple[tuple[int, bool, frozenset[str]], ...]
"""A Selector on the label axes."""

ANYWHERE: Match = ()


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Equal demands, as a vector."""

    key: Key
    need: Need
    matches: tuple[Match, ...]
    """One for each selector, in the user's order; (ANYWHERE,) where there is none."""
    weight: int
    special: Special
    """What it asks for."""
    parts: tuple[tuple[Shape, int], ...]
    """The true shapes, several where near-equal ones were rounded to one, with how many there are of each."""


@dataclass(slots=True)
class Want:
    """So many of a group are still to be placed."""

    group: Group
    left: int


@dataclass(frozen=True, slots=True)
class Axes:
    """The resources and label keys that matter."""

    resources: tuple[str, ...]
    keys: tuple[str, ...]
    weights: Vector
    columns: tuple[tuple[str, int], ...]
    """(resource, what a node has of it when it says nothing)."""
    index: Mapping[str, int]
    most: Amounts
    """The most that any type has of each resource: what custom ones are weighed by."""

    def vector(self, amounts: Amounts) -> Vector:
        """Return a node's amounts on the axes."""
        get = amounts.get
        return tuple([get(name, default) for name, default in self.columns])

    def weigh(self, vector: Vector) -> int:
        """Return the weight of a vector."""
        return sum([weight * amount for weight, amount in zip(self.weights, vector, strict=True)])

    def values(self, labels: Mapping[str, str]) -> LabelValues:
        """Return a node's labels on the axes."""
        return tuple([labels.get(key, ABSENT) for key in self.keys])

    def group(self, key: Key, parts: tuple[tuple[Shape, int], ...]) -> Group:
        """Return a demand on the axes."""
        columns = {name: column for column, name in enumerate(self.keys)}
        need = tuple((self.index[name], amount) for name, amount in key.shape)
        return Group(
            key=key,
            need=need,
            matches=tuple(
                tuple((columns[term.key], term.is_in, term.values) for term in selector)
                for selector in key.selectors
            )
            or (ANYWHERE,),
            weight=sum(self.weights[axis] * amount for axis, amount in need),
            special=special_of(name for name, _ in key.shape),
            parts=parts,
        )


def axes_of(demands: Iterable[tuple[Shape, tuple[Selector, ...]]], most: Amounts = UNKNOWN) -> Axes:
    """Return the axes on which these shapes and selectors can be told apart."""
    resources: set[str] = set()
    keys: set[str] = set()
    for shape, selectors in demands:
        for name, _ in shape:
            resources.add(name)
        for selector in selectors:
            keys.update(term.key for term in selector)
    names = tuple(sorted(resources))
    return Axes(
        resources=names,
        keys=tuple(sorted(keys)),
        weights=tuple(weight_of(name, most) for name in names),
        columns=tuple((name, GRAIN if name.startswith(_IMPLICIT) else 0) for name in names),
        index={name: index for index, name in enumerate(names)},
        most=most,
    )


def times_fitting(need: Need, vector: Vector) -> int:
    """Return how often a need goes into a vector; UNLIMITED for a need of nothing."""
    times = UNLIMITED
    for axis, amount in need:
        quotient = vector[axis] // amount
        if quotient < times:
            if quotient <= 0:
                return 0
            times = quotient
    return times


def less(vector: Vector, need: Need, times: int) -> Vector:
    """Return what is left of a vector when a need was taken out so often; a negative number puts it back."""
    rest = list(vector)
    for axis, amount in need:
        rest[axis] -= amount * times
    return tuple(rest)


def satisfies(match: Match, values: LabelValues) -> bool:
    """Return whether labels fulfil a selector."""
    return all((values[column] in wanted) == is_in for column, is_in, wanted in match)


def rank(matches: tuple[Match, ...], values: LabelValues) -> int:
    """Return the index of the first selector that labels fulfil; -1 when they fulfil none."""
    for index, match in enumerate(matches):
        if not match or satisfies(match, values):
            return index
    return -1

"""What resources are worth beside each other: the one scale for the size of a demand and the cost of a node.

Whole numbers, so that sums are exact and do not depend on their order. A CPU weighs as much as 8 GiB, an
accelerator as much as 16 CPUs: rough ratios of what clouds charge, as good as any without a price list. A
custom resource has a unit of its own: the most that any type has of it weighs as much as 4 CPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rayctl.core.autoscale.demand import GRAIN, Amounts

_MEMORY = 1
_CPU = 8 << 30
"""Of 1/10,000 CPU; that of 1/10,000 byte is 1, hence 8 GiB to a CPU."""

_ORDINARY: Mapping[str, int] = {"CPU": _CPU, "memory": _MEMORY, "object_store_memory": 0}
_ACCELERATORS: Mapping[str, int] = {
    "neuron_cores": 8 * _CPU,
    **dict.fromkeys(("GPU", "TPU", "HPU", "NPU", "RBLN", "FURIOSA", "MBLT", "TTNPU"), 16 * _CPU),
}
"""All that Ray 2.60 finds by itself (ray/_private/accelerators)."""
_WEIGHTS = {**_ORDINARY, **_ACCELERATORS}
_CUSTOM = 4 * _CPU * GRAIN
_MARKS = ("node:", "accelerator_type:")

UNKNOWN: Amounts = {}
"""Where it is not known what types have: a custom resource is taken to be had by ones."""


class Special(NamedTuple):
    """How many kinds of resources that few nodes have; others' work spares accelerators before all else."""

    accelerators: int
    custom: int

    def covers(self, asked: Special) -> bool:
        """Return whether there are as many as are asked for: with fewer, one of them is missing."""
        return self.accelerators >= asked.accelerators and self.custom >= asked.custom


def most_of(capacities: Iterable[Amounts]) -> dict[str, int]:
    """Return the most that any has of each resource."""
    most: dict[str, int] = {}
    for amounts in capacities:
        for name, amount in amounts.items():
            if amount > most.get(name, 0):
                most[name] = amount
    return most


def weight_of(resource: str, most: Amounts = UNKNOWN) -> int:
    """Return what 1/10,000 of a resource weighs, where ``most`` is the most that any type has."""
    known = _WEIGHTS.get(resource)
    if known is not None:
        return known
    return 0 if is_mark(resource) else _CUSTOM // most.get(resource, GRAIN)


def is_mark(resource: str) -> bool:
    """Return whether a resource only says which node it is, or of what make."""
    return resource.startswith(_MARKS)


def is_special(resource: str) -> bool:
    """Return whether few nodes have it, so that others' work avoids them: accelerators, custom resources."""
    return resource not in _ORDINARY and not is_mark(resource)


def is_accelerator(resource: str) -> bool:
    """Return whether a resource is a costly device."""
    return resource in _ACCELERATORS


def cost_of(amounts: Amounts, most: Amounts = UNKNOWN) -> int:
    """Return what a node with these resources costs; 1 where none of them has a weight."""
    return sum(weight_of(resource, most) * amount for resource, amount in amounts.items()) or 1


def special_kinds(amounts: Amounts) -> frozenset[str]:
    """Return the special resources that a node has any of."""
    return frozenset(resource for resource, amount in amounts.items() if amount > 0 and is_special(resource))


def special_of(kinds: Iterable[str]) -> Special:
    """Return how many special resources there are among these."""
    special = [is_accelerator(kind) for kind in kinds if is_special(kind)]
    return Special(sum(special), len(special) - sum(special))

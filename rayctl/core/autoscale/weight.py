"""What resources are worth beside each other: the one scale for the size of a demand and the cost of a node.

Whole numbers, so that sums are exact and do not depend on their order. A CPU weighs as much as 8 GiB, an
accelerator as much as 16 CPUs: rough ratios of what clouds charge, as good as any without a price list.
"""

from __future__ import annotations

from collections.abc import Mapping

from rayctl.core.autoscale.demand import Amounts

_MEMORY = 1
_CPU = 8 << 30
"""Of 1/10,000 CPU; that of 1/10,000 byte is 1, hence 8 GiB to a CPU."""

_WEIGHTS: Mapping[str, int] = {
    "CPU": _CPU,
    "memory": _MEMORY,
    "object_store_memory": 0,
    "GPU": 16 * _CPU,
    "TPU": 16 * _CPU,
    "HPU": 16 * _CPU,
    "NPU": 16 * _CPU,
    "neuron_cores": 8 * _CPU,
}
_CUSTOM = 4 * _CPU
_ORDINARY = frozenset({"CPU", "memory", "object_store_memory"})
_MARKS = ("node:", "accelerator_type:")


def weight_of(resource: str) -> int:
    """Return what 1/10,000 of a resource weighs."""
    known = _WEIGHTS.get(resource)
    if known is not None:
        return known
    return 0 if is_mark(resource) else _CUSTOM


def is_mark(resource: str) -> bool:
    """Return whether a resource only says which node it is, or of what make."""
    return resource.startswith(_MARKS)


def is_special(resource: str) -> bool:
    """Return whether few nodes have it, so that others' work avoids them: accelerators, custom resources."""
    return resource not in _ORDINARY and not is_mark(resource)


def cost_of(amounts: Amounts) -> int:
    """Return what a node with these resources costs; 1 where none of them has a weight."""
    return sum(weight_of(resource) * amount for resource, amount in amounts.items()) or 1


def special_kinds(amounts: Amounts) -> frozenset[str]:
    """Return the special resources that a node has any of."""
    return frozenset(resource for resource, amount in amounts.items() if amount > 0 and is_special(resource))

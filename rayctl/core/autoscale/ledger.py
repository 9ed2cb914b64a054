"""What may still be launched, and what an attempt at a plan has launched so far, in units.

A unit is what comes and goes at once: one pod, or all hosts of a slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from rayctl.api.names import TypeName
from rayctl.core.autoscale.axes import Axes, LabelValues, Vector
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.weight import cost_of, special_kinds


class Cause(IntEnum):
    """What a launch is for, in the order in which launches are granted."""

    MINIMUM = 0
    REQUEST = 1
    GANG = 2
    TASK = 3
    """The only one that upscalingSpeed holds back."""


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """A node of a type before anything runs on it, on the axes of a plan."""

    offer: TypeOffer
    vector: Vector
    weight: int
    labels: LabelValues
    cost: int
    special: frozenset[str]

    @property
    def unit_cost(self) -> int:
        """What one unit costs."""
        return self.cost * self.offer.hosts


def fresh_of(offer: TypeOffer, axes: Axes) -> Fresh:
    """Return a type's node on the axes."""
    vector = axes.vector(offer.resources)
    return Fresh(
        offer=offer,
        vector=vector,
        weight=axes.weigh(vector),
        labels=axes.values(offer.labels),
        cost=cost_of(offer.resources, axes.most),
        special=special_kinds(offer.resources),
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Units of one type that were launched at once."""

    type: TypeName
    units: int
    hosts: int
    cause: Cause


@dataclass(slots=True)
class Ledger:
    """Counts of pods, and the batches launched."""

    counts: dict[TypeName, int]
    """Pods that stand for a worker, of each type; launched ones included."""
    total: int
    cluster_maximum: int
    allowance: Mapping[TypeName, int]
    """Units that a type in trouble may launch; types without trouble are not in it."""
    batches: list[Batch] = field(default_factory=list)

    def copy(self) -> Ledger:
        """Return a Ledger of its own."""
        return Ledger(
            self.counts.copy(), self.total, self.cluster_maximum, self.allowance, self.batches.copy()
        )

    def room(self, offer: TypeOffer) -> int:
        """Return how many more units of a type may be launched."""
        left = min(offer.maximum - self.counts.get(offer.name, 0), self.cluster_maximum - self.total)
        units = max(0, left // offer.hosts)
        allowed = self.allowance.get(offer.name)
        if allowed is None or not units:
            return units
        return max(0, min(units, allowed - self.units(offer.name)))

    def units(self, name: TypeName) -> int:
        """Return how many units of a type were launched."""
        return sum(batch.units for batch in self.batches if batch.type == name)

    def start(self, offer: TypeOffer, units: int, cause: Cause) -> int:
        """Launch units; return the number of their batch."""
        pods = units * offer.hosts
        self.counts[offer.name] = self.counts.get(offer.name, 0) + pods
        self.total += pods
        self.batches.append(Batch(offer.name, units, offer.hosts, cause))
        return len(self.batches) - 1

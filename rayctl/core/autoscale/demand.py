"""What Ray's Global Control Store (GCS) says of one cluster: what it has, and what it is asked for.

Amounts are whole numbers of 1/10,000 of a resource, Ray's own grain, so that 0.9 + 0.1 CPU is 1 CPU. Equal
demands come as one record with a count, and nothing here or after it ever walks over single ones.
Source of the fields: ``autoscaler.proto`` of Ray 2.60, read by :mod:`rayctl.gcs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NewType, TypeAlias

from rayctl.api.moment import Monotonic

GRAIN = 10_000
"""So many of our units are 1 CPU, 1 GPU, 1 byte of memory."""

NodeId = NewType("NodeId", str)
"""A Ray node's id in hex, as Ray prints it."""

GroupId = NewType("GroupId", str)
"""A placement group's id in hex."""

Amounts: TypeAlias = Mapping[str, int]
"""Resource name → amount of 1/10,000, not negative; what is not named is not there."""

Shape: TypeAlias = tuple[tuple[str, int], ...]
"""What one task, actor or bundle needs: (resource, amount > 0), sorted by resource; () needs nothing."""


class Term(NamedTuple):
    """A condition on one label. ``is_in`` False is "not in", and then a label that is absent satisfies it."""

    key: str
    is_in: bool
    values: frozenset[str]


Selector: TypeAlias = tuple[Term, ...]
"""Conditions that must all hold, sorted by key."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Equal tasks and actors that wait, equal bundles of a gang, or equal parts of a request."""

    shape: Shape
    count: int
    selectors: tuple[Selector, ...] = ()
    """In the user's order: the first that can be had counts. () means anywhere."""


class Strategy(StrEnum):
    """How a placement group wants its bundles to lie."""

    PACK = "PACK"
    SPREAD = "SPREAD"
    STRICT_PACK = "STRICT_PACK"
    STRICT_SPREAD = "STRICT_SPREAD"


@dataclass(frozen=True, slots=True)
class Gang:
    """A placement group that waits, or equal ones: all its bundles at once, or none.

    ``count`` is 1 for STRICT_SPREAD, whose groups are never merged: each avoids the nodes of its own only.
    """

    strategy: Strategy
    bundles: tuple[Demand, ...]
    count: int = 1
    group: GroupId = GroupId("")
    """The placement group; '' where several are merged."""
    rescheduling: bool = False
    """Whether ``bundles`` are only those that were lost; the others still hold their nodes."""


class NodeStatus(StrEnum):
    """What Ray says of a node."""

    RUNNING = "RUNNING"
    IDLE = "IDLE"
    DRAINING = "DRAINING"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class Other:
    """A value of an enumeration that a newer Ray knows and we don't."""

    text: str


@dataclass(frozen=True, slots=True)
class RayNode:
    """A node of the Ray cluster, the head's included."""

    node_id: NodeId
    pod: str
    """The instance id, which our pods set to their name; '' where a node has none."""
    type: str
    """The node's type, which our pods set to their pod type; '' where a node has none."""
    status: NodeStatus | Other
    total: Amounts
    """Without what Ray adds for placement groups; empty for a dead node, as is ``available``."""
    available: Amounts
    labels: Mapping[str, str]
    idle_ms: int
    """By Ray's own clock, up to a second old; 0 while it is busy."""
    groups: frozenset[GroupId]
    """Placement groups that hold a part of it. They are live, where ``status`` is up to a second old."""
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One answer of the GCS."""

    session: str
    """Name of the head's session: another one is another life of Ray's, which knows no earlier node."""
    version: int
    """Grows with each answer; a smaller one in the same session means that the GCS itself started anew."""
    at: Monotonic
    """When it was received."""
    nodes: tuple[RayNode, ...]
    """In no order. A pod may have several: what died in it before, or what is not yet known to be dead."""
    demands: tuple[Demand, ...] = ()
    gangs: tuple[Gang, ...] = ()
    constraint: tuple[Demand, ...] = ()
    """What ``request_resources`` asked for; compared with what nodes have in total."""
    left_out: int = 0
    """Demands that are in none of these: not understood, or beyond 10,000 different ones."""


class DrainReason(StrEnum):
    """Why a node is to leave, as Ray distinguishes it."""

    IDLE = "IDLE_TERMINATION"
    """Ray refuses when the node is no longer idle."""
    PREEMPTION = "PREEMPTION"
    """Ray always accepts; what runs goes on, nothing new comes."""

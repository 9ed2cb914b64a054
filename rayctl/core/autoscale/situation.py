"""What a plan is made from, and what a plan is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rayctl.api.moment import Monotonic
from rayctl.api.names import TypeName
from rayctl.core.autoscale.board import Nomination
from rayctl.core.autoscale.demand import Demand, Snapshot
from rayctl.core.autoscale.explain import Coming, Unmet
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.remarks import Remark
from rayctl.core.autoscale.workers import Worker


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan is made from."""

    offers: tuple[TypeOffer, ...]
    """In the order of the spec."""
    cluster_maximum: int
    speed: float
    """``upscalingSpeed``, above 0."""
    workers: tuple[Worker, ...]
    asked: Snapshot
    memory: Memory
    now: Monotonic
    doomed: Mapping[str, str] = field(default_factory=dict)
    """Pods that the user has named to go, and why."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What lies on so many nodes alike, once all is there."""

    type: TypeName
    pods: tuple[str, ...]
    """() for nodes that are to be launched."""
    nodes: int
    load: Nomination


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be there, and what it takes."""

    targets: Mapping[TypeName, int]
    """Workers of each type, without those that drain, are in ``leave``, or end already."""
    launch: Mapping[TypeName, int]
    """Pods to be made now; they are in ``targets``."""
    held_back: Mapping[TypeName, int]
    """Pods that upscalingSpeed leaves for later."""
    leave: tuple[Leave, ...]
    unmet: tuple[Unmet, ...]
    """What no node that is there or coming will take."""
    coming: tuple[Coming, ...]
    """What is to go on nodes that are launched, or held back."""
    placements: tuple[Placement, ...]
    """Of tasks, actors and placement groups."""
    restore: tuple[Demand, ...]
    """A request that the GCS has forgotten and is to be told again."""
    remarks: tuple[Remark, ...]
    """What is to be said of it, and was not said before."""
    memory: Memory
    """For the next plan."""
    steps: int
    """Work done, in steps of about a microsecond."""

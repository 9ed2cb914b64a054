"""Clusters and demands to plan for, as plain data that both our planner and Ray's own scheduler are given."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from rayctl.api.moment import Monotonic
from rayctl.api.names import NODE_GROUP, TypeName
from rayctl.core.autoscale.demand import GRAIN, Amounts, Demand, NodeId, Snapshot
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import PodVerdict, Worker, WorkerState

GIB = 1 << 30
Resources = Mapping[str, float]


class Use(StrEnum):
    """How busy the nodes are."""

    FULL = "full"
    HALF = "half busy"
    IDLE = "idle"


class Variety(StrEnum):
    """How many shapes the demands have."""

    FEW = "5 shapes"
    DISTINCT = "distinct"


@dataclass(frozen=True, slots=True)
class Type:
    """A node type."""

    resources: Resources
    labels: Mapping[str, str]
    maximum: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node that runs."""

    type: str
    available: Resources
    idle: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A cluster and what is asked of it: (resources, how many)."""

    types: Mapping[str, Type]
    nodes: tuple[Node, ...]
    demands: tuple[tuple[Resources, int], ...]


_MANY = 20_000
_TYPES = {
    "cpu-s": Type({"CPU": 4, "memory": 16 * GIB}, {"zone": "a"}, _MANY),
    "cpu-l": Type({"CPU": 32, "memory": 128 * GIB}, {"zone": "b"}, _MANY),
    "gpu": Type({"CPU": 16, "GPU": 4, "memory": 128 * GIB, "accelerator_type:A100": 1}, {"zone": "a"}, _MANY),
    "custom": Type({"CPU": 8, "memory": 32 * GIB, "Custom1": 2}, {"zone": "b"}, _MANY),
}
_SHAPES: tuple[Resources, ...] = (
    {"CPU": 1},
    {"CPU": 2, "memory": 4 * GIB},
    {"CPU": 4, "GPU": 1},
    {"CPU": 1, "Custom1": 1},
    {"CPU": 8, "memory": 16 * GIB},
)


def large_case(nodes: int, demands: int, variety: Variety, use: Use) -> Case:
    """Return a case of the design's table: four types in equal parts, and demands of five kinds."""
    dice = random.Random(1)
    names = list(_TYPES)
    there = [_node(names[index % len(names)], use, dice) for index in range(nodes)]
    if variety is Variety.FEW:
        asked = [(shape, demands // len(_SHAPES)) for shape in _SHAPES]
    else:
        asked = [
            (shape | {"memory": shape.get("memory", 0) + (index + 1) * (1 << 20) % (4 * GIB)}, 1)
            for index in range(demands)
            for shape in [dict(_SHAPES[index % len(_SHAPES)])]
        ]
    return Case(_TYPES, tuple(there), tuple(asked))


def _node(name: str, use: Use, dice: random.Random) -> Node:
    shares = {Use.FULL: 0.0, Use.IDLE: 1.0}
    available = {
        resource: int(amount * shares.get(use, dice.random()))
        for resource, amount in _TYPES[name].resources.items()
    }
    return Node(name, {resource: amount for resource, amount in available.items() if amount}, use is Use.IDLE)


def small_case(seed: int) -> Case:
    """Return a random small cluster, the same for the same seed."""
    dice = random.Random(seed)
    types = {
        f"t{index}": Type(_random_resources(dice), {}, dice.choice([1, 3, 10, 100]))
        for index in range(dice.randint(1, 4))
    }
    nodes = []
    for _ in range(dice.randint(0, 6)):
        name = dice.choice(list(types))
        share = dice.choice([0, 0.25, 0.5, 1])
        available = {
            resource: int(amount * share)
            for resource, amount in types[name].resources.items()
            if int(amount * share)
        }
        nodes.append(Node(name, available, idle=share == 1))
    demands = tuple((_random_shape(dice), dice.randint(1, 15)) for _ in range(dice.randint(1, 5)))
    there = Counter(node.type for node in nodes)
    types = {name: replace(kind, maximum=max(kind.maximum, there[name])) for name, kind in types.items()}
    return Case(types, tuple(nodes), demands)


def _random_resources(dice: random.Random) -> Resources:
    resources: dict[str, float] = {"CPU": dice.choice([1, 2, 4, 8, 16, 32])}
    resources["memory"] = resources["CPU"] * dice.choice([2, 4, 8]) * GIB
    if dice.random() < 0.3:
        resources["GPU"] = dice.choice([1, 2, 4])
    if dice.random() < 0.2:
        resources["Custom1"] = dice.choice([1, 2])
    return resources


def _random_shape(dice: random.Random) -> Resources:
    shape: dict[str, float] = {"CPU": dice.choice([0.5, 1, 1, 2, 3, 4, 8])}
    if dice.random() < 0.5:
        shape["memory"] = dice.choice([1, 2, 5, 8, 20]) * GIB
    if dice.random() < 0.2:
        shape["GPU"] = dice.choice([0.5, 1, 2])
    if dice.random() < 0.1:
        shape["Custom1"] = 1
    return shape


def amounts(resources: Resources) -> Amounts:
    """Return resources as our planner counts them."""
    return {name: round(amount * GRAIN) for name, amount in resources.items()}


def situation_of(case: Case) -> Situation:
    """Return a case as our planner is given it."""
    offers = tuple(
        TypeOffer(
            name=TypeName(name),
            resources=amounts(kind.resources),
            maximum=kind.maximum,
            labels={**kind.labels, NODE_GROUP: name},
        )
        for name, kind in case.types.items()
    )
    demands = tuple(
        Demand(tuple(sorted(amounts(resources).items())), count) for resources, count in case.demands
    )
    workers = tuple(_worker(index, node, case) for index, node in enumerate(case.nodes))
    joined = frozenset(worker.pod for worker in workers)
    return Situation(
        offers=offers,
        cluster_maximum=5 * _MANY,
        speed=float(_MANY),
        workers=workers,
        asked=Snapshot("session", 1, Monotonic(0.0), (), demands),
        memory=Memory(session="session", version=1, joined=joined),
        now=Monotonic(0.0),
    )


def _worker(index: int, node: Node, case: Case) -> Worker:
    own = {f"node:10.{index >> 16}.{index >> 8 & 255}.{index & 255}": 1.0, "object_store_memory": 4.0 * GIB}
    return Worker(
        pod=f"pod-{index}",
        type=TypeName(node.type),
        state=WorkerState.IDLE if node.idle else WorkerState.RUNNING,
        node_id=NodeId(f"{index:056x}"),
        total=amounts({**case.types[node.type].resources, **own}),
        available=amounts({**node.available, **own}),
        labels=case.types[node.type].labels,
        verdict=PodVerdict.READY,
    )

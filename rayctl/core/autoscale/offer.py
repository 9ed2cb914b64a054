"""What a pod type offers to the planner, whatever of it comes from the spec and what from experience."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rayctl.api.moment import Seconds
from rayctl.api.names import NODE_GROUP, TypeName
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.core.autoscale.demand import GRAIN, Amounts
from rayctl.core.autoscale.workers import Worker, WorkerState
from rayctl.core.build.resources import offered_resources


@dataclass(frozen=True, slots=True)
class TypeOffer:
    """A pod type as the planner sees it."""

    name: TypeName
    resources: Amounts
    maximum: int
    minimum: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    """As its nodes will have them, ``ray.io/node-group`` included."""
    idle_timeout: Seconds = 300.0
    priority: int = 0
    """Types of a higher one are used up before those of a lower one are touched."""
    hosts: int = 1
    """Pods that come and go as one, at least 1."""
    fingerprint: str = ""
    """Of what its pods are made from: another one is another template."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the nodes of a type turned out to have, once one had joined."""

    fingerprint: str
    resources: Amounts


def offer_of(cluster: RayCluster, pod_type: PodType, fingerprint: str, learnt: Learnt | None) -> TypeOffer:
    """Return what a type offers: what its nodes turned out to have, while the template is the same."""
    if learnt is not None and learnt.fingerprint == fingerprint:
        resources = learnt.resources
    else:
        resources = {name: amount * GRAIN for name, amount in offered_resources(pod_type).items()}
    return TypeOffer(
        name=pod_type.name,
        resources=resources,
        maximum=cluster.max_of(pod_type),
        minimum=pod_type.min_workers,
        labels={**(pod_type.labels or {}), NODE_GROUP: pod_type.name},
        idle_timeout=cluster.idle_timeout_of(pod_type),
        priority=pod_type.priority,
        hosts=pod_type.hosts,
        fingerprint=fingerprint,
    )


def learn(
    before: Mapping[TypeName, Learnt],
    offers: Iterable[TypeOffer],
    workers: Iterable[Worker],
    joined_before: frozenset[str],
) -> Mapping[TypeName, Learnt]:
    """Return what is known of each type's nodes after a look at the workers that have newly joined.

    Of several that joined together, the least that any of them has.
    """
    current = {offer.name: offer.fingerprint for offer in offers}
    seen: dict[TypeName, dict[str, int]] = {}
    for worker in workers:
        if worker.pod in joined_before:
            continue
        joined = worker.state in {WorkerState.RUNNING, WorkerState.IDLE}
        if joined and worker.total and worker.fingerprint == current.get(worker.type):
            have = _lasting(worker.total)
            known = seen.get(worker.type)
            seen[worker.type] = (
                have
                if known is None
                else {name: min(known[name], have[name]) for name in known.keys() & have}
            )
    after = {name: learnt for name, learnt in before.items() if learnt.fingerprint == current.get(name)}
    return after | {name: Learnt(current[name], resources) for name, resources in sorted(seen.items())}


def _lasting(total: Amounts) -> dict[str, int]:
    """Return what the type's next node will have as well: not the resource that bears this one's address."""
    return {name: amount for name, amount in total.items() if not name.startswith("node:")}

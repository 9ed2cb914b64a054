"""What must be so once nothing has happened for a while: each cluster as its spec says, and its status too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from e2e.faults.history import CLUSTERS, PODS, SERVICES, Change, Pod, RayCluster, Service, Thing

State = Mapping[tuple[str, str], Thing]
"""All that there is, by resource and name."""


def state_after(changes: Iterable[Change]) -> State:
    """Return what is left after all changes."""
    last = {change.key: change.after for change in changes}
    return {key: there for key, there in last.items() if there is not None}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is not as it is to be."""

    about: str
    """UID of the RayCluster."""
    what: str


def unsettled(state: State) -> tuple[Flaw, ...]:
    """Return what is not as it is to be; () where all is."""
    clusters = [one for (kind, _), one in state.items() if kind == CLUSTERS and isinstance(one, RayCluster)]
    pods = [one for (kind, _), one in state.items() if kind == PODS and isinstance(one, Pod)]
    services = [one for (kind, _), one in state.items() if kind == SERVICES and isinstance(one, Service)]
    return (
        *_orphans(clusters, pods, services),
        *(
            Flaw(one.uid, f"{one.name}: {what}")
            for one in clusters
            for what in _of_cluster(one, [pod for pod in pods if pod.owner == one.uid])
        ),
    )


def _orphans(
    clusters: Iterable[RayCluster], pods: Iterable[Pod], services: Iterable[Service]
) -> Iterator[Flaw]:
    owners = {one.uid for one in clusters}
    for pod in pods:
        if pod.owner not in owners:
            yield Flaw(pod.owner, f"pod {pod.name} is an orphan: its owner {pod.owner or '(none)'} is gone")
    for service in services:
        if service.owner not in owners:
            yield Flaw(
                service.owner,
                f"service {service.name} is an orphan: its owner {service.owner or '(none)'} is gone",
            )


def _of_cluster(cluster: RayCluster, pods: list[Pod]) -> Iterator[str]:
    if cluster.leaving:
        yield "it is still being deleted"
        return
    wanted = cluster.wanted()
    for role, kind in sorted({(pod.role, pod.pod_type) for pod in pods} | set(wanted)):
        there = [pod for pod in pods if (pod.role, pod.pod_type) == (role, kind)]
        count = wanted.get((role, kind), 0)
        if len(there) != count:
            yield f"{len(there)} pods of {role} type {kind}, {count} wanted"
    yield from _pods_as_they_are(cluster, pods)
    yield from _status(cluster, pods, wanted)


def _pods_as_they_are(cluster: RayCluster, pods: Iterable[Pod]) -> Iterator[str]:
    """Say of which pods the operator has not followed the spec, or a kubelet's word."""
    for pod in pods:
        image = cluster.image_of(pod.pod_type)
        if pod.image != image:
            yield f"{pod.name} runs {pod.image}, the spec says {image}"
        if not pod.ready or not pod.live:
            yield f"{pod.name} is not running"


def _status(cluster: RayCluster, pods: Iterable[Pod], wanted: Mapping[tuple[str, str], int]) -> Iterator[str]:
    status: Mapping[str, Any] = cluster.status or {}
    workers = sum(count for (role, _), count in wanted.items() if role == "worker")
    heads = [pod for pod in pods if pod.role == "head"]
    for field, due in {
        "phase": "Running" if wanted else "Suspended",
        "observedGeneration": cluster.generation,
        "desiredWorkers": workers,
        "readyWorkers": workers,
        "workers": f"{workers}/{workers}",
    }.items():
        if status.get(field) != due:
            yield f"status.{field} is {status.get(field)!r}, not {due!r}"
    head: Mapping[str, Any] = status.get("head", {})
    uid = heads[0].uid if heads else ""
    if head.get("podUID", "") != uid:
        yield f"status.head.podUID is {head.get('podUID')!r}, not {uid!r}"

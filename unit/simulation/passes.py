"""One pass of a replica as it is judged.

What makes a pod outdated, live or surplus is said here once more, apart from the product.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.api.upgrade import UpgradeType
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.minimum import Targets
from rayctl.core.build.fingerprint import fingerprint, restart_mark
from rayctl.core.reconcile.seen import Observed

_WITHIN = 2.0
"""Seconds: the API tells whole ones."""


@dataclass(frozen=True)
class Pass:
    """What a replica's present pass over a cluster goes by."""

    cluster: RayCluster
    seen: Observed
    targets: Targets
    leave: Mapping[str, Leave]
    planned: bool
    """Whether the targets are those of workers that stay."""
    true: bool
    """Whether the pods and the spec were so at that moment."""


def surge(spec: RayCluster, own: list[PodView], kind: PodType, made: PodView) -> int:
    """Return how many workers of a type a roll-out may have beyond those that are wanted."""
    strategy = spec.upgrade_of(kind)
    old = (pod for pod in own if pod.pod_type == kind.name and pod.uid != made.uid)
    if strategy.type is UpgradeType.ROLLING_UPDATE and any(
        pod.asked_to_go or is_outdated(spec, pod) for pod in old
    ):
        return strategy.surge_of(spec.max_of(kind))
    return 0


def whole(number: int, kind: PodType | None) -> int:
    """Return a number of workers, rounded up to whole slices."""
    return number if kind is None else -(-number // kind.hosts) * kind.hosts


def is_of_a_half(pod: PodView, alike: Iterable[PodView]) -> bool:
    """Return whether a pod is a host of a slice that lacks one."""
    return sum(other.slice == pod.slice for other in alike) < pod.hosts


def is_outdated(cluster: RayCluster, pod: PodView) -> bool:
    kind = cluster.find_type(pod.pod_type)
    assert kind is not None
    return pod.fingerprint != fingerprint(cluster, kind, pod.role) or pod.restart != restart_mark(
        cluster, kind.name
    )


def is_rolled(cluster: RayCluster, pod: PodView) -> bool:
    """Return whether a pod is outdated and not left for somebody to delete."""
    kind = cluster.find_type(pod.pod_type)
    assert kind is not None
    return cluster.upgrade_of(kind).type is not UpgradeType.ON_DELETE and is_outdated(cluster, pod)


def is_old(cluster: RayCluster, pod: PodView) -> bool:
    """Return whether an edit, a restart or somebody's wish has a pod replaced."""
    known = cluster.find_type(pod.pod_type) is not None
    return known and (pod.asked_to_go or is_outdated(cluster, pod))


def is_live(pod: PodView) -> bool:
    return not pod.deleting and pod.phase not in {"Succeeded", "Failed"}


def is_well(pod: PodView, at: float) -> bool:
    """Return whether nobody may give a pod up: it is ready, was a moment ago, or has time to become it."""
    patience = 600.0 if pod.ready_changed <= pod.started else 120.0 if pod.role is Role.HEAD else 60.0
    return pod.ready or at - max(pod.started, pod.ready_changed) < patience - _WITHIN or not pod.started


def named(pods: Iterable[PodView]) -> str:
    return ", ".join(sorted(pod.name for pod in pods))

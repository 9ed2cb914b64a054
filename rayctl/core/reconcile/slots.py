"""Which pods are wanted that are not there, and which are there that are not wanted.

A slot is filled by one live pod. Its next pod gets the lowest incarnation whose name nobody has, so a pod
that hangs in Terminating never holds up the one that replaces it, and a name that another slot's digest
happens to give is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

from rayctl.api.names import PodName, Role, Slot, TypeName, Uid, pod_name
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.core.reconcile.seen import RayView


def is_live(pod: PodView) -> bool:
    """Return whether a pod counts: it is neither on its way out nor at its end."""
    return not pod.deleting and not pod.finished


def live_by_type(pods: Iterable[PodView]) -> Mapping[tuple[Role, TypeName], list[PodView]]:
    """Return the live pods by role and type, in the order in which they came."""
    groups: dict[tuple[Role, TypeName], list[PodView]] = {}
    for pod in pods:
        if is_live(pod):
            groups.setdefault((pod.role, pod.pod_type), []).append(pod)
    return groups


def head_of(cluster: RayCluster, pods: Iterable[PodView]) -> PodView | None:
    """Return the live head of a cluster: of several the one that stays, best one of the head's type."""
    live = [pod for pod in pods if pod.role is Role.HEAD and is_live(pod)]

    def order(pod: PodView) -> tuple[bool, bool, float, str]:
        return (pod.pod_type != cluster.head_type, not pod.ready, pod.created, pod.name)

    return min(live, key=order, default=None)


def may_answer(head: PodView) -> bool:
    """Return whether a head's GCS is to be asked: it has been ready in its present life, if it is not now."""
    return head.ready or (bool(head.ip) and 0 < head.started < head.ready_changed)


def session_of(head: PodView) -> str:
    """Return the name of a head's present life: another pod, or another start of it, is another."""
    return f"{head.uid}.{head.restarts}"


def leaving_order(
    pods: Iterable[PodView], outdated: frozenset[PodName], ray: RayView | None
) -> list[PodView]:
    """Return pods in the order in which they go: outdated, not ready, idle, young ones first."""

    def order(pod: PodView) -> tuple[bool, bool, bool, float]:
        busy = ray is not None and pod.name in ray.busy
        return (pod.name not in outdated, pod.ready, busy, -pod.created)

    return sorted(sorted(pods, key=lambda pod: pod.name, reverse=True), key=order)


def free_ordinals(live: Iterable[PodView], missing: int) -> tuple[int, ...]:
    """Return the lowest ordinals that no live pod has, as many as are missing."""
    if missing <= 0:
        return ()
    taken = {pod.ordinal for pod in live}
    ordinals: list[int] = []
    for ordinal in count():
        if ordinal not in taken:
            ordinals.append(ordinal)
            if len(ordinals) == missing:
                break
    return tuple(ordinals)


def next_incarnation(
    prefix: str, cluster: Uid, slot: Slot, taken: set[PodName], first: int
) -> tuple[int, PodName]:
    """Return the incarnation, from ``first`` on, and the name of the next pod of ``slot``.

    ``taken`` are the names that exist or are about to.
    """
    for incarnation in count(first):
        name = pod_name(prefix, cluster, slot, incarnation)
        if name not in taken:
            return incarnation, name
    raise AssertionError("count() does not end")


def of_type(pods: Iterable[PodView], role: Role, name: TypeName) -> tuple[PodView, ...]:
    """Return the pods of one role and type."""
    return tuple(pod for pod in pods if pod.role == role and pod.pod_type == name)

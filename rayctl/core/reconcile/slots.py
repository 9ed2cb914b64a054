"""Which pods are wanted that are not there, and which are there that are not wanted.

A slot is filled by one live pod. Its next pod gets the lowest incarnation whose name nobody has, so a pod
that hangs in Terminating never holds up the one that replaces it, and a name that another slot's digest
happens to give is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from rayctl.api.names import PodName, Role, Slot, TypeName, Uid, pod_name
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster


def is_live(pod: PodView) -> bool:
    """Return whether a pod counts: it is neither on its way out nor at its end."""
    return not pod.deleting and not pod.finished


def head_of(cluster: RayCluster, pods: Iterable[PodView]) -> PodView | None:
    """Return the live head of a cluster: of several the one that stays."""
    live = [pod for pod in of_type(pods, Role.HEAD, cluster.head_type) if is_live(pod)]
    return min(live, key=lambda pod: (not pod.ready, pod.created, pod.name), default=None)


def session_of(head: PodView) -> str:
    """Return the name of a head's present life: another pod, or another start of it, is another."""
    return f"{head.uid}.{head.restarts}"


def surplus(live: Sequence[PodView], wanted: int) -> tuple[PodView, ...]:
    """Return the pods to remove so that ``wanted`` are left: not ready before ready, youngest first."""
    by_name = sorted(live, key=lambda pod: pod.name, reverse=True)  # of equals head_of keeps the first name
    order = sorted(by_name, key=lambda pod: (pod.ready, -pod.created))
    return tuple(order[: max(0, len(live) - wanted)])


def free_ordinals(live: Iterable[PodView], wanted: int) -> tuple[int, ...]:
    """Return the lowest ordinals that no live pod has, as many as are missing to ``wanted``."""
    held = [pod.ordinal for pod in live]
    missing = wanted - len(held)
    if missing <= 0:
        return ()
    taken = set(held)
    ordinals: list[int] = []
    for ordinal in count():
        if ordinal not in taken:
            ordinals.append(ordinal)
            if len(ordinals) == missing:
                break
    return tuple(ordinals)


def next_incarnation(
    prefix: str, cluster: Uid, slot: Slot, taken: set[PodName], pods: Iterable[PodView]
) -> tuple[int, PodName]:
    """Return the incarnation and the name of the next pod of ``slot``.

    ``taken`` are the names that exist or are about to; ``pods`` are all pods of the slot's role and type,
    whatever their state.
    """
    first = 1 + max((pod.incarnation for pod in pods if pod.ordinal == slot.ordinal), default=-1)
    for incarnation in count(first):
        name = pod_name(prefix, cluster, slot, incarnation)
        if name not in taken:
            return incarnation, name
    raise AssertionError("count() does not end")


def of_type(pods: Iterable[PodView], role: Role, name: TypeName) -> tuple[PodView, ...]:
    """Return the pods of one role and type."""
    return tuple(pod for pod in pods if pod.role == role and pod.pod_type == name)

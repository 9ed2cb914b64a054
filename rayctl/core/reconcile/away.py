"""When a cluster has no pods: while its spec says so, and after it was idle for too long.

The operator never edits a spec. That a cluster sleeps for having been idle is in its status, with the
spec and the restart mark that it fell asleep with: any edit of the spec wakes it, and so does whatever else
asks for a restart (``cluster.ray.io/restartedAt``). A cluster whose workers are still on their way is not
idle: nobody could have used it yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from rayctl.api.moment import Seconds
from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.core.build.fingerprint import restart_mark
from rayctl.core.reconcile.actions import Reason
from rayctl.core.reconcile.removal import Removal
from rayctl.core.reconcile.seen import Observed, RayView

_ARRIVES_WITHIN: Seconds = 900.0
"""A worker that is not in Ray so long after it was made (no node may have room for it) keeps nobody awake."""


@dataclass(frozen=True, slots=True)
class Away:
    """Whether a cluster is to have no pods."""

    why: str = ""
    """'': it is to run."""
    reason: Reason = Reason.NOT_SUSPENDED
    asleep: str = ""
    """What it sleeps with (``status.asleep``)."""
    told: bool = False
    """Whether the status or the spec says so already: then its pods may go."""
    unsure: bool = False
    """Whether Ray's next word is waited for."""


RUNS = Away()


def why_away(cluster: RayCluster, seen: Observed, removal: Removal, now: datetime, *, begun: bool) -> Away:
    """Return whether a cluster is to have no pods, and why.

    ``begun``: the first of them has gone, or is on its way. Until then a sleep that was announced is taken
    back unless Ray says anew that nothing runs.
    """
    if cluster.suspend:
        return Away("spec.suspend is true", Reason.SUSPENDED, told=True)
    if cluster.idle_seconds is None:
        return RUNS
    with_what = f"{cluster.generation}.{restart_mark(cluster, cluster.head_type)}"
    told = seen.status.asleep == with_what
    if told and begun:
        return Away("it was idle for spec.ttlSecondsAfterIdle", Reason.IDLE, with_what, told=True)
    left = idle_left(cluster, seen.pods, removal.view, now)
    if (left is None or left > 0) and not (told and removal.is_asked):
        return RUNS
    unsure = not removal.is_fresh(now)
    if unsure and not told:
        return replace(RUNS, unsure=True)
    why = f"it was idle for {cluster.idle_seconds} s"
    return Away(why, Reason.IDLE, with_what, told=told and not unsure, unsure=unsure)


def idle_left(
    cluster: RayCluster, pods: Iterable[PodView], ray: RayView | None, now: datetime
) -> Seconds | None:
    """Return after how much more idleness a cluster falls asleep; None: it does not, or nothing is known."""
    if cluster.idle_seconds is None or ray is None:
        return None
    at = now.timestamp()
    idle = ray.idle + at - ray.at if ray.idle else 0.0
    arriving = (pod.created + _ARRIVES_WITHIN - at for pod in pods if _is_arriving(pod, ray))
    return max((cluster.idle_seconds - idle, *arriving))


def _is_arriving(pod: PodView, ray: RayView) -> bool:
    return pod.role is Role.WORKER and not (pod.deleting or pod.finished or ray.knows(pod))

"""The conditions of a cluster's status, each from what is seen."""

from __future__ import annotations

from collections.abc import Sequence

from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import Condition, ConditionType, TypeStatus
from rayctl.api.upgrade import UpgradeType
from rayctl.core.build.oddities import oddities
from rayctl.core.reconcile.actions import Reason
from rayctl.core.reconcile.away import Away
from rayctl.core.reconcile.restart import Restart
from rayctl.core.reconcile.seen import Observed, Silence
from rayctl.core.reconcile.slots import is_live

_LONGEST = 2000
"""Characters of a message."""


def accepted(cluster: RayCluster) -> Condition:
    """Return Accepted, with what is odd in the spec as its message."""
    odd = "; ".join(oddities(cluster))
    return Condition(ConditionType.ACCEPTED, true=True, reason=Reason.ACCEPTED, message=odd)


def head_ready(cluster: RayCluster, seen: Observed, head: PodView | None, away: Away) -> Condition:
    """Return HeadReady."""
    if head is not None and head.ready:
        return Condition(ConditionType.HEAD_READY, true=True, reason=Reason.HEAD_READY)
    reason, message = Reason.HEAD_MISSING, ""
    trouble = seen.find_trouble(Role.HEAD, cluster.head_type)
    if seen.service_trouble is not None and not away.told:
        # Nobody would reach the head, its workers neither.
        reason, message = Reason.FAILED_SERVICE, seen.service_trouble.message
    elif head is not None and trouble is not None:
        # It is one in a row of heads that failed.
        reason, message = trouble.reason, f"{_waiting_for(head)}; {trouble.message}"
    elif head is not None:
        reason, message = Reason.HEAD_STARTING, _waiting_for(head)
    elif away.told:
        reason = away.reason
    elif trouble is not None:
        reason, message = trouble.reason, trouble.message
    return Condition(ConditionType.HEAD_READY, true=False, reason=reason, message=message)


def workers_ready(seen: Observed, types: Sequence[TypeStatus]) -> Condition:
    """Return WorkersReady."""
    short = [kind for kind in types if kind.ready < kind.desired]
    if not short:
        return Condition(ConditionType.WORKERS_READY, true=True, reason=Reason.WORKERS_READY)
    counts = ", ".join(f"{kind.ready} of {kind.desired} of type {kind.name} ready" for kind in short)
    troubles = [seen.find_trouble(Role.WORKER, kind.name) for kind in short]
    standing = [trouble for trouble in troubles if trouble is not None]
    if standing:
        return Condition(
            ConditionType.WORKERS_READY,
            true=False,
            reason=standing[0].reason,
            message=f"{counts}: {'; '.join(trouble.message for trouble in standing)}",
        )
    there = [pod for pod in seen.pods if pod.role is Role.WORKER and is_live(pod) and not pod.ready]
    reasons = sorted({_waiting_for(pod) for pod in there if pod.reason})
    return Condition(
        ConditionType.WORKERS_READY,
        true=False,
        reason=Reason.WORKERS_STARTING if there else Reason.WORKERS_MISSING,
        message=": ".join([counts, *reasons[:3]]),
    )


def autoscaling(seen: Observed, head: PodView | None, away: Away) -> Condition:
    """Return Autoscaling: whether the workers follow what Ray is asked for; the message has what is unmet."""
    reason, message = Reason.HEAD_STARTING, ""
    if away.why:
        reason = away.reason
    elif head is None:
        reason = Reason.HEAD_MISSING
    elif isinstance(seen.ray, Silence):
        reason = Reason.GCS_UNAUTHENTICATED if seen.ray.refused else Reason.GCS_UNREACHABLE
        message = seen.ray.why
    elif seen.ray is not None:
        text = "\n".join(seen.unmet)[:_LONGEST]
        return Condition(ConditionType.AUTOSCALING, true=True, reason=Reason.FOLLOWING_DEMAND, message=text)
    return Condition(ConditionType.AUTOSCALING, true=False, reason=reason, message=message)


def upgrading(cluster: RayCluster, restart: Restart, types: Sequence[TypeStatus]) -> Condition:
    """Return Upgrading: whether pods are being replaced because of an edit or a restart asked for."""
    if restart.why:
        return Condition(
            ConditionType.UPGRADING, true=True, reason=Reason.RESTARTING_HEAD, message=restart.why
        )
    waiting = [f"the head waits to be deleted: {restart.waits}"] if restart.waits else []
    rolling: list[str] = []
    for kind, pod_type in zip(types, cluster.pod_types, strict=True):
        by_hand = cluster.upgrade_of(pod_type).type is UpgradeType.ON_DELETE
        if kind.outdated:
            text = f"{kind.outdated} of type {kind.name} outdated"
            (waiting if by_hand else rolling).append(f"{text}, to be deleted by hand" if by_hand else text)
    reason = Reason.ROLLING if rolling else Reason.WAITING_FOR_DELETION if waiting else Reason.UP_TO_DATE
    message = "; ".join([*rolling, *waiting])
    return Condition(ConditionType.UPGRADING, true=bool(rolling), reason=reason, message=message)


def suspended(seen: Observed, away: Away) -> Condition:
    """Return Suspended: true when no pod is left, ending ones included."""
    if not away.why:
        return Condition(ConditionType.SUSPENDED, true=False, reason=Reason.NOT_SUSPENDED)
    if seen.pods:
        there = f"{away.why}; {len(seen.pods)} pods are still there"
        return Condition(ConditionType.SUSPENDED, true=False, reason=Reason.SUSPENDING, message=there)
    return Condition(ConditionType.SUSPENDED, true=True, reason=away.reason, message=away.why)


def _waiting_for(pod: PodView) -> str:
    """Return what keeps a pod from being ready, in words."""
    if pod.reason:
        return f"{pod.reason}: {pod.message}" if pod.message else pod.reason
    if not pod.scheduled:
        return "waiting to be scheduled"
    return "waiting for Ray" if pod.phase == "Running" else "waiting for its containers"

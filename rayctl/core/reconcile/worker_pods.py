"""A cluster's pods as the planner sees them: what a verdict on a pod means to who may count on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rayctl.api.moment import Seconds
from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.core.autoscale.workers import PodVerdict, WorkerPod
from rayctl.core.reconcile.health import Verdict, health_of
from rayctl.core.reconcile.seen import RayView
from rayctl.core.reconcile.slots import head_of

_PATIENT_WITH_SCHEDULER: Seconds = 60.0


def worker_pods(
    cluster: RayCluster, pods: Sequence[PodView], nodes: RayView, now: datetime
) -> list[WorkerPod]:
    """Return the pods that a plan is about: all workers, and the one head that counts."""
    head = head_of(cluster, pods)
    at = now.timestamp()
    since = head.ready_changed if head is not None and head.ready else at
    found = []
    for pod in pods:
        if pod.role is Role.HEAD and pod is not head:
            continue
        health = health_of(pod, nodes, since, cluster.join_seconds, now)
        age = max(0.0, at - pod.created)
        found.append(
            WorkerPod(
                name=pod.name,
                type=pod.pod_type,
                verdict=_verdict(pod, health.verdict, age),
                head=pod is head,
                fingerprint=pod.fingerprint,
                slice=pod.slice,
                why=f"{pod.reason}: {pod.message}" if pod.message else pod.reason,
                age=age,
                ip=pod.ip,
            )
        )
    return found


def _verdict(pod: PodView, verdict: Verdict, age: Seconds) -> PodVerdict:
    match verdict:
        case Verdict.READY:
            return PodVerdict.READY
        case Verdict.STARTING | Verdict.UNREADY:
            return PodVerdict.STARTING if pod.scheduled else PodVerdict.PENDING
        case Verdict.UNSCHEDULABLE:
            return PodVerdict.PENDING if age < _PATIENT_WITH_SCHEDULER else PodVerdict.UNSCHEDULABLE
        case Verdict.CANNOT_START | Verdict.CRASH_LOOPING | Verdict.NEVER_JOINED:
            return PodVerdict.FAILING
        case Verdict.ENDED | Verdict.UNREADY_TOO_LONG | Verdict.LOST_BY_RAY:
            return PodVerdict.GONE_BAD
        case Verdict.TERMINATING | Verdict.STUCK_TERMINATING:
            return PodVerdict.TERMINATING

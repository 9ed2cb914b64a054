"""From what is seen of a cluster to what its status says.

``phase`` is ``Running`` only while the head is ready and every worker wanted is ready. ``observedGeneration``
follows the spec only once there was nothing left to do for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayctl.api.document import SpecError
from rayctl.api.names import Role, head_service_name
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.api.status import (
    Condition,
    ConditionType,
    HeadStatus,
    Phase,
    RayClusterStatus,
    TypeStatus,
)
from rayctl.core.autoscale.minimum import Targets
from rayctl.core.reconcile.actions import Observed, Reason
from rayctl.core.reconcile.slots import head_of, is_live, of_type

_FAILURES = frozenset({Reason.FAILED_CREATE, Reason.FAILED_SERVICE, Reason.POD_ENDED})


def refused_status(view: ClusterView, error: SpecError) -> RayClusterStatus:
    """Return the status of a RayCluster that cannot be understood: only condition and phase change."""
    refusal = Condition(
        ConditionType.ACCEPTED,
        true=False,
        reason=Reason.INVALID_SPEC,
        message=str(error),
        observed_generation=view.generation,
    )
    others = tuple(c for c in view.status.conditions if c.type != ConditionType.ACCEPTED)
    return replace(view.status, phase=Phase.ERROR, conditions=(refusal, *others))


def running_status(
    cluster: RayCluster, seen: Observed, targets: Targets, *, settled: bool
) -> RayClusterStatus:
    """Return the status of a cluster that is understood. ``settled``: this pass found nothing to do."""
    head = head_of(cluster, seen.pods)
    types = tuple(_type_status(cluster, kind, seen, targets) for kind in cluster.pod_types)
    desired = sum(kind.desired for kind in types)
    ready = sum(kind.ready for kind in types)
    conditions = (
        Condition(ConditionType.ACCEPTED, true=True, reason=Reason.ACCEPTED, message=_oddities(cluster)),
        _head_condition(cluster, seen, head),
        _workers_condition(seen, types),
    )
    generation = cluster.generation if settled else seen.status.observed_generation
    return RayClusterStatus(
        phase=_phase(seen, head, conditions),
        observed_generation=generation,
        head=_head_status(cluster, seen, head),
        pod_types=types,
        desired_workers=desired,
        ready_workers=ready,
        autoscaler_retries=_recoveries(seen, head),
        conditions=tuple(replace(c, observed_generation=cluster.generation) for c in conditions),
    )


def _recoveries(seen: Observed, head: PodView | None) -> int:
    """Count each new life of the head since the one last reported: another pod, or a start in place."""
    before = seen.status.head
    if head is None or not before.pod_uid:
        return seen.status.autoscaler_retries
    lives = max(0, head.restarts - before.restarts) if head.uid == before.pod_uid else 1
    return seen.status.autoscaler_retries + lives


def _head_status(cluster: RayCluster, seen: Observed, head: PodView | None) -> HeadStatus:
    service = "" if seen.service_fingerprint is None else head_service_name(cluster.key.name)
    if head is None:
        # The UID of a lost head stays until the next one is there, so that its replacement is counted once.
        before = seen.status.head
        return HeadStatus(pod_uid=before.pod_uid, restarts=before.restarts, service_name=service)
    return HeadStatus(head.name, head.uid, head.restarts, head.ip, service, ready=head.ready)


def _type_status(cluster: RayCluster, kind: PodType, seen: Observed, targets: Targets) -> TypeStatus:
    live = [pod for pod in of_type(seen.pods, Role.WORKER, kind.name) if is_live(pod)]
    trouble = seen.find_trouble(kind.name)
    return TypeStatus(
        name=kind.name,
        minimum=kind.min_workers,
        desired=targets.get(kind.name, 0),
        running=sum(pod.phase == "Running" for pod in live),
        ready=sum(pod.ready for pod in live),
        maximum=cluster.max_of(kind),
        failures=trouble.failures if trouble else 0,
    )


def _head_condition(cluster: RayCluster, seen: Observed, head: PodView | None) -> Condition:
    trouble = seen.find_trouble(cluster.head_type)
    if head is not None and head.ready:
        return Condition(ConditionType.HEAD_READY, true=True, reason=Reason.HEAD_READY)
    if head is not None:
        return Condition(
            ConditionType.HEAD_READY, true=False, reason=Reason.HEAD_STARTING, message=_waiting_for(head)
        )
    if trouble is not None:
        return Condition(ConditionType.HEAD_READY, true=False, reason=trouble.reason, message=trouble.message)
    if seen.service_trouble is not None:
        return Condition(
            ConditionType.HEAD_READY,
            true=False,
            reason=Reason.FAILED_SERVICE,
            message=seen.service_trouble.message,
        )
    return Condition(ConditionType.HEAD_READY, true=False, reason=Reason.HEAD_MISSING)


def _workers_condition(seen: Observed, types: Sequence[TypeStatus]) -> Condition:
    short = [kind for kind in types if kind.ready < kind.desired]
    if not short:
        return Condition(ConditionType.WORKERS_READY, true=True, reason=Reason.WORKERS_READY)
    counts = ", ".join(f"{kind.ready} of {kind.desired} of type {kind.name} ready" for kind in short)
    troubles = [seen.find_trouble(kind.name) for kind in short]
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


def _waiting_for(pod: PodView) -> str:
    """Return what keeps a pod from being ready, in words."""
    if pod.reason:
        return f"{pod.reason}: {pod.message}" if pod.message else pod.reason
    if not pod.scheduled:
        return "waiting to be scheduled"
    return "waiting for Ray" if pod.phase == "Running" else "waiting for its containers"


def _phase(seen: Observed, head: PodView | None, conditions: Sequence[Condition]) -> Phase:
    if all(condition.true for condition in conditions):
        return Phase.RUNNING
    if any(condition.reason in _FAILURES for condition in conditions):
        return Phase.ERROR
    if head is None:
        return Phase.PENDING
    once_running = seen.status.phase in {Phase.RUNNING, Phase.UPDATING}
    return Phase.UPDATING if once_running and head.ready else Phase.STARTING


def _oddities(cluster: RayCluster) -> str:
    """Return what is legal in the spec and probably not meant, or ''."""
    odd = []
    for index, kind in enumerate(cluster.pod_types):
        maximum = cluster.max_of(kind)
        if kind.min_workers > maximum:
            odd.append(f"spec.podTypes[{index}].minWorkers {kind.min_workers} is above maxWorkers {maximum}")
    total = sum(min(kind.min_workers, cluster.max_of(kind)) for kind in cluster.pod_types)
    if total > cluster.max_workers:
        odd.append(f"the minWorkers of all types add up to {total}, spec.maxWorkers is {cluster.max_workers}")
    return "; ".join(odd) + (": the maximum wins" if odd else "")

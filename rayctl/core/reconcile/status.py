"""From what is seen of a cluster to what its status says.

``phase`` is ``Running`` only while the head is ready, every worker wanted is ready and nothing is outdated.
``observedGeneration`` follows the spec only once there was nothing left to do for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rayctl.api.document import SpecError
from rayctl.api.names import Role, head_service_name
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.api.status import (
    NEEDED,
    Condition,
    ConditionType,
    HeadStatus,
    Phase,
    RayClusterStatus,
    TypeStatus,
)
from rayctl.core.autoscale.minimum import Targets
from rayctl.core.reconcile import conditions
from rayctl.core.reconcile.actions import Reason
from rayctl.core.reconcile.away import RUNS, Away
from rayctl.core.reconcile.removal import Removal
from rayctl.core.reconcile.restart import NO_RESTART, Restart
from rayctl.core.reconcile.rollout import blueprint
from rayctl.core.reconcile.seen import Observed
from rayctl.core.reconcile.slots import head_of, is_live, of_type

_FAILURES = frozenset({Reason.FAILED_CREATE, Reason.FAILED_SERVICE, Reason.POD_ENDED})


@dataclass(frozen=True, slots=True)
class Course:
    """Where a pass takes the cluster."""

    restart: Restart = NO_RESTART
    away: Away = RUNS
    settled: bool = False
    """Whether the pass found nothing to do."""


def refused_status(view: ClusterView, error: SpecError, status: RayClusterStatus) -> RayClusterStatus:
    """Return ``status`` as that of a RayCluster with a spec that cannot be understood: it says so."""
    refusal = Condition(
        ConditionType.ACCEPTED,
        true=False,
        reason=Reason.INVALID_SPEC,
        message=str(error),
        observed_generation=view.generation,
    )
    others = tuple(c for c in status.conditions if c.type != ConditionType.ACCEPTED)
    return replace(status, phase=Phase.ERROR, conditions=(refusal, *others))


def running_status(
    cluster: RayCluster,
    seen: Observed,
    targets: Targets,
    removal: Removal,
    course: Course,
) -> RayClusterStatus:
    """Return the status of a cluster that is understood."""
    head = head_of(cluster, seen.pods)
    types = tuple(_type_status(cluster, kind, seen, targets, removal) for kind in cluster.pod_types)
    told = (
        conditions.accepted(cluster),
        conditions.head_ready(cluster, seen, head, course.away),
        conditions.workers_ready(seen, types),
        conditions.autoscaling(seen, head, course.away),
        conditions.upgrading(cluster, course.restart, types),
        conditions.suspended(seen, course.away),
    )
    return RayClusterStatus(
        phase=_phase(seen, head, told, course.away),
        observed_generation=cluster.generation if course.settled else seen.status.observed_generation,
        head=_head_status(cluster, seen, head, course.away),
        pod_types=types,
        desired_workers=sum(kind.desired for kind in types),
        ready_workers=sum(kind.ready for kind in types),
        autoscaler_retries=_recoveries(seen, head),
        asleep=course.away.asleep,
        conditions=tuple(replace(c, observed_generation=cluster.generation) for c in told),
    )


def _recoveries(seen: Observed, head: PodView | None) -> int:
    """Count each new life of the head since the one last reported: another pod, or a start in place.

    One that was announced is none: it was wished.
    """
    before, count = seen.status.head, seen.status.autoscaler_retries
    if head is None or not before.pod_uid or _was_wished(seen):
        return count
    lives = max(0, head.restarts - before.restarts) if head.uid == before.pod_uid else 1
    return count + lives


def _was_wished(seen: Observed) -> bool:
    """Return whether the status says that the head is to be replaced."""
    upgrading = seen.status.find_condition(ConditionType.UPGRADING)
    return upgrading is not None and upgrading.reason == Reason.RESTARTING_HEAD


def _head_status(cluster: RayCluster, seen: Observed, head: PodView | None, away: Away) -> HeadStatus:
    service = "" if seen.service_fingerprint is None else head_service_name(cluster.key.name)
    if head is None and (away.why or _was_wished(seen)):
        return HeadStatus(service_name=service)
    if head is None:
        # The UID of a lost head stays until the next one is there, so that its replacement is counted once.
        before = seen.status.head
        return HeadStatus(pod_uid=before.pod_uid, restarts=before.restarts, service_name=service)
    return HeadStatus(head.name, head.uid, head.restarts, head.ip, service, ready=head.ready)


def _type_status(
    cluster: RayCluster, kind: PodType, seen: Observed, targets: Targets, removal: Removal
) -> TypeStatus:
    live = [pod for pod in of_type(seen.pods, Role.WORKER, kind.name) if is_live(pod)]
    plan = blueprint(cluster, Role.WORKER, kind.name) if live else None
    troubles = (seen.find_trouble(role, kind.name) for role in Role)
    return TypeStatus(
        name=kind.name,
        minimum=kind.min_workers,
        desired=targets.get(kind.name, 0),
        running=sum(pod.phase == "Running" for pod in live),
        ready=sum(pod.ready for pod in live),
        maximum=cluster.max_of(kind),
        failures=max((trouble.failures for trouble in troubles if trouble is not None), default=0),
        outdated=sum(bool(plan.why_outdated(pod)) for pod in live) if plan else 0,
        draining=len(removal.leaving(live)),
    )


def _phase(seen: Observed, head: PodView | None, told: Sequence[Condition], away: Away) -> Phase:
    by_type = {condition.type: condition for condition in told}
    if by_type[ConditionType.SUSPENDED].true:
        return Phase.SUSPENDED
    if away.told:
        return Phase.UPDATING
    if any(by_type[kind].reason in _FAILURES for kind in NEEDED):
        return Phase.ERROR
    if all(by_type[kind].true for kind in NEEDED):
        return Phase.UPDATING if by_type[ConditionType.UPGRADING].true else Phase.RUNNING
    if head is None:
        return Phase.PENDING
    once_running = seen.status.phase in {Phase.RUNNING, Phase.UPDATING}
    return Phase.UPDATING if once_running and head.ready else Phase.STARTING

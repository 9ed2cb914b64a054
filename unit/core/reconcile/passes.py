"""Passes over a cluster: what is seen, what a pass decides, what is seen after it was carried out."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from rayctl.api.document import Reader
from rayctl.api.names import TypeName
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import RayClusterStatus
from rayctl.core.autoscale.minimum import minimum
from rayctl.core.build.service import service_fingerprint
from rayctl.core.reconcile.actions import (
    Action,
    ApplyService,
    CreatePod,
    Decision,
    DeletePod,
    Observed,
)
from rayctl.core.reconcile.decide import decide
from unit.builders import a_pod

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEAD, WORKER = TypeName("head-node"), TypeName("worker-node")


def seen(cluster: RayCluster, *pods: PodView, **fields: object) -> Observed:
    """What is seen of a cluster whose Service is as it should be."""
    given: dict[str, object] = {
        "service_fingerprint": service_fingerprint(cluster),
        "status": RayClusterStatus(),
    }
    return Observed(pods=pods, **given | fields)  # type: ignore[arg-type]


def pass_over(cluster: RayCluster, observed: Observed, now: datetime = NOW) -> Decision:
    return decide(cluster, observed, minimum(cluster), now)


def apply(cluster: RayCluster, observed: Observed, actions: tuple[Action, ...]) -> Observed:
    """What is seen after a perfect execution: created pods are there, deleted ones terminate."""
    pods = {pod.name: pod for pod in observed.pods}
    service = observed.service_fingerprint
    for action in actions:
        match action:
            case CreatePod():
                assert action.name not in pods
                role, kind, ordinal = action.slot
                pods[action.name] = a_pod(
                    action.name,
                    role=role,
                    pod_type=kind,
                    ordinal=ordinal,
                    incarnation=action.incarnation,
                    session=session_in(action),
                    phase="Pending",
                    ready=False,
                )
            case DeletePod():
                pods[action.pod.name] = msgspec.structs.replace(action.pod, deleting=True)
            case ApplyService():
                service = service_fingerprint(cluster)
    return replace(observed, pods=tuple(pods.values()), service_fingerprint=service)


def session_in(action: CreatePod) -> str:
    metadata = Reader(action.manifest).inner("metadata")
    return metadata.inner("annotations").text("cluster.ray.io/session")


def settle_down(cluster: RayCluster, observed: Observed) -> Observed:
    """What is seen after as many passes as it takes, two at the most: the head first, then its workers."""
    for _ in range(2):
        observed = apply(cluster, observed, pass_over(cluster, observed).actions)
    return observed


def created(decision: Decision) -> list[tuple[str, str, int]]:
    return [
        (action.slot.role, action.slot.pod_type, action.slot.ordinal)
        for action in decision.actions
        if isinstance(action, CreatePod)
    ]


def deleted(decision: Decision) -> list[str]:
    return [action.pod.name for action in decision.actions if isinstance(action, DeletePod)]

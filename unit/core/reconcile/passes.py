"""Passes over a cluster: what is seen, what a pass decides, what is seen after it was carried out."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from rayctl.api.document import Reader
from rayctl.api.names import ANNOTATION_HOSTS, LABEL_SLICE, TypeName
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import RayClusterStatus, settle
from rayctl.core.autoscale.demand import NodeId, NodeStatus, RayNode
from rayctl.core.autoscale.minimum import minimum
from rayctl.core.build.service import service_fingerprint
from rayctl.core.reconcile.actions import (
    Action,
    ApplyService,
    CreatePod,
    Decision,
    DeletePod,
    DrainNode,
)
from rayctl.core.reconcile.decide import decide
from rayctl.core.reconcile.rollout import blueprint
from rayctl.core.reconcile.seen import Drain, Observed, RayView, ray_view
from rayctl.core.reconcile.slots import head_of, session_of
from unit.builders import a_pod

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEAD, WORKER = TypeName("head-node"), TypeName("worker-node")


OLD = "of an earlier spec"


def seen(cluster: RayCluster, *pods: PodView, **fields: object) -> Observed:
    """What is seen of a cluster that is as it should be, but for what a test says.

    Ray answers and knows of no worker, so that each may go at once.
    """
    pods = tuple(current(cluster, pod) for pod in pods)
    given: dict[str, object] = {
        "service_fingerprint": service_of(cluster, pods),
        "status": RayClusterStatus(),
        "ray": silent_about(cluster, pods),
    }
    return Observed(pods=pods, **given | fields)  # type: ignore[arg-type]


def current(cluster: RayCluster, pod: PodView) -> PodView:
    """The pod as one that was made of the present spec, unless it has a fingerprint."""
    plan = blueprint(cluster, pod.role, pod.pod_type)
    if plan is None or pod.fingerprint:
        return pod
    return msgspec.structs.replace(pod, fingerprint=plan.fingerprint, restart=plan.restart)


def a_view(
    *busy: str,
    idle: tuple[str, ...] = (),
    dead: tuple[str, ...] = (),
    draining: tuple[str, ...] = (),
    life: str = "uid-of-h.0",
) -> RayView:
    """What Ray says: nodes of these pods by their state; the head is pod ``h`` in its first life."""
    states = {
        NodeStatus.RUNNING: busy,
        NodeStatus.IDLE: idle,
        NodeStatus.DEAD: dead,
        NodeStatus.DRAINING: draining,
    }
    nodes = (
        RayNode(NodeId(f"node-of-{name}"), name, WORKER, status, {}, {}, {}, 0, frozenset())
        for status, names in states.items()
        for name in names
    )
    return ray_view(life, nodes, NOW.timestamp())


def pass_over(cluster: RayCluster, observed: Observed, now: datetime = NOW) -> Decision:
    return decide(cluster, observed, minimum(cluster), now)


def apply(cluster: RayCluster, observed: Observed, actions: tuple[Action, ...]) -> Observed:
    """What is seen after a perfect execution: created pods are there, deleted ones terminate."""
    pods = {pod.name: pod for pod in observed.pods}
    service = observed.service_fingerprint
    drains = dict(observed.drains)
    for action in actions:
        match action:
            case CreatePod():
                assert action.name not in pods
                role, kind, ordinal = action.slot
                made = a_pod(
                    action.name,
                    role=role,
                    pod_type=kind,
                    ordinal=ordinal,
                    incarnation=action.incarnation,
                    slice=Reader(action.manifest).inner("metadata").inner("labels").text(LABEL_SLICE),
                    hosts=hosts_in(action),
                    session=session_in(action),
                    phase="Pending",
                    ready=False,
                    created=NOW.timestamp(),
                )
                pods[action.name] = current(cluster, made)
            case DrainNode():
                drains[action.pod.uid] = Drain(action.deadline.timestamp(), action.why)
            case DeletePod():
                pods[action.pod.name] = msgspec.structs.replace(action.pod, deleting=True)
            case ApplyService():
                service = fingerprint_in(action)
    return replace(observed, pods=tuple(pods.values()), service_fingerprint=service, drains=drains)


def service_of(cluster: RayCluster, pods: tuple[PodView, ...]) -> str:
    """The fingerprint of a Service that is as it should be for the head that there is."""
    head = head_of(cluster, pods)
    return service_fingerprint(cluster, 0 if head is None else head.incarnation)


def fingerprint_in(action: ApplyService) -> str:
    metadata = Reader(action.manifest).inner("metadata")
    return metadata.inner("annotations").text("cluster.ray.io/fingerprint")


def session_in(action: CreatePod) -> str:
    metadata = Reader(action.manifest).inner("metadata")
    return metadata.inner("annotations").text("cluster.ray.io/session")


def hosts_in(action: CreatePod) -> int:
    metadata = Reader(action.manifest).inner("metadata")
    return int(metadata.inner("annotations").text(ANNOTATION_HOSTS, "1"))


def settle_down(cluster: RayCluster, observed: Observed) -> Observed:
    """What is seen after as many passes as it takes.

    Five at the most, where the head is to be replaced: that is told, all go, a head comes, its workers come.
    """
    for _ in range(5):
        decision = pass_over(cluster, observed)
        observed = apply(cluster, observed, decision.actions)
        status = settle(decision.status, observed.status, NOW)
        observed = replace(observed, status=status, ray=silent_about(cluster, observed.pods))
    return observed


def silent_about(cluster: RayCluster, pods: tuple[PodView, ...]) -> RayView | None:
    """What Ray says while no worker has joined it; None without a head."""
    head = head_of(cluster, pods)
    return None if head is None else ray_view(session_of(head), (), NOW.timestamp())


def created(decision: Decision) -> list[tuple[str, str, int]]:
    return [
        (action.slot.role, action.slot.pod_type, action.slot.ordinal)
        for action in decision.actions
        if isinstance(action, CreatePod)
    ]


def drained(decision: Decision) -> list[str]:
    return [action.pod.name for action in decision.actions if isinstance(action, DrainNode)]


def deleted(decision: Decision) -> list[str]:
    return [action.pod.name for action in decision.actions if isinstance(action, DeletePod)]

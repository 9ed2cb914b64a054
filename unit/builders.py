"""Valid things with defaults: a test names only what it is about."""

from dataclasses import replace
from typing import Any

from rayctl.api.document import Document
from rayctl.api.names import ClusterKey, PodName, Role, TypeName, Uid
from rayctl.api.observed import PodView
from rayctl.api.raycluster import PodType, RayCluster, parse_cluster

KEY = ClusterKey("ray", "example-cluster")
UID = Uid("5f0c7a0e-6d0b-4f6c-9c3e-2b8f4c1d7e11")


def a_pod_config(
    *, metadata: Document | None = None, spec: Document | None = None, **container: Any
) -> dict[str, Any]:
    """A pod as a user writes it; keywords are fields of its only container."""
    node: Document = {
        "name": "ray-node",
        "image": "rayproject/ray:2.60.0",
        "command": ["/bin/bash", "-c", "--"],
        "args": ["trap : TERM INT; sleep infinity & wait;"],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata or {},
        "spec": {"containers": [node | container], **(spec or {})},
    }


def a_pod_type(name: str = "worker-node", *, pod: Document | None = None, **fields: Any) -> PodType:
    """A pod type; keywords are fields of :class:`PodType`."""
    return PodType(name=TypeName(name), pod=a_pod_config() if pod is None else pod, **fields)


def a_cluster_document(workers: int = 2, *, name: str = KEY.name, **spec: Any) -> dict[str, Any]:
    """A RayCluster as the API has it: a head and one type with so many workers; keywords go into its spec."""
    return {
        "apiVersion": "cluster.ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"namespace": KEY.namespace, "name": name, "uid": UID, "generation": 1},
        "spec": {
            "maxWorkers": max(3, workers),
            "headPodType": "head-node",
            "podTypes": [
                {"name": "head-node", "podConfig": a_pod_config()},
                {"name": "worker-node", "minWorkers": workers, "podConfig": a_pod_config()},
            ],
            **spec,
        },
    }


def a_cluster(workers: int = 2, *, pod_types: tuple[PodType, ...] = (), **fields: Any) -> RayCluster:
    """A cluster with so many workers of one type; ``pod_types`` and other fields of RayCluster replace its own.

    The first of ``pod_types`` is the head's.
    """
    cluster = parse_cluster(a_cluster_document(workers))
    if pod_types:
        cluster = replace(cluster, pod_types=pod_types, head_type=pod_types[0].name)
    return replace(cluster, **fields)


def a_pod(name: str = "example-cluster-ray-worker-aaaaa", *, head: bool = False, **fields: Any) -> PodView:
    """A pod that runs and is ready; keywords are fields of :class:`PodView`."""
    given: dict[str, Any] = {
        "key": KEY,
        "owner": UID,
        "name": PodName(name),
        "uid": Uid(f"uid-of-{name}"),
        "resource_version": 1,
        "role": Role.HEAD if head else Role.WORKER,
        "pod_type": TypeName("head-node" if head else "worker-node"),
        "ordinal": 0,
        "phase": "Running",
        "ready": True,
        "scheduled": True,
    }
    return PodView(**given | fields)

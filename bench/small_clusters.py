"""RayClusters of a head and some workers, small enough for many of them on fake nodes; and their pods."""

from __future__ import annotations

from rayctl.api.document import Document, Json
from rayctl.api.names import API_VERSION, KIND, PodName, Role, Slot, TypeName
from rayctl.api.observed import ClusterView
from rayctl.api.raycluster import RayCluster
from rayctl.core.build.pod import pod_template
from rayctl.core.reconcile.slots import next_incarnation
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import cluster_view
from rayctl.kube.resource import RAYCLUSTERS, Call, Verb

WORKERS = 3
PODS_EACH = 1 + WORKERS
_WORKER = TypeName("worker")


def document(name: str, workers: int = WORKERS) -> Document:
    """Return a RayCluster of a head and some workers."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {
            "maxWorkers": workers,
            "headPodType": "head",
            "podTypes": [
                {"name": "head", "podConfig": pod()},
                {"name": _WORKER, "minWorkers": workers, "maxWorkers": workers, "podConfig": pod()},
            ],
        },
    }


def elastic_document(name: str, most: int) -> Document:
    """Return a RayCluster that has workers for what is asked of it alone, all at once, for a minute."""
    worker: Json = {
        "name": _WORKER,
        "maxWorkers": most,
        "rayResources": {"CPU": 1},
        "idleTimeoutSeconds": 60,
        "podConfig": pod(),
    }
    head: Json = {"name": "head", "rayResources": {"CPU": 0}, "podConfig": pod()}
    spec: Document = {
        "maxWorkers": most,
        "upscalingSpeed": 1000,
        "headPodType": "head",
        "podTypes": [head, worker],
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}


def pod() -> Document:
    """Return the pod of a head or a worker, as a user writes it."""
    requests: Document = {"cpu": "10m", "memory": "16Mi"}
    container: Json = {"name": "ray-node", "image": "ray:small", "resources": {"requests": requests}}
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}


async def create(client: KubeClient, namespace: str, name: str, workers: int = WORKERS) -> ClusterView:
    """Post a RayCluster and return it as the API server has it."""
    call = Call(verb=Verb.CREATE, resource=RAYCLUSTERS, namespace=namespace, body=document(name, workers))
    return cluster_view(await client.send(call))


async def delete(client: KubeClient, namespace: str, *, name: str = "") -> None:
    """Delete one RayCluster, or all of a namespace; its pods follow in their own time."""
    await client.send(Call(verb=Verb.DELETE, resource=RAYCLUSTERS, namespace=namespace, name=name))


def pods(view: ClusterView) -> list[Document]:
    """Return the manifests that the operator would create for a RayCluster."""
    cluster = view.spec
    if not isinstance(cluster, RayCluster):
        raise cluster
    worker = cluster.find_type(_WORKER)
    assert worker is not None, "the document above has that type"
    wanted = [(cluster.head, Role.HEAD, 0)]
    wanted += [(worker, Role.WORKER, ordinal) for ordinal in range(worker.min_workers)]
    taken: set[PodName] = set()
    manifests = []
    for pod_type, role, ordinal in wanted:
        template = pod_template(cluster, pod_type, role)
        slot = Slot(role, pod_type.name, ordinal)
        incarnation, name = next_incarnation(template.prefix, cluster.uid, slot, taken, 0)
        taken.add(name)
        manifests.append(template.manifest(ordinal, incarnation))
    return manifests

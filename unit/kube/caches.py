"""What tests of caches share: namespaces with something in them, rights that are missing, a cache that runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rayctl.api.document import Document
from rayctl.api.names import ClusterKey
from rayctl.kube.cache import Cache
from unit.builders import a_cluster_document, a_pod_config
from unit.fakes.apiserver import FakeApiServer, answer
from unit.fakes.objects import Place

KEY = ClusterKey("ray", "example-cluster")


def fill(server: FakeApiServer, namespace: str) -> None:
    """Have a RayCluster, and a pod and a Service that bear its name, in a namespace."""
    labels: Document = {"ray-cluster-name": KEY.name}
    pod = a_pod_config(metadata={"name": "head", "labels": labels})
    service = {"metadata": {"name": "head", "labels": labels}, "spec": {}}
    server.objects.create(Place("rayclusters", namespace), a_cluster_document())
    server.objects.create(Place("pods", namespace), pod)
    server.objects.create(Place("services", namespace), service)


def forbid(server: FakeApiServer, plural: str, namespace: str) -> None:
    """Have the right to list something in a namespace missing until the server is healed."""
    words = f'{plural} is forbidden: User "x" cannot list resource "{plural}" in API group ""'
    refusal = answer(403, "Forbidden", words)
    server.fail("list", plural, refusal, times=10**6, only=lambda asked: asked.namespace == namespace)


@asynccontextmanager
async def running(cache: Cache) -> AsyncIterator[None]:
    """Have a cache watch for as long as the context is open."""
    task = asyncio.create_task(cache.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})

"""The least that anybody must do for RayClusters of ours: make what they need, and say once that they run.

    python -m bench.floor KUBECONFIG NAMESPACE

It elects nobody, looks after nothing, and knows beforehand what to make: an operator cannot be quicker on the
same control plane, with the same client. Written for bench.crowd, which runs it as it runs operators.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import small_clusters
from bench.side_by_side import side_by_side
from rayctl.api.names import ClusterKey
from rayctl.api.observed import ClusterView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import Phase
from rayctl.clock import SystemClock
from rayctl.core.build.service import head_service
from rayctl.kube.cache import Cache
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.resource import PODS, RAYCLUSTERS, SERVICES, Call, ContentType, Verb
from rayctl.loops.workqueue import WorkQueue

_AT_ONCE = 32
"""RayClusters; as many as the operator's default."""


def main() -> None:
    """Run until told to end."""
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description="The least for RayClusters")
    parser.add_argument("kubeconfig")
    parser.add_argument("namespace")
    flags = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(_run(flags.kubeconfig, flags.namespace))


@contextmanager
def running(kubeconfig: Path, namespace: str) -> Iterator[int]:
    """Run it and yield its process ID."""
    process = subprocess.Popen([sys.executable, "-m", "bench.floor", str(kubeconfig), namespace])
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


async def _run(kubeconfig: str, namespace: str) -> None:
    clock = SystemClock()
    connection = await Connection.open(Source(kubeconfig), clock)
    async with KubeClient(connection, clock, identity="floor") as client, asyncio.TaskGroup() as group:
        cache = Cache(client, (namespace,), clock)
        due: WorkQueue[ClusterKey] = WorkQueue()
        cache.subscribe(due.add)
        floor = _Floor(client, cache)
        group.create_task(cache.run())
        for _ in range(_AT_ONCE):
            group.create_task(floor.work(due))


class _Floor:
    def __init__(self, client: KubeClient, cache: Cache) -> None:
        self._client = client
        self._cache = cache
        self._made: set[ClusterKey] = set()
        self._told: set[ClusterKey] = set()

    async def work(self, due: WorkQueue[ClusterKey]) -> None:
        """Do for one RayCluster after the other what is due."""
        while True:
            key = await due.get()
            view = self._cache.find_cluster(key)
            if view is not None and view.status.phase != Phase.RUNNING:
                await self._do(view)
            due.done(key)

    async def _do(self, view: ClusterView) -> None:
        pods = self._cache.list_pods(view.key)
        if view.key not in self._made:
            self._made.add(view.key)
            await self._make(view)
        elif view.key not in self._told and sum(pod.ready for pod in pods) == small_clusters.PODS_EACH:
            self._told.add(view.key)
            await self._tell(view.key)

    async def _make(self, view: ClusterView) -> None:
        assert isinstance(view.spec, RayCluster)
        wanted = [(SERVICES, head_service(view.spec)), *((PODS, pod) for pod in small_clusters.pods(view))]
        calls = [
            Call(verb=Verb.CREATE, resource=resource, namespace=view.key.namespace, body=manifest)
            for resource, manifest in wanted
        ]
        await side_by_side(calls, self._client.send, len(calls))

    async def _tell(self, key: ClusterKey) -> None:
        call = Call(
            verb=Verb.PATCH,
            resource=RAYCLUSTERS,
            namespace=key.namespace,
            name=key.name,
            subresource="status",
            body={"status": {"phase": str(Phase.RUNNING)}},
            content_type=ContentType.MERGE,
        )
        await self._client.send(call)


if __name__ == "__main__":
    main()

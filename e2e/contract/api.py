"""A namespace of an API server, real or fake, and what the contract's cases do in it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import LABEL_CLUSTER, ClusterKey, Uid
from rayctl.clock import SystemClock
from rayctl.core.election.candidate import Election
from rayctl.core.election.lease import Lease, Terms
from rayctl.kube.cache import Cache
from rayctl.kube.client import KubeClient
from rayctl.kube.lease import LeaseStore
from rayctl.kube.resource import (
    RAYCLUSTERS,
    Call,
    Resource,
    Verb,
)
from rayctl.kube.terminations import Terminations
from rayctl.kube.writer import Writer
from rayctl.manager.leadership import Leadership

CLOCK = SystemClock()
FOREVER = Monotonic(math.inf)
NOBODY = Uid("00000000-0000-0000-0000-000000000000")
QUICK = Terms(lease=2, renew_deadline=1.5, retry_period=0.3)


@dataclass(frozen=True)
class Api:
    """A namespace of an API server that has the CRD, and a client of it."""

    client: KubeClient
    namespace: str

    @property
    def writer(self) -> Writer:
        """A writer that nothing shuts."""
        return Writer(self.client, lambda: FOREVER, CLOCK)

    def key(self, name: str) -> ClusterKey:
        """The key of a cluster here."""
        return ClusterKey(self.namespace, name)

    async def send(self, verb: Verb, resource: Resource, name: str = "", **fields: Any) -> Any:
        """Make a call here and return its answer, decoded."""
        call = Call(verb=verb, resource=resource, namespace=self.namespace, name=name, **fields)
        return orjson.loads(await self.client.send(call))

    async def a_cluster(self, name: str) -> Uid:
        """Create a RayCluster and return its UID."""
        pod_type = {"name": "head", "podConfig": a_pod("unnamed")}
        spec = {"headPodType": "head", "podTypes": [pod_type]}
        api_version = f"{RAYCLUSTERS.group}/{RAYCLUSTERS.version}"
        body = {"apiVersion": api_version, "kind": "RayCluster", "metadata": {"name": name}, "spec": spec}
        made = await self.send(Verb.CREATE, RAYCLUSTERS, body=body)
        return Uid(made["metadata"]["uid"])

    def lease_store(self, name: str) -> LeaseStore:
        """A Lease here."""
        return LeaseStore(self.client, self.namespace, name, CLOCK)

    def leadership(self, lease: str, identity: str, terms: Terms = QUICK) -> Leadership:
        """A replica's part in the election on a Lease here."""
        terminations = Terminations(self.client, self.namespace, CLOCK)
        return Leadership(self.lease_store(lease), terminations, Election(identity, terms), CLOCK)


def a_pod(name: str, cluster: str | None = None, **spec: Any) -> dict[str, Any]:
    labels = {} if cluster is None else {LABEL_CLUSTER: cluster, "ray-node-type": "worker"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "ray", "image": "none"}]} | spec,
    }


def a_service(name: str, cluster: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {LABEL_CLUSTER: cluster}},
        "spec": {"selector": {"x": "y"}, "ports": [{"name": "gcs", "port": 6379, "targetPort": 6379}]},
    }


def a_lease(holder: str = "me", version: int = 0) -> Lease:
    whole_second = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)  # whose six zeros Go insists on
    return Lease(holder, 15, whole_second, whole_second, 0, version)


@asynccontextmanager
async def running_cache(api: Api) -> AsyncIterator[Cache]:
    cache = Cache(api.client, (api.namespace,), CLOCK)
    task = asyncio.create_task(cache.run())
    try:
        await cache.wait_synced()
        yield cache
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(true: Callable[[], object], seconds: Seconds = 10.0) -> None:
    """Return when it is so; fail when it is not within some seconds."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.01)


@contextmanager
def no_more_than(seconds: Seconds) -> Iterator[None]:
    began = CLOCK.monotonic()
    yield
    assert CLOCK.monotonic() - began <= seconds

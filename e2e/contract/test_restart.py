"""What happens to rayctl.kube while the real API server is away, and after it has come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster, Component
from e2e.contract.api import CLOCK, Api, a_pod, running_cache, until
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.decode import Event, read
from rayctl.kube.errors import Gone, refusal
from rayctl.kube.resource import PODS, Call, Verb

pytestmark = pytest.mark.apiserver

CRD = Path(__file__).parent.parent.parent / "crd" / "raycluster.yaml"


@pytest.fixture
async def api(apiserver_cluster: Cluster) -> AsyncIterator[Api]:
    """A new namespace of the real API server."""
    apiserver_cluster.kubectl("apply", "-f", str(CRD))
    apiserver_cluster.kubectl("create", "namespace", "restart")
    connection = await Connection.open(Source(str(apiserver_cluster.kubeconfig)), CLOCK)
    async with KubeClient(connection, CLOCK, identity="restart") as client:
        yield Api(client, "restart")
    apiserver_cluster.kubectl("delete", "namespace", "--wait=false", "restart")


async def test_an_api_server_that_comes_back_is_found_again(apiserver_cluster: Cluster, api: Api) -> None:
    async def lead() -> None:
        await asyncio.Event().wait()

    leadership = api.leadership("restart", "me")
    async with running_cache(api) as cache:
        leading = asyncio.create_task(leadership.run(lead, cache.catch_up))
        await until(lambda: leadership.is_leader)

        await asyncio.to_thread(apiserver_cluster.stop, Component.APISERVER)
        await until(lambda: not leadership.is_leader)
        await until(lambda: cache.problems)
        restarts = cache.restarts
        await asyncio.to_thread(apiserver_cluster.start, Component.APISERVER)
        await api.writer.create_pod(api.namespace, a_pod("after", "back"))

        await until(lambda: cache.list_pods(api.key("back")) and leadership.is_leader, seconds=15)
        assert cache.healthy()
        assert cache.restarts - restarts < 60  # it was tried again, and not in a hot loop
        await until(lambda: not cache.problems)
        leading.cancel()
        await asyncio.wait({leading})

    # The new process keeps no history from before its start.
    query = {"watch": "1", "resourceVersion": "1", "timeoutSeconds": "5"}
    call = Call(verb=Verb.WATCH, resource=PODS, namespace=api.namespace, query=query)
    async with api.client.stream(call, silence=10) as lines:
        event = read(await anext(lines), Event)
    assert event.type == "ERROR"
    assert isinstance(refusal(call, 410, {}, event.object), Gone)

"""The cache of all three resources: what is in it, when it is ready, and what is said when it is not."""

import asyncio

import pytest

from rayctl.api.names import ClusterKey
from rayctl.kube import watch as watch_module
from rayctl.kube.cache import Cache
from rayctl.kube.client import KubeClient
from unit.fakes.apiserver import FakeApiServer
from unit.fakes.clock import LoopClock
from unit.kube.caches import KEY, fill, forbid, running
from unit.waiting import comes_true


async def test_it_holds_clusters_with_their_pods_and_services(
    server: FakeApiServer, client: KubeClient
) -> None:
    fill(server, "ray")
    cache = Cache(client, ("ray",), LoopClock())
    told: list[ClusterKey] = []
    cache.subscribe(told.append)

    async with running(cache):
        before = cache.synced
        await cache.wait_synced()

    assert not before
    cluster = cache.find_cluster(KEY)
    assert cache.synced
    assert cluster is not None
    assert cache.list_clusters() == (cluster,)
    assert [pod.name for pod in cache.list_pods(KEY)] == ["head"]
    assert [service.name for service in cache.list_services(KEY)] == ["head"]
    assert cache.sizes() == {"rayclusters": 1, "pods": 1, "services": 1}
    assert told == [KEY], "told when all of it was there"


@pytest.mark.parametrize(
    ("namespaces", "seen"),
    [
        pytest.param(("ray",), {"ray"}, id="one namespace"),
        pytest.param(("ray", "blue"), {"ray", "blue"}, id="several namespaces"),
        pytest.param(("",), {"ray", "blue", "green"}, id="all namespaces"),
    ],
)
async def test_it_holds_what_is_in(
    server: FakeApiServer, client: KubeClient, namespaces: tuple[str, ...], seen: set[str]
) -> None:
    for namespace in ("ray", "blue", "green"):
        fill(server, namespace)
    cache = Cache(client, namespaces, LoopClock())

    async with running(cache):
        await cache.wait_synced()
        await cache.catch_up()

    assert {cluster.key.namespace for cluster in cache.list_clusters()} == seen
    assert cache.sizes()["pods"] == len(seen)


async def test_without_a_right_it_is_not_ready_and_says_which(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "FIRST_WAIT", 0.05)
    forbid(server, "services", "ray")
    cache = Cache(client, ("ray",), LoopClock())

    async with running(cache):
        await comes_true(lambda: cache.problems and server.count("list", "services") >= 2)
        before, problems = cache.synced, cache.problems
        assert not before
        missing = "missing right: list on services in namespace ray; grant it in the Role"
        assert problems == (f"namespace ray is left out: {missing}",)
        server.heal()
        await asyncio.wait_for(cache.wait_synced(), 5)
        await comes_true(lambda: not cache.problems)

    assert cache.restarts >= 2


async def test_a_watch_from_which_nothing_is_heard_for_a_quarter_of_an_hour_is_stuck(
    server: FakeApiServer, client: KubeClient
) -> None:
    clock = LoopClock()
    cache = Cache(client, ("ray",), clock)
    async with running(cache):
        await cache.wait_synced()
        await asyncio.sleep(0.1)
        assert cache.stale_for() < 1
        server.bookmark_every = 3600
        await asyncio.sleep(0.1)

        clock.ahead = 899
        early = cache.healthy()
        clock.ahead = 901
        assert (early, cache.healthy()) == (True, False)

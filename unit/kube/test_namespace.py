"""Several namespaces: each counts as a whole or not at all, and none holds up another."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from rayctl.api.names import ClusterKey
from rayctl.kube import watch as watch_module
from rayctl.kube.cache import Cache
from rayctl.kube.client import KubeClient
from unit.builders import a_cluster_document
from unit.fakes.apiserver import FakeApiServer, Handler, answer
from unit.fakes.clock import LoopClock
from unit.fakes.objects import Place
from unit.kube.caches import fill, forbid, running
from unit.waiting import comes_true

RAY, BLUE = (ClusterKey(namespace, "example-cluster") for namespace in ("ray", "blue"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "FIRST_WAIT", 0.05)


@pytest.fixture
async def told() -> list[ClusterKey]:
    return []


@pytest.fixture
async def cache(server: FakeApiServer, client: KubeClient, told: list[ClusterKey]) -> Cache:
    """A cache of two namespaces with a RayCluster of the same name in each; not running yet."""
    for namespace in ("ray", "blue"):
        fill(server, namespace)
    cache = Cache(client, ("ray", "blue"), LoopClock())
    cache.subscribe(told.append)
    return cache


def seen(cache: Cache) -> set[str]:
    return {cluster.key.namespace for cluster in cache.list_clusters()}


@pytest.mark.parametrize("plural", ["rayclusters", "pods", "services"])
async def test_one_that_cannot_be_listed_is_told_and_tried_on_and_holds_up_no_other(
    server: FakeApiServer, cache: Cache, told: list[ClusterKey], plural: str
) -> None:
    forbid(server, plural, "blue")

    async with running(cache):
        await asyncio.wait_for(cache.wait_synced(), 5)
        await asyncio.wait_for(cache.catch_up(), 5)
        without = cache.synced, seen(cache), set(told), cache.sight(), cache.problems
        server.heal()
        await comes_true(lambda: BLUE in told)

        assert seen(cache) == {"ray", "blue"}
        await comes_true(lambda: not cache.problems)
        assert cache.sight() == {"ray": True, "blue": True}

    kind = "rayclusters.cluster.ray.io" if plural == "rayclusters" else plural
    problem = f"missing right: list on {kind} in namespace blue; grant it in the Role"
    assert without == (
        True,
        {"ray"},
        {RAY},
        {"ray": True, "blue": False},
        (f"namespace blue is left out: {problem}",),
    )


async def test_a_cluster_is_not_seen_before_its_pods_are_though_it_was_listed_and_changes(
    server: FakeApiServer, cache: Cache, told: list[ClusterKey]
) -> None:
    forbid(server, "pods", "blue")
    found: list[int] = []
    cache.subscribe(lambda key: found.append(len(cache.list_pods(key))) if key == BLUE else None)

    async with running(cache):
        await cache.wait_synced()
        await comes_true(lambda: cache.sizes()["rayclusters"] == 2)
        second = a_cluster_document(1, name="second")
        server.objects.create(Place("rayclusters", "blue"), second)
        await comes_true(lambda: cache.sizes()["rayclusters"] == 3)
        assert cache.find_cluster(BLUE) is None
        assert {key.namespace for key in told} == {"ray"}

        server.heal()
        await comes_true(lambda: ClusterKey("blue", "second") in told)

    assert found[0] == 1
    assert cache.find_cluster(BLUE) is not None


async def test_where_all_are_forbidden_nothing_is_in_sight(server: FakeApiServer, cache: Cache) -> None:
    for namespace in ("ray", "blue"):
        forbid(server, "pods", namespace)

    async with running(cache):
        await comes_true(lambda: len(cache.problems) == 2)
        waiting = asyncio.create_task(cache.wait_synced())
        await asyncio.sleep(0.1)
        assert not cache.synced
        assert not waiting.done()

        server.heal()
        await asyncio.wait_for(waiting, 5)
        assert cache.synced


async def test_for_a_new_leader_one_counts_again_only_once_all_of_it_was_listed_anew(
    server: FakeApiServer, cache: Cache, told: list[ClusterKey]
) -> None:
    async with running(cache):
        await cache.wait_synced()
        await comes_true(lambda: seen(cache) == {"ray", "blue"})
        forbid(server, "pods", "blue")
        told.clear()

        await asyncio.wait_for(cache.catch_up(), 5)

        assert seen(cache) == {"ray"}
        await comes_true(lambda: cache.problems)
        assert "blue is left out: missing right: list on pods" in cache.problems[0]
        assert not cache.sight()["blue"]
        assert cache.synced, "a replica that has seen it all is ready, whoever leads"
        server.heal()
        await comes_true(lambda: BLUE in told)
        assert not cache.problems


async def test_a_list_that_began_before_a_new_leader_does_not_do_for_it(
    server: FakeApiServer, cache: Cache
) -> None:
    first, second = asyncio.Event(), asyncio.Event()

    def slowly(until: asyncio.Event) -> Callable[..., Awaitable[web.StreamResponse]]:
        async def act(request: web.Request, serve: Handler) -> web.StreamResponse:
            listed = await serve(request)
            await until.wait()
            return listed

        return act

    async with running(cache):
        await cache.wait_synced()
        server.fail("list", "rayclusters", slowly(first), times=2)
        old = asyncio.create_task(cache.catch_up())
        await comes_true(lambda: server.count("list", "rayclusters") == 4)
        old.cancel()

        server.fail("list", "services", slowly(second), times=2)
        new = asyncio.create_task(cache.catch_up())
        first.set()
        await comes_true(lambda: server.count("list", "services") == 6)
        early = new.done(), seen(cache)
        second.set()
        await asyncio.wait_for(new, 5)

    assert early == (False, set())


async def test_a_new_leader_does_not_wait_for_the_end_of_an_old_ones_back_off(
    server: FakeApiServer, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(cache):
        await cache.wait_synced()
        refusal = answer(500, "InternalError", "etcd is busy")
        server.fail("list", "services", refusal, times=10**6)
        attempt = asyncio.create_task(cache.catch_up())
        await comes_true(lambda: server.count("list", "services") >= 8)  # waits of seconds from here on
        attempt.cancel()
        server.heal()

        await asyncio.wait_for(cache.catch_up(), 0.3)

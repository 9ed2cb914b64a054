"""A watch survives whatever the server and the network do, never loops hot, and ends up right."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from rayctl.api.names import ClusterKey
from rayctl.api.observed import PodView
from rayctl.clock import SystemClock
from rayctl.kube import listing
from rayctl.kube import watch as watch_module
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import Wire, pod_view
from rayctl.kube.listing import Target
from rayctl.kube.resource import PODS
from rayctl.kube.store import Scope, Store
from rayctl.kube.watch import Watch
from unit.fakes.apiserver import FakeApiServer, Handler, answer, hang, html, reset
from unit.fakes.objects import Place
from unit.waiting import comes_true

PLACE = Place("pods", "ray")
KEY = ClusterKey("ray", "c")


def a_pod(name: str, **metadata: Any) -> dict[str, Any]:
    labels = {"ray-cluster-name": "c"}
    return {
        "metadata": {"name": name, "labels": labels, **metadata},
        "spec": {"containers": [{"name": "ray"}]},
    }


class Watched:
    """A watch of pods and what it fills."""

    def __init__(self, client: KubeClient, decode: Callable[[Wire], PodView] = pod_view) -> None:
        self.store: Store[PodView] = Store(lambda _: None)
        target = Target(resource=PODS, namespace="ray", labels="ray-cluster-name")
        self.watch: Watch[PodView] = Watch(client, target, decode, Scope(self.store, "ray"), SystemClock())

    @property
    def names(self) -> list[str]:
        return sorted(pod.name for pod in self.store.list_of(KEY))

    async def until(self, *names: str) -> None:
        await comes_true(lambda: self.names == list(names))


@asynccontextmanager
async def running(client: KubeClient, decode: Callable[[Wire], PodView] = pod_view) -> AsyncIterator[Watched]:
    watched = Watched(client, decode)
    task = asyncio.create_task(watched.watch.run())
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "FIRST_WAIT", 0.02)


async def test_pages_are_read_to_their_end(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    for name in "abcde":
        server.objects.create(PLACE, a_pod(name))

    async with running(client) as watched:
        await watched.until(*"abcde")

    assert server.count("list", "pods") == 3


async def test_what_the_stream_tells_while_a_list_is_under_way_is_not_lost(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.objects.create(PLACE, a_pod("old"))

    async def overtaken(request: web.Request, serve: Handler) -> web.StreamResponse:
        listed = await serve(request)
        server.objects.create(PLACE, a_pod("new"))
        server.objects.delete(Place("pods", "ray", "old"), {})
        told = server.objects.version
        # Time for the stream to get ahead of the list, as it can where nothing holds it.
        with suppress(TimeoutError):
            await comes_true(lambda: watched.watch.version >= told, 0.3)
        return listed

    async with running(client) as watched:
        await watched.until("old")
        server.fail("list", "pods", overtaken)
        await watched.watch.refresh()
        await watched.until("new")


@pytest.mark.usefixtures("impatient")
async def test_a_list_without_a_version_is_a_problem_and_no_end(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.objects.create(PLACE, a_pod("a"))

    async def empty(_request: web.Request, _serve: Handler) -> web.StreamResponse:
        return web.json_response({})

    server.fail("list", "pods", empty, times=2)

    async with running(client) as watched:
        await watched.until("a")


@pytest.mark.usefixtures("impatient")
async def test_a_list_whose_pages_expire_half_way_is_begun_anew(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    for name in "abc":
        server.objects.create(PLACE, a_pod(name))
    server.fail("list", "pods", answer(410, "Expired"), only=lambda asked: "continue" in asked.query)

    async with running(client) as watched:
        await watched.until(*"abc")

    assert server.count("list", "pods") == 4


@pytest.mark.usefixtures("impatient")
async def test_a_stream_that_is_cut_goes_on_where_it_was(server: FakeApiServer, client: KubeClient) -> None:
    server.objects.create(PLACE, a_pod("a"))
    async with running(client) as watched:
        await watched.until("a")
        server.cut_watches()
        server.objects.create(PLACE, a_pod("b"))
        await watched.until("a", "b")

    assert server.count("list", "pods") == 1


@pytest.mark.usefixtures("impatient")
async def test_what_was_deleted_while_the_history_was_lost_is_gone(
    server: FakeApiServer, client: KubeClient
) -> None:
    for name in "ab":
        server.objects.create(PLACE, a_pod(name))
    async with running(client) as watched:
        await watched.until("a", "b")
        server.fail("watch", "pods", reset, times=1)
        server.cut_watches()
        server.objects.delete(PLACE._replace(name="a"), {})
        server.objects.create(PLACE, a_pod("c"))
        server.objects.compact()
        await watched.until("b", "c")

    assert server.count("list", "pods") == 2


async def test_a_server_that_comes_back_without_its_history_is_listed_anew_at_once(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(watch_module, "LONGEST_WAIT_UNREACHABLE", 0.1)
    server.objects.create(PLACE, a_pod("a"))
    async with running(client) as watched:
        await watched.until("a")
        server.fail("watch", "pods", reset, times=24)  # aiohttp asks twice each time
        server.cut_watches()
        await comes_true(lambda: server.count("watch", "pods") >= 25)
        server.objects.create(PLACE, a_pod("b"))
        server.objects.compact()

        await watched.until("a", "b")


@pytest.mark.usefixtures("impatient")
async def test_a_server_that_was_restored_from_a_backup_is_believed(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.objects.version = 1000
    server.objects.create(PLACE, a_pod("from-the-future"))
    async with running(client) as watched:
        await watched.until("from-the-future")
        server.objects.__init__()  # type: ignore[misc]  # everything is forgotten, the version counter too
        server.objects.on_change = server._wake
        server.objects.create(PLACE, a_pod("a"))
        server.fail("watch", "pods", answer(504, "Timeout", "Too large resource version"))
        server.cut_watches()
        await watched.until("a")


@pytest.mark.parametrize(
    ("verb", "act"),
    [
        pytest.param("list", answer(403, "Forbidden"), id="no right to list"),
        pytest.param("list", html(502), id="a proxy's page for a list"),
        pytest.param("list", html(200), id="a login page for a list"),
        pytest.param("watch", answer(403, "Forbidden"), id="no right to watch"),
        pytest.param("watch", answer(500, "InternalError"), id="a fault of the server"),
        pytest.param("watch", answer(410, "Expired"), id="gone at once"),
        pytest.param("watch", html(503), id="an empty watch through a proxy"),
        pytest.param("watch", html(200), id="a page for a stream"),
        pytest.param("watch", reset, id="a reset"),
    ],
)
async def test_it_is_tried_again_without_a_hot_loop(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch, verb: str, act: Any
) -> None:
    monkeypatch.setattr(watch_module, "FIRST_WAIT", 0.2)
    server.fail(verb, "pods", act, times=1_000_000)

    async with running(client) as watched:
        await asyncio.sleep(0.5)
        await comes_true(lambda: watched.watch.restarts >= 2)

    assert watched.watch.restarts <= 4
    assert server.count(verb, "pods") <= 8  # aiohttp tries a broken connection twice


@pytest.mark.usefixtures("impatient")
async def test_waits_grow_while_nothing_works(server: FakeApiServer, client: KubeClient) -> None:
    server.fail("watch", "pods", answer(500, "InternalError"), times=1_000_000)

    async with running(client):
        await asyncio.sleep(1.0)
        await comes_true(lambda: server.count("watch", "pods") >= 5)

    assert server.count("watch", "pods") <= 8  # 0.02 s, 0.04 s, … each cut by a half at most


@pytest.mark.usefixtures("impatient")
async def test_a_missing_right_is_told_once_and_then_that_it_is_there(
    server: FakeApiServer, client: KubeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    words = 'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "ray"'
    server.fail("list", "pods", answer(403, "Forbidden", words), times=10**6)
    server.objects.create(PLACE, a_pod("a"))

    async with running(client) as watched:
        await comes_true(lambda: watched.watch.problem and server.count("list", "pods") >= 3)
        assert watched.watch.problem == "missing right: list on pods in namespace ray; grant it in the Role"
        assert not watched.watch.synced.is_set()
        server.heal()
        await watched.until("a")
        assert watched.watch.synced.is_set()
        await comes_true(lambda: not watched.watch.problem)

    assert [record.getMessage() for record in caplog.records if record.name == "rayctl.kube.watch"] == [
        "watch of pods: missing right: list on pods in namespace ray; grant it in the Role; trying on",
        "watch of pods in namespace ray: works again",
    ]


@pytest.mark.usefixtures("impatient")
async def test_a_stream_without_a_sign_of_life_is_given_up(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "SILENCE", 0.3)
    server.objects.create(PLACE, a_pod("a"))
    async with running(client) as watched:
        await watched.until("a")
        await asyncio.sleep(0.1)  # a bookmark comes: from now on they are waited for
        server.cut_watches()
        server.fail("watch", "pods", _open_and_say_nothing)
        await asyncio.sleep(0.1)
        server.objects.create(PLACE, a_pod("b"))
        await watched.until("a", "b")


async def _open_and_say_nothing(request: Any, _serve: Any) -> Any:
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    return await hang()(request, _serve)


async def test_an_object_that_cannot_be_read_is_left_out_and_told(
    server: FakeApiServer, client: KubeClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.objects.create(PLACE, a_pod("a"))
    server.objects.create(PLACE, a_pod("b", ownerReferences="nonsense"))
    async with running(client) as watched:
        await watched.until("a")
        server.objects.create(PLACE, a_pod("c", ownerReferences="nonsense"))
        server.objects.create(PLACE, a_pod("d"))
        await watched.until("a", "d")

    for name in ("b", "c"):
        assert caplog.text.count(f"pods ray/{name} cannot be read and is left out") == 1


async def test_a_refresh_is_as_new_as_its_call_though_the_stream_lags(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.objects.create(PLACE, a_pod("a"))
    async with running(client) as watched:
        await watched.until("a")
        server.objects.on_change = lambda: None  # the stream sleeps until its next bookmark
        server.bookmark_every = 3600
        server.objects.delete(PLACE._replace(name="a"), {})
        server.objects.create(PLACE, a_pod("b"))

        await watched.watch.refresh()
        assert watched.names == ["b"]

        server._wake()
        await asyncio.sleep(0.1)  # the stream tells all of it again
        assert watched.names == ["b"]


async def test_a_fault_of_ours_with_one_object_does_not_end_the_watch_of_others(
    server: FakeApiServer, client: KubeClient, caplog: pytest.LogCaptureFixture
) -> None:
    def decode(body: Wire) -> PodView:
        view = pod_view(body)
        if view.name in {"a", "c"}:
            raise OverflowError("ours")
        return view

    server.objects.create(PLACE, a_pod("a"))
    server.objects.create(PLACE, a_pod("b"))
    async with running(client, decode) as watched:
        await watched.until("b")
        server.objects.create(PLACE, a_pod("c"))
        server.objects.create(PLACE, a_pod("d"))
        await watched.until("b", "d")

    assert caplog.text.count("cannot be read and is left out") == 2

"""Catching up: what is in step is asked for no more than metadata, and what is not is listed anew."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web

from rayctl.api.names import ClusterKey
from rayctl.api.observed import PodView
from rayctl.clock import SystemClock
from rayctl.kube import listing, mirror
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import pod_view
from rayctl.kube.listing import Target
from rayctl.kube.mirror import Mirror
from rayctl.kube.resource import PODS
from rayctl.kube.store import Scope, Store
from rayctl.kube.watch import Watch
from unit.fakes.apiserver import FakeApiServer, Handler
from unit.fakes.objects import Place
from unit.waiting import comes_true

KEY = ClusterKey("ray", "c")


def have_pod(server: FakeApiServer, name: str) -> None:
    metadata = {"name": name, "labels": {"ray-cluster-name": "c"}}
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "ray"}]}}
    server.objects.create(Place("pods", "ray", name), pod)


def names(pods: Mirror) -> list[str]:
    return sorted(pod.name for pod in pods.scope.store.list_of(KEY))


def full_lists(server: FakeApiServer) -> int:
    return sum(asked.verb == "list" and not asked.metadata_only for asked in server.asked)


@pytest.fixture
async def pods(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Mirror]:
    """Three pods, two to a page, with a stream that tells nothing but what happened."""
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    monkeypatch.setattr(mirror, "_IN_STEP_WITHIN", 0.2)
    server.bookmark_every = 60.0
    for name in ("one", "two", "three"):
        have_pod(server, name)
    store: Store[PodView] = Store(lambda _: None)
    target, scope = Target(resource=PODS, namespace="ray", labels="ray-cluster-name"), Scope(store, "ray")
    watch = Watch(client, target, pod_view, scope, SystemClock())
    task = asyncio.create_task(watch.run())
    await watch.synced.wait()
    yield Mirror(client, target, watch, scope)
    task.cancel()
    await asyncio.wait({task})


def stop_the_stream(server: FakeApiServer) -> None:
    """From now on the stream is open and says nothing, as behind a proxy that holds it back."""
    server.objects.on_change = lambda: None


async def test_what_is_in_step_costs_no_full_list(server: FakeApiServer, pods: Mirror) -> None:
    before = full_lists(server)

    await pods.catch_up()

    assert full_lists(server) == before
    assert server.count("list", "pods") == 2 * 2, "two pages each"


async def test_what_ends_while_the_list_is_on_its_way_is_no_lag(server: FakeApiServer, pods: Mirror) -> None:
    before = full_lists(server)

    async def end_one(request: web.Request, serve: Handler) -> web.StreamResponse:
        listed = await serve(request)
        server.objects.delete(Place("pods", "ray", "one"), {})
        await comes_true(lambda: "one" not in names(pods))
        return listed

    server.fail("list", "pods", end_one)
    await pods.catch_up()

    assert full_lists(server) == before


async def test_what_we_make_while_the_list_is_on_its_way_is_no_lag(
    server: FakeApiServer, pods: Mirror
) -> None:
    before = full_lists(server)
    stop_the_stream(server)
    server.objects.create(Place("events", "ray", "an-event"), {"metadata": {"name": "an-event"}})

    async def make_four(request: web.Request, serve: Handler) -> web.StreamResponse:
        listed = await serve(request)
        have_pod(server, "four")
        pods.watch.accept(pod_view(orjson.dumps(server.objects.get(Place("pods", "ray", "four")))))
        return listed

    server.fail("list", "pods", make_four, only=lambda asked: "continue" in asked.query)
    await pods.catch_up()

    assert full_lists(server) == before


async def test_what_a_stream_holds_back_is_listed(server: FakeApiServer, pods: Mirror) -> None:
    stop_the_stream(server)
    have_pod(server, "four")

    await pods.catch_up()

    assert names(pods) == ["four", "one", "three", "two"]


async def test_what_is_gone_behind_a_streams_back_is_dropped(server: FakeApiServer, pods: Mirror) -> None:
    stop_the_stream(server)
    server.objects.delete(Place("pods", "ray", "one"), {})

    await pods.catch_up()

    assert names(pods) == ["three", "two"]


async def test_an_etcd_that_was_restored_is_read_from_the_start(server: FakeApiServer, pods: Mirror) -> None:
    have_pod(server, "four")
    await comes_true(lambda: len(names(pods)) == 4)
    before = full_lists(server)
    server.objects.version -= 3

    await pods.catch_up()

    assert full_lists(server) == before + 2

"""A controller at work against a fake API server: the real cache, writer, executor between them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rayctl.api.moment import Monotonic
from rayctl.clock import SystemClock
from rayctl.gcs.client import GcsClient
from rayctl.kube.cache import Cache
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.events import Events
from rayctl.kube.secrets import Secrets
from rayctl.kube.writer import Writer
from rayctl.loops import controller as controller_module
from rayctl.loops.autoscaler import Autoscaler
from rayctl.loops.controller import Controller, Telemetry
from rayctl.loops.executor import Executor
from rayctl.loops.heads import Heads
from rayctl.loops.tokens import Connector
from rayctl.telemetry.metrics import Metrics
from rayctl.telemetry.traces import Traces
from unit.builders import a_cluster_document
from unit.fakes.apiserver import FakeApiServer
from unit.fakes.gcs import FakeGcs
from unit.fakes.objects import Object, Place


@dataclass
class World:
    """A fake API server with a controller on it."""

    server: FakeApiServer
    cache: Cache
    controller: Controller
    leading: asyncio.Task[None]
    """The controller at work."""
    ray: FakeGcs
    """The GCS of every head, but for those at ``others``."""
    others: dict[str, FakeGcs]
    """By the head's address."""

    def have(self, name: str, workers: int = 1, **spec: Any) -> None:
        """Have a RayCluster in the API; keywords go into its spec."""
        document = a_cluster_document(workers, name=name, **spec)
        self.server.objects.create(Place("rayclusters", "ray", name), document)

    async def stop_leading(self) -> None:
        """Have the controller end, as when leadership is lost; the cache goes on."""
        self.leading.cancel()
        await asyncio.wait({self.leading})

    def lead_again(self, workers: int) -> None:
        """Have the controller begin anew."""
        self.leading = asyncio.create_task(self.controller.run(workers))

    def pods(self, cluster: str) -> list[Object]:
        """The pods of a cluster."""
        pods = self.server.objects.list_of("pods", "ray")
        return [pod for pod in pods if pod["metadata"]["labels"]["ray-cluster-name"] == cluster]

    def make_ready(self, cluster: str, ip: str = "127.0.0.1") -> None:
        """Have all pods of a cluster be ready; ``ip`` is its head's."""
        for pod in self.pods(cluster):
            role = pod["metadata"]["labels"]["ray-node-type"]
            ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            status = ready | ({"podIP": ip} if role == "head" else {})
            self.server.objects.merge(
                Place("pods", "ray", pod["metadata"]["name"]), {"status": status}, status=True
            )

    def status(self, cluster: str) -> Object:
        """The status of a cluster."""
        found: Object = self.server.objects.get(Place("rayclusters", "ray", cluster)).get("status", {})
        return found


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
def namespaces() -> tuple[str, ...]:
    """Which namespaces are watched."""
    return ("ray",)


@pytest.fixture
async def world(
    server: FakeApiServer, namespaces: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setattr(controller_module, "STATUS_INTERVAL", 0.05)
    monkeypatch.setattr(controller_module, "COUNTS_INTERVAL", 0.05)
    clock = SystemClock()
    async with FakeGcs() as ray:
        connection = await Connection.open(Source(server.kubeconfig(tmp_path)), clock)
        async with KubeClient(connection, clock, identity="me") as client:
            cache = Cache(client, namespaces, clock)
            writer = Writer(client, lambda: Monotonic(clock.monotonic() + 10), clock, cache.read_cluster)
            events = Events(writer, clock, "me")
            traces = Traces()
            others: dict[str, FakeGcs] = {}

            connector = Connector(Secrets(client), clock)

            def connect(address: str, namespace: str, secret: str) -> GcsClient:
                return connector(others.get(address.partition(":")[0], ray).address, namespace, secret)

            heads = Heads(connect, clock)
            autoscaler = Autoscaler(clock)
            executor = Executor(writer, cache, heads, autoscaler, traces, parallel=4)
            telemetry = Telemetry(events, Metrics(), traces)
            controller = Controller(cache, heads, autoscaler, writer, executor, clock, telemetry)
            tasks = [asyncio.create_task(part) for part in (cache.run(), events.run(), controller.run(4))]
            await cache.wait_synced()
            world = World(server, cache, controller, tasks[-1], ray, others)
            yield world
            for task in {*tasks, world.leading}:
                task.cancel()
            await asyncio.wait({*tasks, world.leading})

"""Replicas that take part in an election on a fake API server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from rayctl.core.election.candidate import Election
from rayctl.core.election.lease import Terms
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.lease import LeaseStore
from rayctl.kube.terminations import Terminations
from rayctl.manager.leadership import Leadership
from unit.fakes.apiserver import FakeApiServer
from unit.fakes.clock import LoopClock
from unit.fakes.objects import Place

TERMS = Terms(lease=1, renew_deadline=0.8, retry_period=0.1)
# Whoever waits for these to pass is seen to wait: they outlast every wait of these tests many times.
LONG_TERMS = Terms(lease=600, renew_deadline=500, retry_period=0.1)
PLACE = Place("leases", "ray", "ray-operator")


class Replica:
    """A replica: its leadership, and a diary of what its work did."""

    def __init__(self, client: KubeClient, name: str, terms: Terms, clock: LoopClock) -> None:
        self.clock = clock
        self.diary: list[str] = []
        self.leadership = Leadership(
            LeaseStore(client, "ray", "ray-operator", clock),
            Terminations(client, "ray", clock),
            Election(name, terms),
            clock,
        )
        self.stop_for = 0.0
        self.error: Exception | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.leadership.run(self._lead, self._barrier))

    async def end(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait({self.task})

    async def _barrier(self) -> None:
        self.diary.append("barrier")

    async def _lead(self) -> None:
        self.diary.append("works")
        try:
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self.stop_for)
            self.diary.append("stopped")


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        yield server


class MakeReplica(Protocol):
    """Makes a replica, with a client and a clock of its own."""

    def __call__(self, name: str, terms: Terms = TERMS) -> Replica: ...


@pytest.fixture
async def replica(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[MakeReplica]:
    """A function that makes replicas; all are ended at the end."""
    made: list[Replica] = []
    clients: list[KubeClient] = []
    connection = await Connection.open(Source(server.kubeconfig(tmp_path)), LoopClock())

    def make(name: str, terms: Terms = TERMS) -> Replica:
        clock = LoopClock(skew=1e6 * len(made))
        clients.append(KubeClient(connection, clock, identity=name))
        made.append(Replica(clients[-1], name, terms, clock))
        return made[-1]

    yield make
    server.heal()
    for one in made:
        if one.task is not None and not one.task.done():
            await one.end()
    for client in clients:
        await client.close()

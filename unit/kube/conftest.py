"""A fake API server, and clients of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rayctl.clock import SystemClock
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from unit.fakes.apiserver import FakeApiServer


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def client(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[KubeClient]:
    clock = SystemClock()
    connection = await Connection.open(Source(server.kubeconfig(tmp_path)), clock)
    async with KubeClient(connection, clock, identity="me") as client:
        yield client

"""The contract of e2e/contract/cases.py, on the fake: it behaves as the real API server does there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.contract.api import CLOCK, Api
from e2e.contract.cases import *  # noqa: F403
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from unit.fakes.apiserver import FakeApiServer


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with FakeApiServer() as server:
        connection = await Connection.open(Source(server.kubeconfig(tmp_path)), CLOCK)
        async with KubeClient(connection, CLOCK, identity="contract") as client:
            yield Api(client, "ray")

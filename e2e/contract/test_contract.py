"""The contract of e2e/contract/cases.py, on a real API server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster
from e2e.contract.api import CLOCK, Api
from e2e.contract.cases import *  # noqa: F403
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source

pytestmark = pytest.mark.apiserver

CRD = Path(__file__).parent.parent.parent / "crd" / "raycluster.yaml"


@pytest.fixture(scope="module")
def new_namespace(apiserver_cluster: Cluster) -> Iterator[Callable[[], str]]:
    """A function that makes a namespace; all are deleted at the end."""
    apiserver_cluster.kubectl("apply", "-f", str(CRD))
    made: list[str] = []
    numbers = itertools.count()

    def make() -> str:
        name = f"contract-{next(numbers)}"
        apiserver_cluster.kubectl("create", "namespace", name)
        made.append(name)
        return name

    yield make
    apiserver_cluster.kubectl("delete", "namespace", "--wait=false", *made)


@pytest.fixture
async def api(apiserver_cluster: Cluster, new_namespace: Callable[[], str]) -> AsyncIterator[Api]:
    """A new namespace of the real API server."""
    connection = await Connection.open(Source(str(apiserver_cluster.kubeconfig)), CLOCK)
    async with KubeClient(connection, CLOCK, identity="contract") as client:
        yield Api(client, new_namespace())

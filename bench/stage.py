"""Where benchmarks happen: a real API server with fake nodes, our CRD, and mostly one operator that leads."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.operator_cost import Cost, cost_of
from e2e.cluster import Cluster, Profile, open_cluster
from e2e.namespace import ESTABLISHED
from e2e.operator_process import Operator, free_port, install_rights, kubeconfig_of, operators
from e2e.terminal import REPOSITORY
from rayctl.clock import SystemClock
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source

FAKE_NODES = 20
OPERATED = "operated"
"""The namespace with the operator."""
BARE = "bare"
"""A namespace that no operator watches."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A control plane with our CRD, and the operator's rights in one namespace."""

    cluster: Cluster
    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """The operator's."""
        return self.folder / f"{OPERATED}.kubeconfig"

    @asynccontextmanager
    async def client(self, parallel: int) -> AsyncIterator[KubeClient]:
        """Give an administrator's client of the operator's own make, with so many calls at once."""
        clock = SystemClock()
        connection = await Connection.open(Source(str(self.cluster.kubeconfig)), clock)
        async with KubeClient(connection, clock, identity="bench", parallel=parallel) as client:
            yield client


@dataclass(frozen=True, slots=True)
class Stage(Plane):
    """All that most benchmarks need."""

    operator: Operator
    metrics_port: int

    async def cost(self) -> Cost:
        """Return what the operator has cost so far."""
        return await cost_of(self.operator.pid, self.metrics_port)


@contextmanager
def open_plane() -> Iterator[Plane]:
    """Give a control plane with fake nodes and no operator, and remove all of it afterwards."""
    with (
        open_cluster(Profile.APISERVER, fake_nodes=FAKE_NODES) as cluster,
        tempfile.TemporaryDirectory(prefix="rayctl-bench-") as name,
    ):
        folder = Path(name)
        cluster.kubectl("apply", "-f", str(REPOSITORY / "crd" / "raycluster.yaml"))
        cluster.kubectl(*ESTABLISHED)
        cluster.kubectl("create", "namespace", BARE)
        install_rights(cluster, OPERATED)
        kubeconfig_of(cluster, OPERATED, folder)
        yield Plane(cluster, folder)


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Give a stage, and remove all of it afterwards."""
    port = free_port()
    with (
        open_plane() as plane,
        operators(plane.kubeconfig, plane.folder, f"--health-port={port}") as running,
    ):
        yield Stage(plane.cluster, plane.folder, running[0], port)

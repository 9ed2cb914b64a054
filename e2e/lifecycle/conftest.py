"""A namespace and an operator for each test of a Ray cluster's life."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import Cluster
from e2e.cluster.image_recipes import Kind
from e2e.cluster.images import ensure
from e2e.lifecycle.life import Life
from e2e.operator_process import Operator, operators


@pytest.fixture(scope="session")
def ray_nodes(nodes_cluster: Cluster) -> Cluster:
    """Real nodes that can pull Ray's image."""
    nodes_cluster.push_image(ensure(Kind.RAY))
    return nodes_cluster


@pytest.fixture
def life(ray_nodes: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    """A namespace of the test's own."""
    number = abs(hash(request.node.nodeid)) % 10**6
    life = Life(ray_nodes, f"life-{number}", tmp_path)
    yield life
    ray_nodes.kubectl("delete", "namespace", life.namespace, "--wait=false")


@pytest.fixture
def operator(life: Life) -> Iterator[Operator]:
    """One operator that leads in the test's namespace."""
    with operators(life.kubeconfig, life.folder) as running:
        yield running[0]
        print(*running[0].log()[-100:], sep="\n")  # pytest shows it where the test failed

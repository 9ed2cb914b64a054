"""Clusters for the tests, and what a failing test leaves behind: one folder with logs, Events and pods."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from e2e.cluster import BedError, Cluster, Profile, open_cluster
from e2e.demo import NODES
from e2e.namespace import CRD, Namespace
from e2e.operator_process import Operator, install_rights, kubeconfig_of, operators

FAILURES = Path(__file__).parent.parent / "failures"
OPEN_CLUSTERS = pytest.StashKey[list[Cluster]]()


@pytest.hookimpl
def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep a list of the clusters that are open, for what a failing test leaves behind."""
    session.stash[OPEN_CLUSTERS] = []


@pytest.fixture(scope="session")
def apiserver_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A real API server with its controller manager and scheduler; no nodes."""
    with open_cluster(Profile.APISERVER) as cluster:
        request.session.stash[OPEN_CLUSTERS].append(cluster)
        yield cluster
        request.session.stash[OPEN_CLUSTERS].remove(cluster)


@pytest.fixture(scope="session")
def nodes_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A real Kubernetes with nodes of two CPUs each, DNS and a registry."""
    with open_cluster(Profile.NODES, nodes=NODES) as cluster:
        request.session.stash[OPEN_CLUSTERS].append(cluster)
        yield cluster
        request.session.stash[OPEN_CLUSTERS].remove(cluster)


@pytest.fixture
def space(apiserver_cluster: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    number = abs(hash(request.node.nodeid)) % 10**6
    name = f"ray-{number}"
    apiserver_cluster.kubectl("apply", "-f", CRD)
    install_rights(apiserver_cluster, name)
    kubeconfig = kubeconfig_of(apiserver_cluster, name, tmp_path)
    namespace = Namespace(apiserver_cluster, name, tmp_path, kubeconfig)
    yield namespace
    apiserver_cluster.kubectl("delete", "namespace", namespace.name, "--wait=false")


@pytest.fixture
def operator(space: Namespace) -> Iterator[Operator]:
    """One operator that leads in the test's namespace."""
    with operators(space.kubeconfig, space.folder) as running:
        yield running[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Gather what a failed test's cluster can tell, before the cluster is gone."""
    report = yield
    if report.failed:
        folder = FAILURES / re.sub(r"[^\w.-]+", "_", f"{item.nodeid}-{report.when}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "failure.txt").write_text(report.longreprtext + "\n" + report.capstdout)
        for cluster in item.session.stash[OPEN_CLUSTERS]:
            _gather(cluster, folder / cluster.name)
        report.sections.append(("left behind", str(folder)))
    return report


def _gather(cluster: Cluster, folder: Path) -> None:
    try:
        cluster.gather(folder)
    except (BedError, OSError) as error:
        (folder / "gather-failed.txt").write_text(str(error))

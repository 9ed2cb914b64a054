"""Clusters for the tests, and what a failing test leaves behind: one folder with logs, Events and pods."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from e2e.cluster import BedError, Cluster, Profile, open_cluster

FAILURES = Path(__file__).parent.parent / "failures"


@pytest.fixture(scope="session")
def apiserver_cluster() -> Iterator[Cluster]:
    """A real API server with its controller manager and scheduler; no nodes."""
    with open_cluster(Profile.APISERVER) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def nodes_cluster() -> Iterator[Cluster]:
    """A real Kubernetes with four nodes of two CPUs each, DNS and a registry."""
    with open_cluster(Profile.NODES, nodes=4) as cluster:
        yield cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Gather what a failed test's cluster can tell, before the cluster is gone."""
    report = yield
    if report.failed and report.when == "call":
        folder = FAILURES / re.sub(r"[^\w.-]+", "_", item.nodeid)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "failure.txt").write_text(report.longreprtext + "\n" + report.capstdout)
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(getattr(value, "kubeconfig", None), Path):
                _gather(value, folder)
        report.sections.append(("left behind", str(folder)))
    return report


def _gather(cluster: Cluster, folder: Path) -> None:
    try:
        cluster.gather(folder)
    except (BedError, OSError) as error:
        (folder / "gather-failed.txt").write_text(str(error))

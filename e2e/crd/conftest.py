"""The CRD on a real API server, and a namespace to try it in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.cluster import Cluster
from e2e.namespace import ESTABLISHED
from e2e.operator_process import wait_for
from e2e.terminal import REPOSITORY

CRD_FILE = REPOSITORY / "crd" / "raycluster.yaml"


class Space:
    """A namespace of one test module."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace; returns what it prints."""
        return self.cluster.kubectl("-n", self.name, *words, stdin=stdin).stdout

    def try_kubectl(self, *words: str, stdin: str | None = None) -> tuple[int, str]:
        """Run kubectl where it may fail; returns its exit code and all that it prints."""
        done = self.cluster.kubectl("-n", self.name, *words, stdin=stdin, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def space(apiserver_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A namespace in a cluster that knows the CRD, down to what `kubectl explain` asks for."""
    apiserver_cluster.kubectl("apply", "-f", str(CRD_FILE))
    apiserver_cluster.kubectl(*ESTABLISHED)
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    space = Space(apiserver_cluster, name)
    apiserver_cluster.kubectl("create", "namespace", name)
    wait_for("the schema to be published", lambda: space.try_kubectl("explain", "raycluster.spec")[0] == 0)
    yield space
    apiserver_cluster.kubectl("delete", "namespace", name, "--wait=false")

"""The operator's Deployment on real nodes: a leader that is killed is followed by the kubelet's word alone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.cluster import Cluster
from e2e.cluster.image_recipes import Kind
from e2e.cluster.images import ensure
from e2e.cluster.local import LocalCluster
from e2e.operator_process import make_namespace, wait_for
from e2e.terminal import REPOSITORY

pytestmark = pytest.mark.nodes

NAMESPACE = "killed-leader"
LEASE = 300
"""Seconds. Whoever waits for this is not back within the test's time."""


@pytest.fixture
def operated(nodes_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with two replicas of the operator's image, whose lease lasts long."""
    if not isinstance(nodes_cluster, LocalCluster):
        pytest.skip("only the local provider's containers are processes of this machine, to be killed")
    nodes_cluster.push_image(ensure(Kind.OPERATOR))
    nodes_cluster.kubectl("apply", "-f", str(REPOSITORY / "crd" / "raycluster.yaml"))
    make_namespace(nodes_cluster, NAMESPACE)
    documents = list(yaml.safe_load_all((REPOSITORY / "deploy" / "operator.yaml").read_text()))
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    flags = [f"--lease-duration={LEASE}", f"--renew-deadline={LEASE - 10}"]
    deployment["spec"]["template"]["spec"]["containers"][0]["args"] += flags
    nodes_cluster.kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
    nodes_cluster.kubectl(
        "-n", NAMESPACE, "rollout", "status", "deployment/ray-operator", "--timeout=180s", timeout=200
    )
    yield nodes_cluster
    nodes_cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def holder(cluster: Cluster) -> str:
    """Return the identity that the Lease names."""
    lease = cluster.kubectl("-n", NAMESPACE, "get", "lease", "ray-operator", "-o", "json").stdout
    return str(json.loads(lease)["spec"].get("holderIdentity", ""))


def process_of(pod: str) -> int:
    """Return the process ID of the operator in a pod, as this machine sees it."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is none of ours to look at
        if f"POD_NAME={pod}".encode() in variables:
            return int(environ.parent.name)
    raise AssertionError(f"no process runs in {pod}")


def test_a_killed_leader_is_followed_long_before_its_lease_has_run_out(operated: Cluster) -> None:
    leader = holder(operated)
    pod = leader.partition("_")[0]

    os.kill(process_of(pod), signal.SIGKILL)
    killed = time.monotonic()
    wait_for("another holder", lambda: holder(operated) not in {"", leader}, timeout=60)

    print(f"another leads {time.monotonic() - killed:.2f} s after the kill")
    told = operated.kubectl("-n", NAMESPACE, "describe", "lease", "ray-operator").stdout
    assert f"leads: the container of {leader} has ended" in told
    status = operated.kubectl("-n", NAMESPACE, "get", "pod", pod, "-o", "json").stdout
    (container,) = json.loads(status)["status"]["containerStatuses"]
    last = container["lastState"] or container["state"]
    assert last["terminated"]["message"] == leader

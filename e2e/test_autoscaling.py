"""Autoscaling on a real API server without nodes: what it refuses, and what `rayctl autoscaler` tells of it.

The GCS is a fake, since a real one would have nodes that nobody scheduled.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from e2e.lifecycle.life import ray_pod
from e2e.namespace import Namespace
from e2e.operator_process import Operator, wait_for
from rayctl.api.names import GCS_PORT
from unit.fakes.gcs import FakeGcs

pytestmark = pytest.mark.apiserver

HOST = "127.0.0.77"
DEAR = "example.com/dear"


@pytest.fixture
def gcs() -> Iterator[FakeGcs]:
    """A GCS that answers where the operator looks for that of a head with the address ``HOST``."""
    gcs = FakeGcs(HOST)
    gcs.port = GCS_PORT
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(gcs.start(), loop).result(20)
    yield gcs
    asyncio.run_coroutine_threadsafe(gcs.stop(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def a_cluster() -> dict[str, Any]:
    dear = ray_pod(resources={"requests": {DEAR: 1}, "limits": {DEAR: 1}})
    types = [
        {"name": "head", "rayResources": {"CPU": 0}, "podConfig": ray_pod()},
        {"name": "dear", "priority": 2, "maxWorkers": 2, "rayResources": {"CPU": 1}, "podConfig": dear},
        {"name": "cheap", "maxWorkers": 1, "rayResources": {"CPU": 1}, "podConfig": ray_pod()},
    ]
    return {
        "apiVersion": "cluster.ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "one"},
        "spec": {"headPodType": "head", "maxWorkers": 9, "podTypes": types},
    }


def set_quota(space: Namespace, most: int) -> None:
    hard = {f"requests.{DEAR}": str(most)}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "dear"},
        "spec": {"hard": hard},
    }
    space.kubectl("apply", "-f", "-", stdin=json.dumps(quota))
    wait_for(
        "the quota counts",
        lambda: space.get("resourcequota", "dear").get("status", {}).get("hard") == hard,
    )


def types(space: Namespace) -> list[str]:
    pods = (pod["metadata"]["labels"] for pod in space.pods("one"))
    return sorted(labels["ray-user-node-type"] for labels in pods if labels["ray-node-type"] == "worker")


def rayctl(space: Namespace, *words: str) -> str:
    """Return what `rayctl autoscaler` prints, with the operator's rights."""
    command = [
        sys.executable,
        "-m",
        "rayctl",
        "autoscaler",
        "one",
        "--kubeconfig",
        str(space.kubeconfig),
        *words,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def test_a_type_that_a_quota_refuses_is_left_to_the_next_one_and_tried_again_later(
    space: Namespace, operator: Operator, gcs: FakeGcs
) -> None:
    set_quota(space, 0)
    space.kubectl("apply", "-f", "-", stdin=json.dumps(a_cluster()))
    wait_for("a head", lambda: len(space.pods("one")) == 1)
    (head,) = (pod["metadata"]["name"] for pod in space.pods("one"))
    gcs.add_node(head, "head", total={})
    space.report(head, "Running", ready=True, ip=HOST)
    wait_for("it is followed", lambda: space.condition("one", "Autoscaling").get("status") == "True")

    gcs.ask({"CPU": 1.0}, 3)
    wait_for("the next type", lambda: types(space) == ["cheap"])
    wait_for("it is told", lambda: "exceeded quota" in space.condition("one", "Autoscaling")["message"])

    told = space.condition("one", "Autoscaling")["message"]
    assert "Leaving type dear alone for 30 s, its pods are refused by the API server" in told
    assert operator.log("one:.*Leaving type dear alone for 30 s.*exceeded quota: dear")
    assert "exceeded quota: dear" in rayctl(space)
    answer, _, now = rayctl(space, "--explain", "CPU=1").partition("\n\n")
    first, _, *why = answer.splitlines()
    assert "exceeded quota: dear" in now
    assert first == "{CPU: 1}: a node of type dear would be started for it"
    assert [line.split()[0] for line in why] == ["head", "dear", "cheap"]
    assert "maxWorkers 1" in why[2]

    set_quota(space, 1)
    wait_for("a probe", lambda: types(space) == ["cheap", "dear"], 60)

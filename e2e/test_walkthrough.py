"""The seed's promises, on real nodes with real Ray, told in its own commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster import Cluster
from e2e.cluster.image_recipes import Kind
from e2e.cluster.images import ensure
from e2e.operator_process import wait_for
from e2e.terminal import Terminal
from e2e.walkthrough import NAMESPACE, SECOND, Walkthrough

pytestmark = pytest.mark.nodes

BARE_POD = "deploy/operator-pod.yaml"


@pytest.fixture(scope="module")
def terminal(nodes_cluster: Cluster) -> Terminal:
    """A terminal on a cluster whose registry has the images."""
    for kind in (Kind.RAY, Kind.OPERATOR):
        nodes_cluster.push_image(ensure(kind))
    return Terminal(nodes_cluster.environment)


@pytest.fixture
def walkthrough(terminal: Terminal) -> Iterator[Walkthrough]:
    """A walkthrough that begins on a cluster without anything of ours and leaves none."""
    yield Walkthrough(terminal)
    terminal.type(f"kubectl delete namespace {NAMESPACE} --ignore-not-found")
    terminal.type("kubectl delete crd rayclusters.cluster.ray.io --ignore-not-found")


def containers(terminal: Terminal, cluster: str) -> dict[str, str]:
    """Return the running container of each pod of a Ray cluster that is not on its way out."""
    found: dict[str, Any] = json.loads(
        terminal.ask(f"kubectl -n {NAMESPACE} get pods -l ray-cluster-name={cluster} -o json")
    )
    return {
        pod["metadata"]["name"]: status["containerID"]
        for pod in found["items"]
        for status in pod["status"].get("containerStatuses", [])
        if "deletionTimestamp" not in pod["metadata"] and "containerID" in status
    }


def test_the_walkthrough_from_nothing_to_nothing(walkthrough: Walkthrough, terminal: Terminal) -> None:
    walkthrough.install()
    walkthrough.launch()
    walkthrough.run_programs()
    walkthrough.read_logs()
    walkthrough.update()
    walkthrough.scale()
    walkthrough.clean_up()

    assert terminal.ask("kubectl get crd -o name") == ""


def test_with_the_bare_pod_the_commands_are_the_seeds_own(
    walkthrough: Walkthrough, terminal: Terminal
) -> None:
    walkthrough.install(BARE_POD)
    terminal.type(f"kubectl -n {NAMESPACE} apply -f {SECOND}")
    walkthrough.wait_running("example-cluster2", workers=1)
    before = containers(terminal, "example-cluster2")

    pods = terminal.type(f"kubectl -n {NAMESPACE} get pods")
    lines = terminal.type(
        f"kubectl -n {NAMESPACE} logs ray-operator-pod | grep ^example-cluster2: | tail -n 100"
    )
    terminal.type(f"kubectl -n {NAMESPACE} delete pod ray-operator-pod")
    terminal.type(f"kubectl -n {NAMESPACE} apply -f {BARE_POD}")
    terminal.type(f"kubectl -n {NAMESPACE} wait --for=condition=Ready pod/ray-operator-pod --timeout=120s")
    terminal.type(f"sed 's/minWorkers: 1/minWorkers: 2/' {SECOND} | kubectl -n {NAMESPACE} apply -f -")
    walkthrough.wait_running("example-cluster2", workers=2)

    assert re.search(r"^ray-operator-pod +1/1 +Running", pods, re.MULTILINE)
    assert "Creating the head" in lines
    assert before.items() <= containers(terminal, "example-cluster2").items(), (
        "another operator must not restart Ray"
    )


def test_a_file_in_the_form_of_the_legacy_operators_runs_unchanged(
    walkthrough: Walkthrough, terminal: Terminal
) -> None:
    walkthrough.install(restricted=False)  # a standard that is younger than the files
    terminal.type(f"kubectl -n {NAMESPACE} apply -f e2e/legacy_cluster.yaml")
    walkthrough.wait_running("legacy", workers=1)

    head = walkthrough.head("legacy")
    nodes = terminal.type(
        f"kubectl -n {NAMESPACE} exec -i {head} -- python - 2 < e2e/programs/task_on_each_node.py"
    )
    resources = terminal.type(
        f"kubectl -n {NAMESPACE} exec {head} -- python -c"
        " 'import ray; ray.init(\"auto\", log_to_driver=False); print(ray.cluster_resources())'"
    )
    logs = terminal.type(f"kubectl -n {NAMESPACE} logs {head}")
    workers = terminal.type(f"kubectl -n {NAMESPACE} logs -l ray-user-node-type=worker-node --tail=-1")

    assert head.startswith("legacy-ray-head-")
    assert "a task ran on each of 2 nodes" in nodes
    assert "'example-resource-a': 1.0" in resources
    assert "Ray runtime started" in logs, "what legacy files write to /tmp/raylogs is what kubectl logs shows"
    assert "cowsay" in workers


def test_with_the_operator_deleted_first_nothing_hangs(walkthrough: Walkthrough, terminal: Terminal) -> None:
    walkthrough.install(BARE_POD)
    terminal.type(f"kubectl -n {NAMESPACE} apply -f {SECOND}")
    walkthrough.wait_running("example-cluster2", workers=1)

    terminal.type(f"kubectl -n {NAMESPACE} delete -f {BARE_POD}")
    terminal.type(f"kubectl -n {NAMESPACE} delete raycluster example-cluster2 --timeout=60s")

    walkthrough.wait_gone("example-cluster2")


def test_the_leaders_loss_restarts_no_ray_and_its_work_goes_on(
    walkthrough: Walkthrough, terminal: Terminal
) -> None:
    walkthrough.install()
    terminal.type(f"kubectl -n {NAMESPACE} apply -f {SECOND}")
    walkthrough.wait_running("example-cluster2", workers=1)
    before = containers(terminal, "example-cluster2")
    leaders = f"kubectl -n {NAMESPACE} get pods -l cluster.ray.io/leader=true -o name"
    leader = terminal.ask(leaders)

    terminal.type(f"kubectl -n {NAMESPACE} delete {leader} --grace-period=0 --force")
    terminal.type(f"sed 's/minWorkers: 1/minWorkers: 2/' {SECOND} | kubectl -n {NAMESPACE} apply -f -")
    walkthrough.wait_running("example-cluster2", workers=2)

    assert leader.startswith("pod/ray-operator-")
    assert terminal.ask(leaders) not in {"", leader}
    assert before.items() <= containers(terminal, "example-cluster2").items()


def test_a_head_and_a_worker_that_are_lost_come_back(walkthrough: Walkthrough, terminal: Terminal) -> None:
    walkthrough.install()
    terminal.type(f"kubectl -n {NAMESPACE} apply -f {SECOND}")
    walkthrough.wait_running("example-cluster2", workers=1)
    before = containers(terminal, "example-cluster2")
    head = next(name for name in before if "-head-" in name)
    worker = next(name for name in before if "-worker-" in name)

    terminal.type(f"kubectl -n {NAMESPACE} exec {worker} -- pkill -9 raylet")
    wait_for("the worker to be replaced", lambda: worker not in containers(terminal, "example-cluster2"), 60)
    walkthrough.wait_running("example-cluster2", workers=1)
    terminal.type(f"kubectl -n {NAMESPACE} delete pod {head}")
    wait_for("the head to be replaced", lambda: head not in containers(terminal, "example-cluster2"), 60)
    walkthrough.wait_running("example-cluster2", workers=1, timeout=360)
    nodes = terminal.type(
        f"kubectl -n {NAMESPACE} exec -i {walkthrough.head('example-cluster2')} -- python - 2"
        " < e2e/programs/task_on_each_node.py"
    )

    table = terminal.type(f"kubectl -n {NAMESPACE} get rayclusters")
    assert "a task ran on each of 2 nodes" in nodes
    assert re.search(r"^example-cluster2 +Running +1/1 +\S+ +1 ", table, re.MULTILINE), table

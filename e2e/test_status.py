"""What a RayCluster's status says, on a real API server, and how often it is said."""

from __future__ import annotations

import time

import pytest

from e2e.namespace import Namespace
from e2e.operator_process import Operator, wait_for

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("operator")]

RAYCLUSTER = "rayclusters.cluster.ray.io"


def running(space: Namespace, name: str) -> list[str]:
    """Have a cluster run as far as pods can without nodes; return the names of its pods, the head's first."""
    space.apply(name)
    wait_for("three pods", lambda: len(space.pods(name)) == 3)
    pods = sorted((pod["metadata"]["name"] for pod in space.pods(name)), key=lambda pod: "-head-" not in pod)
    for pod in pods:
        space.report(pod, "Running", ready=True)
    wait_for("Running", lambda: space.status(name).get("phase") == "Running")
    return pods


@pytest.mark.parametrize("lost", [0, 1, 2], ids=["the head", "a worker", "the other worker"])
def test_it_is_not_running_without(space: Namespace, lost: int) -> None:
    pod = running(space, "one")[lost]

    space.report(pod, "Running", ready=False)
    wait_for("not Running", lambda: space.status("one")["phase"] != "Running")

    kind = "HeadReady" if lost == 0 else "WorkersReady"
    assert space.condition("one", kind)["status"] == "False"
    space.report(pod, "Running", ready=True)
    wait_for("Running", lambda: space.status("one")["phase"] == "Running")


def test_kubectl_waits_for_conditions_and_their_times_move_only_with_them(space: Namespace) -> None:
    head, *workers = running(space, "one")
    before = space.condition("one", "HeadReady")["lastTransitionTime"]
    time.sleep(1.1)  # transition times count whole seconds

    space.report(workers[0], "Running", ready=False)
    space.kubectl("wait", RAYCLUSTER, "one", "--for=condition=WorkersReady=False", "--timeout=20s")
    space.report(workers[0], "Running", ready=True)
    space.kubectl("wait", RAYCLUSTER, "one", "--for=condition=WorkersReady", "--timeout=20s")
    space.kubectl("wait", RAYCLUSTER, "one", "--for=jsonpath={.status.phase}=Running", "--timeout=20s")

    assert space.condition("one", "HeadReady")["lastTransitionTime"] == before
    assert space.condition("one", "WorkersReady")["lastTransitionTime"] > before
    assert space.status("one")["head"]["podName"] == head


def test_nothing_is_written_while_nothing_happens(space: Namespace, operator: Operator) -> None:
    running(space, "one")
    wait_for("its generation is seen", lambda: space.status("one").get("observedGeneration") == 1)
    time.sleep(2)  # what is written at most once a second has been written by then

    lines, version = len(operator.log()), space.get(RAYCLUSTER, "one")["metadata"]["resourceVersion"]
    time.sleep(5)

    assert space.get(RAYCLUSTER, "one")["metadata"]["resourceVersion"] == version
    assert len(operator.log()) == lines

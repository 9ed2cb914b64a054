"""What goes wrong with pods and nodes is seen, told, and mended."""

from __future__ import annotations

import pytest

from e2e.cluster import Cluster
from e2e.lifecycle.life import Life, Ray, apart, ray_pod
from e2e.operator_process import wait_for

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("operator")]

WITHOUT_BLOCK = "ray start --address=$RAY_HEAD_IP:6379; sleep infinity"


def test_a_worker_whose_node_is_lost_is_replaced_elsewhere_though_its_pod_hangs(
    life: Life, ray_nodes: Cluster
) -> None:
    ray = Ray(life, "one", workers=1)
    ray.head_type["podConfig"]["spec"]["affinity"] = apart("small")
    ray.small["podConfig"]["spec"] |= {"affinity": apart(), "terminationGracePeriodSeconds": 20}
    ray.start()
    ((old, pod),) = ray.pods("worker").items()
    node = pod["spec"]["nodeName"]

    ray_nodes.kill_node(node)
    try:
        wait_for("a worker elsewhere", lambda: old not in ray.live() and len(ray.live("worker")) == 1, 180)
        ray.wait_running()

        assert any(old in text for text in life.events("PodLost"))
        assert old in ray.pods(), "its node cannot say that it has ended"
        wait_for("it is told that it hangs", lambda: bool(life.events("PodStuck")), 180)
    finally:
        ray_nodes.start_node(node)


def test_a_cluster_whose_heads_node_is_lost_comes_back_by_itself(life: Life, ray_nodes: Cluster) -> None:
    ray = Ray(life, "one", workers=1)
    ray.head_type["podConfig"]["spec"]["affinity"] = apart("small")
    ray.start()
    before = ray.live()
    node = ray.pods("head")[ray.head()]["spec"]["nodeName"]

    ray_nodes.kill_node(node)
    try:
        wait_for("other pods", lambda: before.keys().isdisjoint(ray.live()) and len(ray.live()) == 2, 300)
        ray.wait_running()

        assert ray.status()["autoscalerRetries"] == 1
        assert "2" in ray.python("print(sum(node['Alive'] for node in ray.nodes()))")
    finally:
        ray_nodes.start_node(node)


def test_a_worker_that_ray_lost_though_its_container_runs_is_replaced(life: Life) -> None:
    ray = Ray(life, "one", workers=1)
    ray.small["podConfig"] = ray_pod(command=["/bin/bash", "-lc", "--"], args=[WITHOUT_BLOCK])
    ray.start()
    (old,) = ray.live("worker")

    life.kubectl("exec", old, "--", "pkill", "-9", "raylet")
    wait_for("another worker", lambda: old not in ray.live() and len(ray.live("worker")) == 1, 120)
    ray.wait_running()

    assert any("was lost by Ray" in text for text in life.events("PodLost"))


def test_a_worker_that_hangs_in_terminating_does_not_hold_up_its_successor(life: Life) -> None:
    ray = Ray(life, "one", workers=1)
    ray.start()
    (old,) = ray.live("worker")
    life.kubectl("patch", "pod", old, "--type=merge", "-p", '{"metadata": {"finalizers": ["a.test/hold"]}}')

    life.kubectl("delete", "pod", old, "--wait=false")
    wait_for("a successor", lambda: len(ray.live("worker")) == 1, 20)
    ray.wait_running()

    assert old in ray.pods()
    life.kubectl("patch", "pod", old, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def test_what_cannot_be_pulled_or_scheduled_is_told_and_an_edit_mends_it_at_once(life: Life) -> None:
    ray = Ray(life, "one", workers=1)
    ray.small["podConfig"] = ray_pod(image="rayproject/ray:no-such-version")
    ray.apply()
    wait_for("it is told", lambda: "ErrImagePull" in why(ray) or "ImagePullBackOff" in why(ray), 120)

    ray.small["podConfig"] = ray_pod(resources={"requests": {"cpu": "64"}})
    ray.apply()
    wait_for("it is told", lambda: "Unschedulable" in why(ray), 60)
    assert len(ray.live("worker")) == 1

    ray.small["podConfig"] = ray_pod()
    ray.apply()
    ray.wait_running()


def test_workers_that_never_join_are_replaced_more_and_more_slowly(life: Life) -> None:
    ray = Ray(life, "one", workers=1, joinTimeoutSeconds=25)
    ray.small["podConfig"] = ray_pod(
        command=["/bin/bash", "-c", "--"], args=["echo ray start; sleep infinity"]
    )
    ray.apply()
    wait_for("two failures", lambda: failures(ray) >= 2, 180)

    assert any("did not join Ray in time" in text for text in life.events("PodLost"))
    assert ray.status()["phase"] == "Error"


def why(ray: Ray) -> str:
    """Return why the workers are not ready, in the status' words."""
    return str(ray.condition("WorkersReady").get("message", ""))


def failures(ray: Ray) -> int:
    """Return how often in a row a worker has failed, as the status counts."""
    return max((kind["failures"] for kind in ray.status().get("podTypes", [])), default=0)

"""Scaling up and down with what goes wrong meanwhile: no pod too many, none lost, all tasks done."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from e2e.cluster import Cluster
from e2e.lifecycle.life import Life, Ray, apart, ray_pod
from e2e.operator_process import Operator, operators, wait_for

pytestmark = pytest.mark.nodes


def tasks(number: int, seconds: int) -> str:
    """Return a program that runs so many tasks of one CPU side by side and prints the sum of their squares."""
    return f"""
import time
@ray.remote(max_retries=5)
def square(n):
    time.sleep({seconds})
    return n * n
print(sum(ray.get([square.remote(n) for n in range({number})])))
"""


@contextmanager
def most_workers(*clusters: Ray) -> Iterator[Counter[str]]:
    """Watch clusters meanwhile: the most workers that each had at any time, the leaving ones aside."""
    most: Counter[str] = Counter()
    over = Event()

    def watch() -> None:
        while not over.wait(0.3):
            for ray in clusters:
                most[ray.name] = max(most[ray.name], len(ray.live("worker")))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def an_elastic_cluster(life: Life, name: str, most: int = 2) -> Ray:
    ray = Ray(life, name, workers=0, idleTimeoutMinutes=0.1)
    ray.small["maxWorkers"] = most
    return ray


def test_an_operator_that_is_killed_in_mid_scale_up_and_mid_drain_leaves_no_pod_too_many_and_none_too_few(
    life: Life,
) -> None:
    one, two = an_elastic_cluster(life, "one"), an_elastic_cluster(life, "two")
    one.apply()
    two.apply()
    with most_workers(one, two) as most:
        with operators(life.kubeconfig, life.folder) as running:
            one.wait_running()
            two.wait_running()
            programs = [ray.start_python(tasks(2, 12)) for ray in (one, two)]
            wait_for("a worker", lambda: bool(one.live("worker") or two.live("worker")), 60)
            running[0].send(signal.SIGKILL)
            running[0].wait()
        (life.folder / "second").mkdir()
        with operators(life.kubeconfig, life.folder / "second") as running:
            assert [program.answer(240) for program in programs] == ["1", "1"]
            wait_for("a drain", lambda: bool(running[0].log("Draining|Removing .*idle")), 120)
            running[0].send(signal.SIGKILL)
            running[0].wait()
        (life.folder / "third").mkdir()
        with operators(life.kubeconfig, life.folder / "third"):
            wait_for("no worker", lambda: not one.live("worker") and not two.live("worker"), 150)
            one.wait_running()
            two.wait_running()
    assert most == {"one": 2, "two": 2}


@pytest.mark.usefixtures("operator")
def test_a_cluster_whose_head_is_killed_comes_back_and_scales_for_a_submitted_job(life: Life) -> None:
    ray = an_elastic_cluster(life, "one")
    ray.start()
    program = ray.start_python(tasks(2, 60))
    wait_for("two workers", lambda: len(ray.live("worker")) == 2, 60)
    (old,) = ray.live("head").values()

    life.kubectl("delete", "pod", ray.head(), "--grace-period=0", "--force")
    program.result(120)
    wait_for("another head", lambda: not {"", old} & set(ray.live("head").values()), 60)
    ray.wait_running()
    assert ray.status()["autoscalerRetries"] == 1

    job = "import ray; ray.init(); f = ray.remote(lambda: 'it is done'); print(ray.get(f.remote()))"
    told = life.kubectl(
        "exec", ray.head(), "--", "ray", "job", "submit", "--", "python", "-c", f'"{job}"', check=False
    )
    assert "it is done" in told


def test_a_head_that_hangs_costs_no_other_cluster_anything_and_is_followed_again(
    life: Life, operator: Operator
) -> None:
    one, two = an_elastic_cluster(life, "one", most=1), an_elastic_cluster(life, "two", most=1)
    one.apply()
    two.start()
    one.wait_running()

    gcs = ("exec", one.head(), "--", "pkill", "-x", "gcs_server", "--signal")
    life.kubectl(*gcs, "STOP")
    program = two.start_python(tasks(1, 1))
    wait_for("a worker of the sound one", lambda: bool(two.live("worker")), 20)
    wait_for("it is told", lambda: one.condition("Autoscaling").get("reason") == "GcsUnreachable", 40)
    assert program.answer(120) == "0"

    life.kubectl(*gcs, "CONT")
    wait_for("it is followed", lambda: one.condition("Autoscaling").get("status") == "True", 60)
    assert one.python(tasks(1, 1)) == "0"
    assert operator.log("one:.*does not answer.*no answer within 3 s")
    assert one.status()["autoscalerRetries"] == 0


@pytest.mark.usefixtures("operator")
def test_tasks_on_a_node_that_is_lost_are_done_elsewhere(life: Life, ray_nodes: Cluster) -> None:
    ray = an_elastic_cluster(life, "one")
    ray.head_type["podConfig"]["spec"]["affinity"] = apart("small")
    ray.small["podConfig"]["spec"]["affinity"] = apart()
    ray.start()
    program = ray.start_python(tasks(2, 30))
    wait_for("two workers", lambda: ray.live_ready("worker") == 2, 90)
    workers = ray.pods("worker")
    lost = min(workers)
    node = workers[lost]["spec"]["nodeName"]
    assert node != ray.pods("head")[ray.head()]["spec"]["nodeName"]

    ray_nodes.kill_node(node)
    try:
        # Ray's own words on the lost node may come before it.
        assert program.answer(240) == "1"
        assert lost not in ray.live()
    finally:
        ray_nodes.start_node(node)


def test_an_edit_in_mid_scale_up_is_followed_at_once(life: Life, operator: Operator) -> None:
    ray = an_elastic_cluster(life, "one", most=3)
    ray.start()
    program = ray.start_python(tasks(4, 15))
    wait_for("a worker", lambda: bool(ray.live("worker")), 60)

    ray.small["maxWorkers"] = 1
    ray.document["spec"]["podTypes"].append(
        {"name": "other", "maxWorkers": 1, "rayResources": {"CPU": 1}, "podConfig": ray_pod()}
    )
    ray.apply()
    wait_for("no more than the new limit", lambda: ray.types()["small"] <= 1, 120)

    assert program.answer(240) == "14"
    assert operator.log("one:.*of type other")

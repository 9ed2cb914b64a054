"""Workers leave in order: idle ones first, and what runs on the others may end."""

from __future__ import annotations

import pytest

from e2e.lifecycle.life import Life, Program, Ray, ray_pod, same_containers
from e2e.operator_process import wait_for

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("operator")]

RAN = "It ran on "
WHERE = """
@ray.remote(max_retries=0{needs})
def where(seconds):
    import os, time
    yield "It runs"
    time.sleep(seconds)
    yield "It ran on " + os.environ["RAY_CLOUD_INSTANCE_ID"]

for said in where.remote({seconds}):
    print(ray.get(said))
"""


def start_task(ray: Ray, seconds: int, needs: str = "") -> Program:
    """Start a task that says where it ran; return when it runs."""
    program = ray.start_python(WHERE.format(needs=needs, seconds=seconds))
    program.wait_until_it_says("It runs")
    return program


def where_it_ran(program: Program) -> str:
    """Wait for a program's end and return the worker that its task ended on, or what was said instead."""
    return program.answer().removeprefix(RAN)


def test_of_two_workers_the_idle_one_goes_and_the_busy_one_ends_its_task(life: Life) -> None:
    ray = Ray(life, "one", workers=2, idleTimeoutMinutes=0.05)
    ray.start()
    before = ray.live()
    task = start_task(ray, seconds=40)

    ray.small["minWorkers"] = 1
    ray.apply()
    wait_for("one worker is left", lambda: len(ray.live("worker")) == 1, 30)
    busy = where_it_ran(task)

    assert list(ray.live("worker")) == [busy]
    assert same_containers(ray.live(), before)
    ray.wait_running()


def test_a_type_that_is_removed_is_drained_and_a_renamed_one_comes_in_its_place(life: Life) -> None:
    ray = Ray(life, "one", workers=0)
    special = {
        "name": "special",
        "minWorkers": 1,
        "rayResources": {"CPU": 1, "special": 1},
        "podConfig": ray_pod(),
    }
    ray.document["spec"]["podTypes"].append(special)
    ray.start()
    (old,) = ray.live("worker")
    task = start_task(ray, seconds=25, needs=", resources={'special': 1}")

    special["name"] = "renamed"
    ray.apply()
    wait_for("both are there", lambda: len(ray.live("worker")) == 2, 20)
    answer = where_it_ran(task)
    wait_for("the old one is gone", lambda: old not in ray.live(), 60)
    ray.wait_running()

    assert answer == old
    assert ray.types() == {"renamed": 1}
    assert any("spec.podTypes has no special any more" in text for text in life.events("DrainingPods"))


def test_a_suspended_cluster_lets_its_tasks_end_and_comes_back(life: Life) -> None:
    ray = Ray(life, "one", workers=1)
    ray.start()
    task = start_task(ray, seconds=20)

    life.kubectl("patch", "raycluster", "one", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    answer = where_it_ran(task)
    life.kubectl("wait", "raycluster", "one", "--for=condition=Suspended", "--timeout=120s")

    assert "ray-worker" in answer
    assert ray.pods() == {}
    assert ray.status()["phase"] == "Suspended"
    life.kubectl("patch", "raycluster", "one", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    ray.wait_running()
    assert ray.status()["autoscalerRetries"] == 0
    life.kubectl("patch", "raycluster", "one", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    life.kubectl("delete", "raycluster", "one", "--timeout=60s")
    wait_for("nothing is left", lambda: ray.pods() == {}, 120)


def test_a_drain_ends_at_its_deadline(life: Life) -> None:
    ray = Ray(life, "one", workers=1, drainTimeoutSeconds=5)
    ray.start()
    (old,) = ray.live("worker")
    task = start_task(ray, seconds=600)

    ray.small.update({"minWorkers": 0, "maxWorkers": 0})
    ray.apply()
    wait_for("the worker is told to end", lambda: old not in ray.live(), 60)

    assert any("did not end within 5 s" in text for text in life.events("DeletingPods"))
    assert "Error" in task.result()


def test_an_idle_cluster_goes_to_sleep_but_not_while_somebody_is_connected(life: Life) -> None:
    ray = Ray(life, "one", workers=1, ttlSecondsAfterIdle=30)
    ray.start()
    somebody = ray.start_python("import time; time.sleep(50); print(len(ray.nodes()))")

    answer = somebody.answer()
    life.kubectl("wait", "raycluster", "one", "--for=condition=Suspended", "--timeout=120s")

    assert answer == "2"
    assert ray.pods() == {}
    assert ray.condition("Suspended")["reason"] == "Idle"
    life.kubectl("annotate", "raycluster", "one", "cluster.ray.io/restartedAt=now")
    ray.wait_running()

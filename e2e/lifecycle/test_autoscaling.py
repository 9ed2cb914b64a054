"""Workers come for what Ray is asked to run, and go when they have nothing to do."""

from __future__ import annotations

import pytest

from e2e.lifecycle.life import Life, Ray
from e2e.operator_process import Operator, wait_for

pytestmark = pytest.mark.nodes

TASKS = """
@ray.remote(max_retries=3)
def square(n):
    import time
    time.sleep(12)
    return n * n
print(ray.get([square.remote(n) for n in range(3)]))
"""


def test_tasks_get_workers_and_idle_workers_go(life: Life, operator: Operator) -> None:
    ray = Ray(life, "one", workers=0, idleTimeoutMinutes=0.1)
    ray.small["maxWorkers"] = 2
    ray.start()

    program = ray.start_python(TASKS)
    wait_for("two workers", lambda: len(ray.live("worker")) == 2, 60)
    answer = program.answer(240)
    wait_for("no worker", lambda: not ray.live("worker"), 120)

    assert answer == "[0, 1, 4]"
    assert operator.log("one:.*Adding 2 nodes of type small")
    assert operator.log("one:.*Removing .*idle")
    ray.wait_running()


def test_two_clusters_scale_at_the_same_time_each_for_its_own_tasks(life: Life, operator: Operator) -> None:
    rays = [Ray(life, name, workers=0, idleTimeoutMinutes=0.1) for name in ("one", "two")]
    for ray in rays:
        ray.small["maxWorkers"] = 2
        ray.start()

    programs = [ray.start_python(TASKS) for ray in rays]
    wait_for("workers of both", lambda: all(len(ray.live("worker")) == 2 for ray in rays), 60)
    answers = [program.answer(240) for program in programs]
    wait_for("no worker", lambda: not any(ray.live("worker") for ray in rays), 120)

    assert answers == ["[0, 1, 4]"] * 2
    for name in ("one", "two"):
        assert operator.log(rf"^{name}:.*Adding \d nodes? of type small")

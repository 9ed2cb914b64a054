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

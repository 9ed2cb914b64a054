"""An edit restarts what it changes, in order, and nothing else."""

from __future__ import annotations

import pytest

from e2e.lifecycle.life import Life, Ray
from e2e.operator_process import Operator, wait_for

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("operator")]

SQUARES = """
@ray.remote(max_retries=0)
def square(n):
    import time
    time.sleep(15)
    return n * n
print(ray.get([square.remote(n) for n in range({tasks})]))
"""


def set_mark(kind: dict[str, object], value: str) -> None:
    """Change the definition of a pod type: an environment variable more."""
    spec = kind["podConfig"]["spec"]  # type: ignore[index]
    spec["containers"][0]["env"] = [{"name": "MARK", "value": value}]


def test_an_edit_of_a_worker_type_rolls_that_type_while_its_tasks_end(life: Life) -> None:
    ray = Ray(life, "one", workers=2)
    ray.start()
    head, before = ray.live("head"), ray.live("worker")
    tasks = ray.start_python(SQUARES.format(tasks=2))
    wait_for(
        "both tasks run", lambda: ray.python("print(ray.available_resources().get('CPU', 0))") == "0", 60
    )

    set_mark(ray.small, "new")
    ray.apply()
    wait_for("it is upgrading", lambda: ray.condition("Upgrading").get("status") == "True")
    ray.wait_running()

    assert tasks.answer() == "[0, 1]", "a running task has its time"
    assert ray.live("head") == head
    assert ray.live("worker").keys().isdisjoint(before)
    assert len(ray.live("worker")) == 2
    assert any("type small has changed" in text for text in life.events("DrainingPods"))
    assert ray.condition("Upgrading")["reason"] == "UpToDate"


def test_an_edit_of_the_head_restarts_the_whole_cluster_once_and_says_so_before(
    life: Life, operator: Operator
) -> None:
    ray = Ray(life, "one", workers=1)
    ray.start()
    before = ray.live()

    set_mark(ray.head_type, "new")
    ray.apply()
    wait_for("it is told", lambda: ray.condition("Upgrading").get("reason") == "RestartingHead")
    wait_for("new pods", lambda: len(ray.live()) == 2 and ray.live().keys().isdisjoint(before), 120)
    ray.wait_running()

    assert ray.status()["autoscalerRetries"] == 0, "it was wished, not lost"
    assert life.events("RestartingHead")
    steps = operator.log("Restarting Ray on the whole cluster|Draining|Removing")
    assert "Restarting" in steps[0]
    assert "Draining" in steps[1]
    assert "a node" in ray.python("print('a node' if len(ray.nodes()) == 2 else ray.nodes())")

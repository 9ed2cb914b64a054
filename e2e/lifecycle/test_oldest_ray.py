"""The oldest Ray that is autoscaled: it starts, gets workers for tasks, and they go when they have nothing to do."""

from __future__ import annotations

import pytest

from e2e.cluster import Cluster
from e2e.cluster.image_recipes import OLDEST_RAY_VERSION, Kind
from e2e.cluster.images import ensure
from e2e.lifecycle.life import Life, Ray, ray_pod
from e2e.operator_process import Operator, wait_for

pytestmark = pytest.mark.nodes

TASKS = """
@ray.remote(max_retries=3)
def square(n):
    import time
    time.sleep(15)
    return n * n
print(ray.__version__, ray.get([square.remote(n) for n in range(2)]))
"""


def test_the_oldest_ray_scales_up_by_demand_and_down_by_drains(
    ray_nodes: Cluster, life: Life, operator: Operator
) -> None:
    ray_nodes.push_image(ensure(Kind.OLDEST_RAY))
    ray = Ray(life, "old", workers=0, idleTimeoutMinutes=0.1)
    pod = ray_pod(image=f"rayproject/ray:{OLDEST_RAY_VERSION}")
    for kind in (ray.head_type, ray.small):
        kind["podConfig"] = pod
    ray.small["maxWorkers"] = 2
    ray.start()

    program = ray.start_python(TASKS)
    wait_for("a worker on its way in Ray's own words", lambda: "small" in pending(ray), 60)
    wait_for("two workers", lambda: len(ray.live("worker")) == 2, 60)
    answer = program.answer(240)
    wait_for("no worker", lambda: not ray.live("worker"), 120)

    assert answer == f"{OLDEST_RAY_VERSION} [0, 1]"
    assert operator.log("old:.*Removing .*idle")
    ray.wait_running()


def pending(ray: Ray) -> str:
    """Return what `ray status` says of nodes that are on their way."""
    status = ray.life.kubectl("exec", ray.head(), "--", "ray", "status", check=False)
    return status.partition("Pending:\n")[2].partition("Recent failures:")[0]

"""What Ray is asked for, in each of its forms, brings the workers for it; and what is in use stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster import Cluster
from e2e.lifecycle.life import Life, Ray, ray_pod
from e2e.operator_process import operators, wait_for

pytestmark = pytest.mark.nodes

IDLE_SECONDS = 4
EXTENDED = "example.com/nothing"
"""A resource of which the namespace may have none."""


def a_type(name: str, most: int, resources: dict[str, int], **fields: Any) -> dict[str, Any]:
    offered = {"CPU": 0, **resources}
    return {"name": name, "maxWorkers": most, "rayResources": offered, "podConfig": ray_pod(), **fields}


@pytest.fixture(scope="module")
def ground(ray_nodes: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    """One Ray cluster for all tests, whose workers go a few seconds after each."""
    life = Life(ray_nodes, "demands", tmp_path_factory.mktemp("demands"))
    with operators(life.kubeconfig, life.folder) as running:
        life.kubectl("create", "quota", "nothing", f"--hard=requests.{EXTENDED}=0")
        ray = Ray(life, "one", workers=0, idleTimeoutMinutes=IDLE_SECONDS / 60)
        ray.small["maxWorkers"] = 3
        ray.document["spec"]["podTypes"] += [
            a_type("gpu", 2, {"CPU": 1, "GPU": 1}),
            a_type("east", 1, {"CPU": 1}, labels={"zone": "east"}),
            a_type("slots", 2, {"slot": 1}),
            a_type("quota", 2, {"either": 1}, priority=3, podConfig=a_pod_beyond_quota()),
            a_type("pull", 2, {"either": 1}, priority=2, podConfig=ray_pod(image="rayproject/ray:none")),
            a_type("place", 2, {"either": 1}, priority=1, podConfig=too_big_a_pod()),
            a_type("sound", 2, {"either": 1}),
        ]
        ray.start()
        yield ray
        print(*running[0].log()[-150:], sep="\n")
    ray_nodes.kubectl("delete", "namespace", life.namespace, "--wait=false")


@pytest.fixture
def ray(ground: Ray) -> Iterator[Ray]:
    """The cluster, without workers before and after."""
    yield ground
    wait_for("no worker", lambda: not ground.live("worker"), 120)


def too_big_a_pod() -> dict[str, Any]:
    return ray_pod(resources={"requests": {"cpu": "64"}})


def a_pod_beyond_quota() -> dict[str, Any]:
    return ray_pod(resources={"limits": {EXTENDED: "1"}})


WHERE = """
import time
@ray.remote
def where(seconds=0):
    time.sleep(seconds)
    labels = ray.get_runtime_context().get_node_labels()
    return labels["ray.io/node-group"]
"""


def test_a_placement_group_of_each_strategy_gets_its_nodes(ray: Ray) -> None:
    told = ray.python("""
import json
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group
groups = {
    "PACK": placement_group([{"CPU": 0.5}] * 2, strategy="PACK"),
    "SPREAD": placement_group([{"CPU": 0.25}] * 2, strategy="SPREAD"),
    "STRICT_PACK": placement_group([{"CPU": 0.25}] * 2, strategy="STRICT_PACK"),
    "STRICT_SPREAD": placement_group([{"CPU": 0.25}] * 3, strategy="STRICT_SPREAD"),
}
ray.get([group.ready() for group in groups.values()], timeout=120)
tables = {name: placement_group_table(group) for name, group in groups.items()}
print(json.dumps({name: len(set(table["bundles_to_node_id"].values())) for name, table in tables.items()}))
for group in groups.values():
    remove_placement_group(group)
""")

    nodes = json.loads(told)
    assert nodes["STRICT_PACK"] == 1
    assert nodes["STRICT_SPREAD"] == 3


def test_tasks_get_the_types_that_their_resources_and_labels_need_and_no_accelerator_for_nothing(
    ray: Ray,
) -> None:
    told = ray.python(f"""{WHERE}
tasks = [
    where.remote(8),
    where.options(num_gpus=1).remote(8),
    where.options(label_selector={{"zone": "east"}}).remote(8),
    where.options(num_cpus=0, resources={{"slot": 1}}).remote(8),
    where.options(
        label_selector={{"zone": "west"}}, fallback_strategy=[{{"label_selector": {{"zone": "!east"}}}}]
    ).remote(8),
]
print(*ray.get(tasks, timeout=150))
""")

    assert ray.types()["gpu"] <= 1
    anywhere, gpu, east, slots, not_east = told.split()
    assert (gpu, east, slots) == ("gpu", "east", "slots")
    assert anywhere in {"small", "east", "gpu"}  # Ray's choice: whichever node has a CPU free first
    assert not_east in {"small", "gpu"}


def test_no_type_has_more_workers_than_it_may_and_the_status_says_what_waits(ray: Ray) -> None:
    program = ray.start_python(f"""{WHERE}
print(*ray.get([where.options(num_cpus=0, resources={{"slot": 1}}).remote(10) for _ in range(4)]))
""")

    wait_for("two of type slots", lambda: ray.types()["slots"] == 2, 60)
    wait_for("the limit is told", lambda: "slots" in ray.condition("Autoscaling").get("message", ""), 30)
    assert "maxWorkers 2" in ray.condition("Autoscaling")["message"]
    assert ray.types() == {"slots": 2}
    assert program.answer(120) == "slots slots slots slots"


def test_request_resources_brings_workers_holds_them_and_lets_them_go(ray: Ray) -> None:
    ray.python("from ray.autoscaler.sdk import request_resources; request_resources(num_cpus=2)")
    wait_for("two workers", lambda: ray.live_ready("worker") == 2, 120)
    held = ray.live("worker")
    ray.python(f"import time; time.sleep({3 * IDLE_SECONDS})")
    assert ray.live("worker") == held

    ray.python("from ray.autoscaler.sdk import request_resources; request_resources(num_cpus=0)")
    wait_for("no worker", lambda: not ray.live("worker"), 60)


def test_an_actor_that_outlives_its_driver_keeps_its_node(ray: Ray) -> None:
    ray.python("""
@ray.remote(num_cpus=1)
class Counter:
    def count(self): return 1
counter = Counter.options(name="counter", namespace="n", lifetime="detached").remote()
ray.get(counter.count.remote(), timeout=120)
""")
    held = ray.live("worker")
    assert len(held) == 1

    ray.python(f"import time; time.sleep({3 * IDLE_SECONDS})")
    assert ray.live("worker") == held
    ray.python('ray.kill(ray.get_actor("counter", namespace="n"))')


def test_an_object_that_is_still_wanted_keeps_its_node(ray: Ray) -> None:
    program = ray.start_python(f"""
import time
@ray.remote
def make(): return bytes(10_000_000)
it = make.remote()
ray.wait([it], timeout=120, fetch_local=False)
time.sleep({4 * IDLE_SECONDS})
print(len(ray.get(it)))
""")

    assert program.answer(150) == "10000000"


def test_a_type_that_cannot_be_had_gives_way_to_the_next_and_it_is_said_why(ray: Ray) -> None:
    program = ray.start_python(f"""{WHERE}
print(ray.get(where.options(num_cpus=0, resources={{"either": 1}}).remote(1)))
""")

    assert program.answer(240) == "sound"
    blocked = "\n".join(ray.life.events("TypeBlocked"))
    assert "exceeded quota" in blocked
    assert "ImagePull" in blocked
    assert "Unschedulable" in blocked


def test_a_worker_that_is_killed_under_its_tasks_is_replaced_and_they_are_done(ray: Ray) -> None:
    program = ray.start_python("""
import time
@ray.remote(max_retries=5)
def square(n):
    time.sleep(15)
    return n * n
print(ray.get([square.remote(n) for n in range(2)]))
""")
    wait_for("two workers", lambda: ray.live_ready("worker") == 2, 120)
    victim = min(ray.live("worker"))

    ray.life.kubectl("exec", victim, "--", "pkill", "-9", "raylet")

    assert program.answer(240) == "[0, 1]"
    assert victim not in ray.live("worker")

"""A type of several hosts: its workers come for a placement group, are lost and go as one."""

from __future__ import annotations

import json

import pytest

from e2e.lifecycle.life import Life, Ray, ray_pod
from e2e.operator_process import Operator, wait_for

pytestmark = pytest.mark.nodes

HOSTS = """
import json, os, time
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
group = placement_group([{"CPU": 1}] * 2, strategy="STRICT_SPREAD")

@ray.remote(max_retries=10)
def host(seconds=0):
    time.sleep(seconds)
    return [os.environ["RAY_SLICE_INDEX"], os.environ["RAY_HOST_INDEX"]]

def hosts(seconds=0):
    ray.get(group.ready(), timeout=120)
    strategies = [PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=n) for n in range(2)]
    return sorted(ray.get([host.options(scheduling_strategy=each).remote(seconds) for each in strategies]))
"""


def test_a_slice_comes_and_goes_as_one_and_is_lost_with_one_of_its_hosts(
    life: Life, operator: Operator
) -> None:
    # A bundle is reserved on the host that is left, so only its deadline ends the drain.
    ray = Ray(life, "one", workers=0, idleTimeoutMinutes=0.1, drainTimeoutSeconds=5)
    ray.small.update({"maxWorkers": 0})
    ray.document["spec"]["podTypes"].append(
        {
            "name": "pair",
            "numOfHosts": 2,
            "maxWorkers": 5,
            "rayResources": {"CPU": 1},
            "podConfig": ray_pod(),
        }
    )
    ray.start()

    first = json.loads(ray.python(f"{HOSTS}\nprint(json.dumps(hosts()))"))
    assert first == [["0", "0"], ["0", "1"]]
    wait_for("no worker", lambda: not ray.live("worker"), 60)

    program = ray.start_python(f"{HOSTS}\nhosts(); time.sleep(60); print(json.dumps(hosts()))")
    wait_for("a slice", lambda: ray.live_ready("worker") == 2, 90)
    before = ray.live("worker")
    life.kubectl("delete", "pod", min(before), "--grace-period=1")
    wait_for("the other one goes, too", lambda: not before.keys() & ray.live("worker").keys(), 30)

    told = program.answer(300)
    (number, zero), (same, one) = json.loads(told)
    assert (number, zero, one) == (same, "0", "1"), told
    assert operator.log("one:.*its slice lacks a host|one:.*its slice has lost")
    wait_for("no worker", lambda: not ray.live("worker"), 60)

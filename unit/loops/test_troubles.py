"""What goes wrong with one pod, one drain or one head holds nothing else up, and the status says so."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from rayctl.api.moment import Monotonic
from rayctl.api.names import ClusterKey
from rayctl.gcs.channel import Method
from rayctl.loops.state import ClusterState
from unit.builders import UID, a_pod
from unit.fakes.apiserver import Asked, answer
from unit.fakes.gcs import refuse
from unit.fakes.objects import Place
from unit.loops.conftest import World
from unit.waiting import comes_true

NOW = datetime(2026, 11, 29, tzinfo=UTC)
CLUSTER = Place("rayclusters", "ray", "one")


async def is_running(world: World, workers: int, **spec: Any) -> None:
    """Have a cluster that runs, with nodes in Ray that are busy."""
    world.have("one", workers=workers, **spec)
    await comes_true(lambda: len(world.pods("one")) == 1 + workers)
    world.make_ready("one")
    for pod in world.pods("one"):
        world.ray.add_node(pod["metadata"]["name"], pod["metadata"]["labels"]["ray-user-node-type"])
    await comes_true(lambda: world.status("one").get("phase") == "Running")


def fail_pods(world: World, *names: str) -> None:
    failed = {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]}
    for name in names:
        world.server.objects.merge(Place("pods", "ray", name), {"status": failed}, status=True)


def workers_of(world: World) -> list[str]:
    names = (pod["metadata"]["name"] for pod in world.pods("one"))
    return sorted(name for name in names if "-head-" not in name)


def live(world: World) -> int:
    """How many pods have not ended."""
    return sum(pod["status"].get("phase") != "Failed" for pod in world.pods("one"))


async def test_a_pod_that_may_not_be_deleted_holds_up_none_of_the_others(world: World) -> None:
    await is_running(world, 2)
    kept, other = workers_of(world)

    def is_of_kept(asked: Asked) -> bool:
        return asked.name == kept

    no = answer(403, "Forbidden", "a policy forbids it")
    world.server.fail("delete", "pods", no, times=10**6, only=is_of_kept)
    fail_pods(world, kept, other)

    await comes_true(lambda: live(world) == 3 and other not in workers_of(world))
    assert kept in workers_of(world)
    await comes_true(lambda: world.status("one")["readyWorkers"] == 0)
    assert world.status("one")["phase"] != "Running"


async def test_a_status_is_written_although_each_pass_fails(world: World) -> None:
    world.server.fail("create", "pods", answer(500, "InternalError", "failed calling webhook"), times=10**6)

    world.have("one")

    await comes_true(lambda: world.status("one").get("phase"))
    assert world.status("one")["phase"] != "Running"
    events = world.server.objects.list_of("events", "ray")
    assert any("failed calling webhook" in event["message"] for event in events)


async def test_a_drain_that_cannot_be_told_is_given_up_at_its_deadline(world: World) -> None:
    await is_running(world, 1, drainTimeoutSeconds=1)
    world.ray.fail(Method.DRAIN, refuse(grpc.StatusCode.UNIMPLEMENTED), times=10**6)

    world.server.objects.merge(CLUSTER, {"spec": {"suspend": True}})

    await comes_true(lambda: not world.pods("one"))
    await comes_true(lambda: world.status("one")["phase"] == "Suspended")
    assert world.ray.count(Method.DRAIN) >= 2


def test_a_drain_is_tried_until_the_deadline_of_the_first_try() -> None:
    state, pod = ClusterState(UID, 1, Monotonic(0)), a_pod("w")

    for second in range(4):
        now = NOW + timedelta(seconds=second)
        state.drain_failed(pod, "a roll-out", "no such call", now + timedelta(seconds=2), now)
        assert bool(state.drains) == (second >= 2)

    (drain,) = state.drains.values()
    assert (drain.until, drain.refused) == ((NOW + timedelta(seconds=2)).timestamp(), "no such call")
    state.keep([], Monotonic(1))
    assert not state.drains
    assert not state.in_vain


async def test_a_head_that_an_edit_replaces_is_asked_where_it_was_until_it_is_gone(world: World) -> None:
    await is_running(world, 1, drainTimeoutSeconds=60)

    world.server.objects.merge(CLUSTER, {"spec": {"headStartRayCommands": ["ray start --head --port=7000"]}})
    await comes_true(lambda: world.ray.count(Method.DRAIN))

    (followed,) = world.controller._heads._heads.values()
    assert followed.address.endswith(":6379")
    assert len(world.pods("one")) == 2


async def test_a_new_leader_asks_a_head_that_is_not_ready_just_now_and_was_before(world: World) -> None:
    await is_running(world, 1)
    await world.stop_leading()
    head = next(pod["metadata"]["name"] for pod in world.pods("one") if "-head-" in pod["metadata"]["name"])
    container = {"name": "ray-node", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:05:00Z"}
    changes = {"status": {"conditions": [condition], "containerStatuses": [container]}}
    world.server.objects.merge(Place("pods", "ray", head), changes, status=True)
    await comes_true(lambda: not all(pod.ready for pod in world.cache.list_pods(ClusterKey("ray", "one"))))
    asked = world.ray.count(Method.READ_STATE)

    world.lead_again(workers=1)

    await comes_true(lambda: world.ray.count(Method.READ_STATE) > asked)

"""A large launch goes no faster than the scheduler places pods, and is given up where the spec changes."""

import asyncio
from itertools import count

import pytest
from aiohttp import web

from rayctl.api.names import ClusterKey
from rayctl.loops import controller as controller_module
from rayctl.loops import executor as executor_module
from rayctl.loops import scheduling
from unit.builders import a_pod_config
from unit.fakes.apiserver import Handler, answer
from unit.fakes.objects import Object, Place
from unit.loops.conftest import World
from unit.waiting import comes_true

PARALLEL = 4
"""The fixture's."""


def tell(world: World, pod: Object, status: str, reason: str) -> None:
    """Have the scheduler tell what it thinks of a pod."""
    condition = {"type": "PodScheduled", "status": status, "reason": reason}
    place = Place("pods", "ray", pod["metadata"]["name"])
    world.server.objects.merge(place, {"status": {"conditions": [condition]}}, status=True)


def workers(world: World) -> list[Object]:
    return [pod for pod in world.pods("one") if pod["metadata"]["labels"]["ray-node-type"] == "worker"]


def unseen(world: World) -> list[Object]:
    """The workers that the scheduler has not looked at."""
    return [pod for pod in workers(world) if not pod.get("status", {}).get("conditions")]


async def test_pods_wait_for_those_before_them_until_the_scheduler_has_looked_at_these(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 60.0)
    world.have("one", workers=20)
    await comes_true(lambda: len(unseen(world)) == PARALLEL)
    await asyncio.sleep(0.1)
    assert len(unseen(world)) == PARALLEL

    placed, impossible, *_ = unseen(world)
    tell(world, placed, "True", "")
    await comes_true(lambda: len(world.pods("one")) == 1 + PARALLEL + 1)
    tell(world, impossible, "False", "Unschedulable")
    await comes_true(lambda: len(world.pods("one")) == 1 + PARALLEL + 2)

    world.server.objects.delete(Place("pods", "ray", unseen(world)[0]["metadata"]["name"]), {})
    await comes_true(lambda: len(unseen(world)) == PARALLEL)
    assert len(world.pods("one")) == 1 + PARALLEL + 2


async def test_a_scheduler_that_is_away_makes_a_launch_slow_and_stops_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 0.05)
    world.have("one", workers=20)

    await comes_true(lambda: len(world.pods("one")) == 21)


async def test_a_scheduler_for_batches_is_given_all_pods_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 60.0)
    batch = {"name": "batch", "minWorkers": 20, "podConfig": a_pod_config(spec={"schedulerName": "volcano"})}

    world.have("one", podTypes=[{"name": "head-node", "podConfig": a_pod_config()}, batch], maxWorkers=20)

    await comes_true(lambda: len(world.pods("one")) == 21)


async def test_an_edit_in_the_midst_of_a_launch_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 1.0)
    world.have("one", workers=50)
    await comes_true(lambda: len(unseen(world)) == PARALLEL)

    world.server.objects.merge(Place("rayclusters", "ray", "one"), {"spec": {"suspend": True}})
    await comes_true(lambda: not world.pods("one"))

    assert world.server.count("create", "pods") <= 1 + 2 * PARALLEL


async def test_a_long_launch_is_told_of_before_it_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 0.3)
    monkeypatch.setattr(executor_module, "LONGEST_WAVE", 0.2)
    monkeypatch.setattr(controller_module, "COUNTS_INTERVAL", 0.2)
    world.have("one", workers=50)
    await comes_true(lambda: world.pods("one"))
    spec = world.cache.list_clusters()[0].spec

    await comes_true(lambda: world.status("one").get("desiredWorkers") == 50)

    assert len(world.pods("one")) < 51
    await comes_true(lambda: world.cache.list_clusters()[0].status.desired_workers == 50)
    assert world.cache.list_clusters()[0].spec is spec, "or each status would end the pass"


async def test_launches_that_wait_for_a_scheduler_make_way_for_other_clusters(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 0.2)
    monkeypatch.setattr(executor_module, "LONGEST_WAVE_IN_A_CROWD", 0.1)
    monkeypatch.setattr(executor_module, "LONGEST_WAVE", 60.0)
    for number in range(6):  # of which four are handled at a time
        world.have(f"large{number}", workers=200)
    await comes_true(lambda: sum(len(world.pods(f"large{number}")) for number in range(6)) > 20)

    world.have("small", workers=1)

    await comes_true(lambda: len(world.pods("small")) == 2)
    assert any(len(world.pods(f"large{number}")) < 201 for number in range(6))


async def test_a_launch_that_takes_several_passes_has_not_failed(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 0.05)
    monkeypatch.setattr(executor_module, "LONGEST_WAVE", 0.1)
    asked = count(1)
    away = answer(503, "ServiceUnavailable", "etcd is away")
    world.server.fail("create", "pods", away, times=1, only=lambda _: next(asked) > 45)
    world.have("one", workers=60)

    await comes_true(lambda: len(world.pods("one")) == 61)

    assert "trying again in 0.2 s" in caplog.text


async def test_what_may_not_be_deleted_does_not_keep_others_from_being_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "PATIENCE", 0.0)
    world.have("one", workers=20)
    await comes_true(lambda: len(world.pods("one")) == 21)
    world.make_ready("one")
    await comes_true(lambda: world.status("one").get("phase") == "Running")
    monkeypatch.setattr(executor_module, "LONGEST_WAVE", 0.2)

    async def refuse_slowly(request: web.Request, serve: Handler) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        refused: web.StreamResponse = await answer(403, "Forbidden", "a policy")(request, serve)
        return refused

    world.server.fail("delete", "pods", refuse_slowly, times=1000)
    *failed, gone = workers(world)
    before = {pod["metadata"]["name"] for pod in world.pods("one")}
    await world.stop_leading()
    for pod in failed:  # five batches of deletions
        ended = {"phase": "Failed", "reason": "Evicted"}
        world.server.objects.merge(
            Place("pods", "ray", pod["metadata"]["name"]), {"status": ended}, status=True
        )
    world.server.objects.delete(Place("pods", "ray", gone["metadata"]["name"]), {})
    key = ClusterKey("ray", "one")
    await comes_true(lambda: [pod.finished for pod in world.cache.list_pods(key)].count(True) == len(failed))
    await comes_true(lambda: len(world.cache.list_pods(key)) == 20)
    world.lead_again(workers=4)

    await comes_true(lambda: {pod["metadata"]["name"] for pod in world.pods("one")} - before)
    assert world.server.count("delete", "pods") >= len(failed), "nothing is made before all have been tried"

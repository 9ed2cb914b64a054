"""A head that is not well, or not honest, costs its own cluster the autoscaling and no other cluster anything."""

from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from rayctl.gcs import channel
from rayctl.gcs.channel import Method
from rayctl.loops import heads as heads_module
from unit.fakes.gcs import Act, Context, FakeGcs, Serve, answer, hang, lost
from unit.loops.conftest import World
from unit.waiting import comes_true

FOR_EVER = 10**6


def failing(act: Act) -> Callable[[FakeGcs], None]:
    def arrange(gcs: FakeGcs) -> None:
        gcs.fail(Method.READ_STATE, act, times=FOR_EVER)

    return arrange


def ten_thousand_shapes(gcs: FakeGcs) -> None:
    for number in range(12_000):
        gcs.ask({"CPU": 1.0, f"odd-{number}": 1.0})


def a_group_without_end(gcs: FakeGcs) -> None:
    gcs.ask_gang("PACK", [{"CPU": 1 + number / 1000} for number in range(3000)])


def odd_amounts(gcs: FakeGcs) -> None:
    for amount in (float("nan"), float("inf"), -1.0, 1e300):
        gcs.ask({"CPU": amount}, 3)
        gcs.add_node("nobody", total={"CPU": amount})


def odd_numbers(gcs: FakeGcs) -> None:
    gcs.ask({"CPU": 1.0}, 2**62)
    gcs.ask({"CPU": 1.0}, -5)


def unknown_types(gcs: FakeGcs) -> None:
    for number in range(1_000):
        gcs.add_node(f"stranger-{number}", f"type-{number}")


def another_session_each_time(gcs: FakeGcs) -> None:
    numbers = count()

    async def act(_: Context, serve: Serve) -> bytes:
        gcs.forget(f"session_{next(numbers)}")
        gcs.ask({"CPU": 1.0})
        return await serve()

    gcs.fail(Method.READ_STATE, act, times=FOR_EVER)


@pytest.mark.parametrize(
    ("arrange", "told"),
    [
        pytest.param(failing(answer(b"<html>")), "protobuf", id="garbage"),
        pytest.param(failing(hang), "no answer within", id="no answer"),
        pytest.param(failing(lost), "Socket closed", id="answers that are lost"),
        pytest.param(failing(answer(bytes(17 * 2**20))), "larger than max", id="a huge answer"),
        pytest.param(failing(answer(b"\x0a\x02\x1a\x00" * 200_000)), "nodes", id="nodes without end"),
        pytest.param(ten_thousand_shapes, "is left out", id="shapes without end"),
        pytest.param(a_group_without_end, "is left out", id="a placement group without end"),
        pytest.param(odd_amounts, "is left out", id="amounts that are none"),
        pytest.param(odd_numbers, "", id="numbers that are none"),
        pytest.param(unknown_types, "", id="nodes that nobody made"),
        pytest.param(another_session_each_time, "", id="another session in each answer"),
    ],
)
async def test_a_cluster_beside_a_head_that(
    world: World, monkeypatch: pytest.MonkeyPatch, arrange: Callable[[FakeGcs], None], told: str
) -> None:
    monkeypatch.setattr(channel, "DEADLINE", 1.0)
    monkeypatch.setattr(heads_module, "PERIOD", 0.05)
    monkeypatch.setattr(heads_module, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(heads_module, "_TICK", 0.005)
    async with FakeGcs(session="hostile") as hostile:
        arrange(hostile)
        world.others["127.0.0.2"] = hostile
        for name in ("bad", "good"):
            world.have(name, workers=0)
            await comes_true(partial(world.pods, name))
        world.make_ready("bad", "127.0.0.2")
        await comes_true(lambda: hostile.count(Method.READ_STATE) > 1)
        if told:
            await comes_true(lambda: told in why_not(world, "bad"))

        world.make_ready("good")
        world.ray.ask({"CPU": 1.0})
        await comes_true(lambda: len(world.pods("good")) == 2)
        assert len(world.pods("bad")) <= 1 + 3, "its own maximum holds, whatever is asked"


def why_not(world: World, cluster: str) -> str:
    conditions = world.status(cluster).get("conditions", [])
    return next((one["message"] for one in conditions if one["type"] == "Autoscaling"), "")

"""Heads are asked in turn, and a cluster is woken by what matters to it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
import pytest

from rayctl.api.names import ClusterKey
from rayctl.clock import SystemClock
from rayctl.core.autoscale.demand import DrainReason, NodeId, Snapshot
from rayctl.core.autoscale.feedback import Feedback
from rayctl.core.reconcile.seen import RayView, Silence
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.channel import Method
from rayctl.gcs.client import GcsClient
from rayctl.gcs.errors import GcsError, Unreachable
from rayctl.loops import heads as heads_module
from rayctl.loops.heads import Heads
from unit.fakes.clock import LoopClock
from unit.fakes.gcs import FakeGcs, refuse
from unit.waiting import comes_true

KEY = ClusterKey("ray", "one")
PREEMPTION = DrainReason.PREEMPTION


@dataclass
class Following:
    """Heads that follow a fake GCS, and who was woken."""

    heads: Heads
    ray: FakeGcs
    woken: list[ClusterKey] = field(default_factory=list)
    answers: int = 0
    fault: Exception | None = None

    async def take(self, _: ClusterKey, answer: Snapshot, __: RayView) -> bool:
        self.answers += 1
        if self.fault is not None:
            raise self.fault
        return False

    def look(self, life: str = "first", *, closely: bool = False) -> RayView | Silence | None:
        return self.heads.follow(KEY, life, self.ray.address, closely=closely)

    def view(self) -> RayView:
        view = self.look()
        assert isinstance(view, RayView)
        return view

    async def answered(self) -> None:
        await comes_true(lambda: isinstance(self.look(), RayView))


@pytest.fixture
async def following(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Following]:
    monkeypatch.setattr(heads_module, "PERIOD", 0.05)
    monkeypatch.setattr(heads_module, "CLOSE_PERIOD", 0.05)
    monkeypatch.setattr(heads_module, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(heads_module, "_TICK", 0.005)
    clock = SystemClock()
    async with FakeGcs() as ray:
        heads = Heads(lambda address, *_: GcsClient(address, clock), clock)
        following = Following(heads, ray)
        heads.subscribe(following.woken.append, following.take)
        task = asyncio.create_task(heads.run())
        await asyncio.sleep(0)
        yield following
        task.cancel()
        await asyncio.wait({task})


async def test_a_head_is_asked_and_its_cluster_woken_when_it_answers(following: Following) -> None:
    following.ray.add_node("w0")

    first = following.look()
    await following.answered()

    assert first is None
    assert following.view().nodes.keys() == {"w0"}
    assert following.woken == [KEY]


async def test_a_node_that_joins_or_leaves_wakes_and_one_that_gets_busy_does_not(
    following: Following,
) -> None:
    node = following.ray.add_node("w0")
    await following.answered()

    node.status = pb.RUNNING
    await comes_true(lambda: following.view().busy)
    quiet = list(following.woken)
    node.status = pb.DEAD
    await comes_true(lambda: following.view().dead)

    assert quiet == [KEY]
    assert following.woken == [KEY, KEY]


async def test_who_asks_is_woken_by_the_next_answer_though_nothing_changed(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    await following.answered()
    monkeypatch.setattr(heads_module, "PERIOD", 600.0)
    await comes_true(lambda: following.ray.count(Method.READ_STATE) >= 2)

    following.heads.ask(KEY)

    await comes_true(lambda: len(following.woken) == 2)


async def test_a_silent_head_is_told_after_a_while_and_again_when_it_answers(
    following: Following, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heads_module, "STILL_TRUE", 0.2)
    caplog.set_level("INFO", "rayctl.loops.heads")
    await following.answered()

    await following.ray.stop()
    await comes_true(lambda: isinstance(following.look(), Silence))
    await following.ray.start()
    await following.answered()

    assert caplog.text.count("does not answer") == 1
    assert "answers" in caplog.records[-1].getMessage()


async def test_a_fault_with_one_answer_does_not_end_the_asking(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    following.fault = ZeroDivisionError("ours")
    await following.answered()

    await comes_true(lambda: following.answers >= 3)

    assert "ours" in caplog.text


async def test_a_fault_in_asking_one_head_ends_neither_its_asking_nor_that_of_others(
    following: Following, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask, faults = GcsClient.read_state, iter([OverflowError("ours")] * 2)

    async def fail_twice(client: GcsClient) -> Snapshot:
        for fault in faults:
            raise fault
        return await ask(client)

    monkeypatch.setattr(GcsClient, "read_state", fail_twice)
    other = ClusterKey("ray", "two")

    following.heads.follow(other, "first", following.ray.address, closely=False)
    await following.answered()
    await comes_true(
        lambda: isinstance(
            following.heads.follow(other, "first", following.ray.address, closely=False), RayView
        )
    )

    assert caplog.text.count("Asking the head failed") == 2


async def test_a_report_that_ray_does_not_take_is_told_once_and_is_no_error(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rayctl.loops.heads")
    await following.answered()
    following.ray.fail(Method.REPORT, refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy"), times=2)

    taken = [await following.heads.tell(KEY, Feedback(), ()) for _ in range(3)]

    assert taken == [False, False, True]
    assert caplog.text.count("could not be told") == 1


async def test_another_life_of_the_head_is_asked_anew(following: Following) -> None:
    await following.answered()

    assert following.look("second") is None
    await comes_true(lambda: isinstance(following.look("second"), RayView))
    assert following.heads.is_followed(KEY, "second")
    assert not following.heads.is_followed(KEY, "first")


async def test_a_drain_reaches_ray_with_its_deadline(following: Following) -> None:
    node = following.ray.add_node("w0")
    await following.answered()
    deadline = datetime(2030, 1, 1, tzinfo=UTC)

    answer = await following.heads.drain(KEY, NodeId(node.node_id.hex()), PREEMPTION, "scaled down", deadline)

    (asked,) = following.ray.drains
    assert answer.accepted
    assert (asked.reason_message, asked.deadline_timestamp_ms) == ("scaled down", deadline.timestamp() * 1000)
    assert asked.reason == pb.DRAIN_NODE_REASON_PREEMPTION


async def test_a_head_that_is_left_is_asked_no_more(following: Following) -> None:
    await following.answered()

    following.heads.leave(KEY)
    asked = following.ray.count(Method.READ_STATE)
    await asyncio.sleep(0.3)  # six periods

    assert following.ray.count(Method.READ_STATE) <= asked + 1
    with pytest.raises(GcsError, match="not followed"):
        await following.heads.drain(KEY, NodeId("aa"), PREEMPTION, "why", datetime(2030, 1, 1, tzinfo=UTC))


class _Asked(GcsClient):
    """Answers at once, or never; notes when it was asked."""

    def __init__(self, clock: LoopClock, moments: list[float], *, silent: bool) -> None:
        super().__init__("nowhere:1", clock)
        self._clock = clock
        self._moments = moments
        self._silent = silent

    async def read_state(self) -> Snapshot:
        self._moments.append(self._clock.monotonic())
        if self._silent:
            raise Unreachable("nobody is there")
        return Snapshot("session", 1, self._clock.monotonic(), ())


@pytest.mark.looptime(start=0)
@pytest.mark.parametrize(
    ("silent", "moments_a_second"),
    [pytest.param(False, 10, id="heads that answer"), pytest.param(True, 1, id="silent heads")],
)
async def test_of_many_heads_those_that_are_due_are_asked_together(
    silent: bool, moments_a_second: int
) -> None:
    clock, moments = LoopClock(), list[float]()
    heads = Heads(lambda *_: _Asked(clock, moments, silent=silent), clock)
    task = asyncio.create_task(heads.run())
    await asyncio.sleep(0)
    for number in range(50):
        heads.follow(ClusterKey("ray", str(number)), "first", "nowhere:1", closely=False)
        await asyncio.sleep(0.013)
    await asyncio.sleep(60)
    began = clock.monotonic()
    await asyncio.sleep(100)
    task.cancel()
    await asyncio.wait({task})

    later = [round(moment, 3) for moment in moments if moment > began]
    assert len(later) > 50
    assert len(set(later)) <= 100 * moments_a_second + 1

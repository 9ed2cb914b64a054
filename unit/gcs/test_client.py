"""The client against what a network, a head and whoever runs code on it do to it."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime

import grpc
import pytest

from rayctl.clock import SystemClock
from rayctl.core.autoscale.demand import Demand, DrainReason, Gang, NodeId, NodeStatus, Strategy
from rayctl.core.autoscale.feedback import FailedRequest, Feedback, PendingInstance, PendingRequest
from rayctl.gcs import channel
from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.channel import Method
from rayctl.gcs.client import DrainAnswer, GcsClient
from rayctl.gcs.errors import (
    Garbled,
    GcsError,
    Refused,
    TooLarge,
    Unauthenticated,
    Unreachable,
    Unsupported,
)
from unit.fakes.gcs import Act, FakeGcs, answer, hang, lost, refuse
from unit.waiting import comes_true

CLOCK = SystemClock()
CPU: Demand = Demand((("CPU", 10_000),), 1)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "DEADLINE", 0.3)


async def test_a_read_says_nothing_of_what_was_seen_before(gcs: FakeGcs, client: GcsClient) -> None:
    await client.read_state()
    await client.read_state()

    assert [asked.message for asked in gcs.asked] == [b"", b""]  # anything else may kill the GCS


async def test_a_snapshot_is_of_the_time_when_it_arrived(client: GcsClient) -> None:
    before = CLOCK.monotonic()

    snapshot = await client.read_state()

    assert before <= snapshot.at <= CLOCK.monotonic()


async def test_a_long_answer_does_not_hold_up_the_loop(gcs: FakeGcs, client: GcsClient) -> None:
    for number in range(4000):
        labels = {"ray.io/node-id": f"{number:056x}", "zone": "b" * 200}
        gcs.add_node(f"pod-{number}", labels=labels)
    reading = asyncio.create_task(client.read_state())
    turns = []
    while not reading.done():
        turns.append(CLOCK.monotonic())
        await asyncio.sleep(0)

    snapshot = await reading
    assert len(snapshot.nodes) == 4000
    assert len([turn for turn in turns if turn > snapshot.at]) > 1  # of the loop, while it was read


@pytest.mark.parametrize(
    ("method", "read", "body", "found"),
    [
        pytest.param(
            Method.READ_JOBS, GcsClient.count_drivers, b"\x12\x00" * 90_000, 90_000, id="jobs of two bytes"
        ),
        pytest.param(
            Method.READ_STATUS, GcsClient.read_report_version, b"\x1a\x00" * 200_000, 0, id="unknown fields"
        ),
    ],
)
async def test_an_answer_of_many_small_parts_does_not_hold_up_the_loop(
    gcs: FakeGcs,
    method: Method,
    read: Callable[[GcsClient], Coroutine[None, None, int]],
    body: bytes,
    found: int,
) -> None:
    gcs.fail(method, answer(body))
    arrived: list[float] = []
    turns = []
    async with GcsClient(gcs.address, CLOCK, on_call=lambda *_: arrived.append(CLOCK.monotonic())) as client:
        reading = asyncio.create_task(read(client))
        while not reading.done():
            turns.append(CLOCK.monotonic())
            await asyncio.sleep(0)

    assert await reading == found
    assert len([turn for turn in turns if turn > arrived[0]]) > 1  # of the loop, while it was read


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        pytest.param(hang, Unreachable, "no answer within", id="no answer in time"),
        pytest.param(lost, Unreachable, "Socket closed", id="the answer is lost"),
        pytest.param(answer(b"<html>"), Garbled, "protobuf", id="a page of a proxy"),
        pytest.param(answer(b"\x0a\x05ab"), Garbled, "cut off", id="half an answer"),
        pytest.param(answer(bytes(17 * 2**20)), TooLarge, "larger than max", id="a huge answer"),
        pytest.param(answer(b"\x0a\x02\x1a\x00" * 200_000), TooLarge, "nodes", id="nodes without end"),
        pytest.param(
            refuse(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken"), Unauthenticated, "Inv", id="token"
        ),
        pytest.param(refuse(grpc.StatusCode.UNIMPLEMENTED), Unsupported, "no", id="an old Ray"),
        pytest.param(refuse(grpc.StatusCode.INTERNAL), Garbled, "no", id="no gRPC"),
        pytest.param(refuse(grpc.StatusCode.CANCELLED), Unreachable, "no", id="a server that goes down"),
        pytest.param(
            refuse(grpc.StatusCode.RESOURCE_EXHAUSTED), Refused, "no", id="a server that has enough"
        ),
        pytest.param(refuse(grpc.StatusCode.ABORTED, "Invalid: x"), Refused, "Invalid: x", id="Ray's own no"),
    ],
)
@pytest.mark.usefixtures("brief")
async def test_an_answer_that_is_none_is_an_error_of_its_kind(
    gcs: FakeGcs, client: GcsClient, act: Act, error: type[GcsError], words: str
) -> None:
    gcs.fail(Method.READ_STATE, act)

    with pytest.raises(error, match=words):
        await client.read_state()

    assert (await client.read_state()).session == "session_1"  # the next one is as good as ever
    assert gcs.count(Method.READ_STATE) == 2


async def test_a_failed_call_says_which_and_where(gcs: FakeGcs, client: GcsClient) -> None:
    gcs.fail(Method.DRAIN, refuse(grpc.StatusCode.ABORTED, "Invalid: deadline"))

    with pytest.raises(Refused) as caught:
        await client.drain(NodeId("ab"), DrainReason.IDLE, "idle")

    assert str(caught.value) == f"DrainNode at {gcs.address}: Invalid: deadline"
    assert (caught.value.code, caught.value.words) == ("ABORTED", "Invalid: deadline")


async def test_words_of_a_head_come_as_one_short_line(gcs: FakeGcs, client: GcsClient) -> None:
    gcs.fail(Method.READ_STATE, refuse(grpc.StatusCode.ABORTED, "a\nb\x1b[31m" + "c" * 5000))

    with pytest.raises(Refused) as caught:
        await client.read_state()

    assert str(caught.value).isprintable()
    assert caught.value.words.startswith("a b [31mccc")
    assert len(caught.value.words) == 300


async def test_an_answer_that_is_small_until_it_is_unpacked_is_too_large() -> None:
    async with FakeGcs(compression=grpc.Compression.Gzip) as gcs, GcsClient(gcs.address, CLOCK) as client:
        gcs.fail(Method.READ_STATE, answer(bytes(40 * 2**20)))

        with pytest.raises(TooLarge, match="Decompressed"):
            await client.read_state()


async def test_a_head_that_comes_back_is_found_at_once(gcs: FakeGcs, client: GcsClient) -> None:
    await client.read_state()
    await gcs.stop()
    for _ in range(5):
        with pytest.raises(Unreachable):
            await client.read_state()

    await gcs.start()

    assert (await client.read_state()).session == "session_1"


@pytest.mark.usefixtures("brief")
async def test_a_call_that_fails_does_not_end_those_beside_it(
    gcs: FakeGcs, client: GcsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcs.fail(Method.READ_STATE, hang)
    release = asyncio.Event()

    async def slow(_context: object, serve: object) -> bytes:
        await release.wait()
        return pb.DrainNodeReply(is_accepted=True).SerializeToString()

    failing = asyncio.create_task(client.read_state())
    await comes_true(lambda: gcs.asked)
    gcs.fail(Method.DRAIN, slow)
    monkeypatch.setattr(channel, "DEADLINE", 10.0)  # of the call that succeeds
    draining = asyncio.create_task(client.drain(NodeId("ab"), DrainReason.IDLE, "idle"))
    with pytest.raises(Unreachable):
        await failing
    release.set()

    assert await draining == DrainAnswer(accepted=True)


@pytest.mark.parametrize(
    "babble",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", id="a web server"),
        pytest.param(b"-ERR unknown command\r\n", id="Redis, as in Ray 1"),
        pytest.param(b"\x00" * 4096, id="zeros"),
        pytest.param(b"", id="hangs up"),
    ],
)
async def test_something_else_on_that_port_is_an_error(babble: bytes) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(babble)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, GcsClient(f"127.0.0.1:{port}", CLOCK) as client:
        with pytest.raises(GcsError, match=f"GetClusterResourceState at 127.0.0.1:{port}: "):
            await client.read_state()


@pytest.mark.usefixtures("brief")
async def test_a_listener_that_never_speaks_is_unreachable() -> None:
    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    done = asyncio.Event()
    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server, GcsClient(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", CLOCK) as client:
        with pytest.raises(Unreachable, match="no answer within"):
            await client.read_state()
        done.set()


async def test_the_token_goes_with_each_call(gcs: FakeGcs) -> None:
    gcs.token = "secret"

    async with GcsClient(gcs.address, CLOCK, "secret\n") as client:
        await client.read_state()
        await client.drain(NodeId("ab"), DrainReason.IDLE, "idle")

    assert [asked.metadata["authorization"] for asked in gcs.asked] == ["Bearer secret"] * 2


@pytest.mark.parametrize("token", ["", "other", "b\x00nary", "sécret"])
async def test_a_wrong_token_is_told_and_not_shown(gcs: FakeGcs, token: str) -> None:
    gcs.token = "secret"

    async with GcsClient(gcs.address, CLOCK, token) as client:
        with pytest.raises(Unauthenticated) as caught:
            await client.read_state()

    assert "secret" not in str(caught.value)
    assert not token or token not in str(caught.value)


async def test_closing_ends_calls_under_way(gcs: FakeGcs, client: GcsClient) -> None:
    gcs.fail(Method.READ_STATE, hang)
    reading = asyncio.create_task(client.read_state())
    await comes_true(lambda: gcs.asked)

    await client.close()

    with pytest.raises(Unreachable, match="closed"):
        await reading


async def test_a_task_that_is_cancelled_is_cancelled(gcs: FakeGcs, client: GcsClient) -> None:
    gcs.fail(Method.READ_STATE, hang)
    reading = asyncio.create_task(client.read_state())
    await comes_true(lambda: gcs.asked)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_each_call_is_observed_with_its_code(gcs: FakeGcs) -> None:
    calls: list[tuple[Method, str]] = []

    def note(method: Method, code: str, seconds: float) -> None:
        assert seconds >= 0
        calls.append((method, code))

    async with GcsClient(gcs.address, CLOCK, on_call=note) as client:
        await client.read_state()
        await gcs.stop()
        with pytest.raises(Unreachable):
            await client.report(Feedback(), 1)

    assert calls == [(Method.READ_STATE, "OK"), (Method.REPORT, "UNAVAILABLE")]


async def test_where_nobody_listens_no_channel_is_made(gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    await gcs.stop()
    calls: list[tuple[Method, str]] = []
    monkeypatch.setattr(grpc.aio, "insecure_channel", None)

    async with GcsClient(gcs.address, CLOCK, on_call=lambda *call: calls.append(call[:2])) as client:
        with pytest.raises(Unreachable, match=f"GetClusterResourceState at {gcs.address}: .*refused"):
            await client.read_state()

    assert calls == [(Method.READ_STATE, "UNAVAILABLE")]


async def test_proxies_of_the_environment_are_not_used(
    gcs: FakeGcs, client: GcsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    await client.read_state()

    assert gcs.count(Method.READ_STATE) == 1


@pytest.mark.parametrize(
    ("reason", "number"),
    [
        (DrainReason.IDLE, pb.DRAIN_NODE_REASON_IDLE_TERMINATION),
        (DrainReason.PREEMPTION, pb.DRAIN_NODE_REASON_PREEMPTION),
    ],
)
async def test_a_drain_says_who_why_and_until_when(
    gcs: FakeGcs, client: GcsClient, reason: DrainReason, number: pb.DrainNodeReason
) -> None:
    deadline = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)

    await client.drain(NodeId("0a" * 28), reason, "max lowered", deadline)
    await client.drain(NodeId("0a" * 28), reason, "idle")

    first, second = gcs.drains
    assert (first.node_id, first.reason, first.reason_message) == (b"\n" * 28, number, "max lowered")
    assert first.deadline_timestamp_ms == 1_795_521_600_250
    assert second.deadline_timestamp_ms == 0


async def test_a_report_tells_all_that_is_pending_failed_and_infeasible(
    gcs: FakeGcs, client: GcsClient
) -> None:
    big = Demand((("CPU", 640_000), ("x", 5_000)), 3)
    gang = Gang(Strategy.STRICT_SPREAD, (Demand((("CPU", 640_000),), 2),))
    feedback = Feedback(
        pending_instances=(PendingInstance("pod-7", "gpu", "ImagePullBackOff: no such image", "10.0.0.7"),),
        pending_requests=(PendingRequest("cpu"), PendingRequest("cpu")),
        failed_requests=(FailedRequest("gpu", 2, "quota", 100.5, 200.5),),
        infeasible=(big,),
        infeasible_gangs=(gang,),
        infeasible_constraint=(big,),
    )

    await client.report(feedback, 7)

    assert await client.read_report_version() == 7
    state = gcs.reported
    assert [(pod.instance_id, pod.ray_node_type_name) for pod in state.pending_instances] == [
        ("pod-7", "gpu")
    ]
    assert [request.ray_node_type_name for request in state.pending_instance_requests] == ["cpu", "cpu"]
    assert [
        (failed.count, failed.start_ts, failed.failed_ts) for failed in state.failed_instance_requests
    ] == [(2, 100, 200)]
    (shape,) = state.infeasible_resource_requests
    assert dict(shape.resources_bundle) == {"CPU": 64.0, "x": 0.5}
    assert len(state.infeasible_gang_resource_requests[0].requests) == 2
    assert state.infeasible_cluster_resource_constraints[0].resource_requests[0].count == 3


async def test_without_a_report_the_version_is_0(client: GcsClient) -> None:
    assert await client.read_report_version() == 0


async def test_an_answer_of_each_life_of_the_head_stands_for_itself(gcs: FakeGcs, client: GcsClient) -> None:
    gcs.add_node("old", status=pb.RUNNING)
    first = await client.read_state()
    gcs.forget("session_2")
    gcs.add_node("new", status=pb.RUNNING)

    second = await client.read_state()

    assert (first.session, [node.pod for node in first.nodes]) == ("session_1", ["old"])
    assert (second.session, [node.pod for node in second.nodes]) == ("session_2", ["new"])
    assert second.nodes[0].status is NodeStatus.RUNNING

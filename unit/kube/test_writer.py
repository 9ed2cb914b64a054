"""The fence: nothing leaves once the lease may be lost. And what a deletion that is refused tells."""

import asyncio

import pytest

from rayctl.api.moment import Monotonic
from rayctl.api.names import ClusterKey, PodName, Uid
from rayctl.clock import SystemClock
from rayctl.kube.client import CALL_TIMEOUT, KubeClient
from rayctl.kube.errors import Conflict, Fenced, Throttled, Unreachable
from rayctl.kube.writer import Writer
from unit.builders import a_pod_config
from unit.fakes.apiserver import FakeApiServer, answer, hang, slow
from unit.fakes.objects import Place
from unit.waiting import comes_true

CLOCK = SystemClock()
POD = a_pod_config(metadata={"name": "a"})


def a_writer(client: KubeClient, seconds: float) -> Writer:
    """A writer that may act for so many seconds from now."""
    until = Monotonic(CLOCK.monotonic() + seconds)
    return Writer(client, lambda: until, CLOCK)


async def test_nothing_is_sent_when_the_time_is_over(server: FakeApiServer, client: KubeClient) -> None:
    with pytest.raises(Fenced, match="cannot create pods in namespace ray: this replica's lease"):
        await a_writer(client, 0).create_pod("ray", POD)

    assert server.asked == []


async def test_no_request_lasts_longer_than_the_time_that_is_left(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.fail("create", "pods", hang())

    async with asyncio.timeout(CALL_TIMEOUT / 2):
        with pytest.raises(Unreachable):
            await a_writer(client, 0.3).create_pod("ray", POD)


async def test_what_is_put_off_beyond_the_time_that_is_left_is_not_sent_again(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.fail("create", "pods", answer(429, "TooManyRequests", Retry_After="1"), times=10)

    with pytest.raises(Throttled):
        await a_writer(client, 0.5).create_pod("ray", POD)

    assert server.count("create", "pods") == 1


async def test_a_process_that_was_stopped_with_a_request_on_its_way_out_does_not_send_it(
    server: FakeApiServer, client: KubeClient
) -> None:
    looks = 0

    def valid_until() -> Monotonic:
        nonlocal looks
        looks += 1  # the second look is in the moment before the request leaves: by then time is over
        return Monotonic(CLOCK.monotonic() + (10 if looks == 1 else 0))

    with pytest.raises(Fenced):
        await Writer(client, valid_until, CLOCK).create_pod("ray", POD)

    assert server.asked == []


async def test_a_lease_that_is_renewed_meanwhile_lets_writes_go_on(client: KubeClient) -> None:
    until = CLOCK.monotonic() + 0.2

    def valid_until() -> Monotonic:
        return Monotonic(until)

    writer = Writer(client, valid_until, CLOCK)
    await writer.create_pod("ray", POD)
    until += 10
    await asyncio.sleep(0.25)

    assert (await writer.read_pod("ray", PodName("a"))).name == "a"


async def test_what_was_sent_is_waited_for_though_its_sender_has_given_up(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.fail("create", "pods", slow(0.2))
    writer = a_writer(client, 10)
    sender = asyncio.create_task(writer.create_pod("ray", POD))
    await comes_true(lambda: server.count("create", "pods"))

    sender.cancel()
    await writer.finish()

    assert sender.cancelled()
    assert server.objects.get(Place("pods", "ray", "a"))


async def test_an_answer_that_does_not_come_is_not_waited_for(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.fail("create", "pods", hang())
    writer = a_writer(client, CALL_TIMEOUT)
    sender = asyncio.create_task(writer.create_pod("ray", POD))
    await comes_true(lambda: server.count("create", "pods"))

    sender.cancel()
    async with asyncio.timeout(CALL_TIMEOUT / 2):
        await writer.finish()


async def test_a_conflict_does_not_make_a_pod_gone_that_is_there(
    server: FakeApiServer, client: KubeClient
) -> None:
    writer, key = a_writer(client, 10), ClusterKey("ray", "any")
    made = await writer.create_pod("ray", POD)
    server.fail("delete", "pods", answer(409, "Conflict"), times=2)

    with pytest.raises(Conflict):
        await writer.delete_pod(key, made.name, made.uid)
    assert await writer.delete_pod(key, made.name, Uid("another")) is None

    assert (await writer.read_pod("ray", made.name)).uid == made.uid

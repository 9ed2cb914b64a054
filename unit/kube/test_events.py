"""Events: one for each thing that is worth telling, counted up when it goes on."""

import asyncio
import math
from typing import Any

import pytest

from rayctl.api.moment import Monotonic
from rayctl.api.observed import ClusterView
from rayctl.api.status import RayClusterStatus
from rayctl.core.reconcile.actions import Note, Reason
from rayctl.kube.client import KubeClient
from rayctl.kube.events import Events
from rayctl.kube.writer import Writer
from unit.builders import KEY, UID, a_cluster
from unit.fakes.apiserver import FakeApiServer, answer
from unit.fakes.clock import SetClock

VIEW = ClusterView(
    key=KEY,
    uid=UID,
    resource_version=1,
    generation=1,
    deleting=False,
    spec=a_cluster(),
    status=RayClusterStatus(),
)
ENDED = Note(Reason.POD_ENDED, "it ended", warning=True)
FOREVER = Monotonic(math.inf)


async def send(events: Events) -> None:
    task = asyncio.create_task(events.run())
    await asyncio.wait_for(events.sent(), 5)
    task.cancel()
    await asyncio.wait({task})


def stored(server: FakeApiServer) -> list[dict[str, Any]]:
    return server.objects.list_of("events", KEY.namespace)


async def test_the_same_again_is_counted_and_sent_once_a_minute(
    server: FakeApiServer, client: KubeClient
) -> None:
    clock = SetClock()
    events = Events(Writer(client, lambda: FOREVER, clock), clock, "me")

    for _ in range(130):
        events.tell(VIEW, ENDED)
        clock.now += 1
    await send(events)

    assert [(event["count"], event["lastTimestamp"]) for event in stored(server)] == [
        (121, "2026-01-01T00:02:00Z")
    ]
    assert (server.count("create", "events"), server.count("patch", "events")) == (1, 2)


async def test_another_text_is_another_event(server: FakeApiServer, client: KubeClient) -> None:
    clock = SetClock()
    events = Events(Writer(client, lambda: FOREVER, clock), clock, "me")

    events.tell(VIEW, ENDED)
    events.tell(VIEW, Note(Reason.POD_ENDED, "so did another", warning=True))
    await send(events)

    assert len(stored(server)) == 2
    assert stored(server)[0]["involvedObject"]["uid"] == UID
    assert {event["type"] for event in stored(server)} == {"Warning"}


@pytest.mark.parametrize(
    "until", [pytest.param(-math.inf, id="fenced"), pytest.param(math.inf, id="refused")]
)
async def test_an_event_that_cannot_be_sent_is_dropped_and_the_next_one_is_not(
    server: FakeApiServer, client: KubeClient, until: float
) -> None:
    clock = SetClock()
    valid = [until]
    events = Events(Writer(client, lambda: Monotonic(valid[0]), clock), clock, "me")
    if until == math.inf:
        server.fail("create", "events", answer(403, "Forbidden"))
    events.tell(VIEW, ENDED)
    await send(events)
    assert stored(server) == []

    valid[0] = math.inf
    events.tell(VIEW, Note(Reason.ACCEPTED, "all is well"))
    await send(events)

    assert [event["reason"] for event in stored(server)] == ["Accepted"]


async def test_a_flood_is_dropped_rather_than_kept(
    client: KubeClient, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SetClock()
    events = Events(Writer(client, lambda: FOREVER, clock), clock, "me")

    for number in range(1001):
        events.tell(VIEW, Note(Reason.POD_ENDED, f"pod {number} ended"))

    assert caplog.text.count("an Event was dropped") == 1

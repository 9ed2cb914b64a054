"""What a new leader shows to people."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rayctl.core.election.candidate import Election
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.lease import LeaseStore
from rayctl.kube.terminations import Terminations
from rayctl.kube.writer import Writer
from rayctl.manager import signs as signs_module
from rayctl.manager.leadership import Leadership
from rayctl.manager.signs import Signs
from unit.builders import a_pod_config
from unit.fakes.apiserver import FakeApiServer, answer, lost
from unit.fakes.clock import LoopClock
from unit.fakes.objects import Object, Place
from unit.manager.conftest import LONG_TERMS, PLACE
from unit.waiting import comes_true

Lead = Callable[[str], Awaitable[asyncio.Task[None]]]


@pytest.fixture
async def lead(server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lead]:
    """A function that has a replica in a pod of that name lead, until it is cancelled."""
    monkeypatch.setattr(signs_module, "AGAIN_AFTER", 0.01)
    clock = LoopClock()
    connection = await Connection.open(Source(server.kubeconfig(tmp_path)), clock)
    started: list[asyncio.Task[None]] = []
    async with KubeClient(connection, clock, identity="me") as client:

        async def start(pod: str) -> asyncio.Task[None]:
            store = LeaseStore(client, "ray", "ray-operator", clock)
            election = Election(f"{pod}_uid_now", LONG_TERMS)
            leadership = Leadership(store, Terminations(client, "ray", clock), election, clock)
            signs = Signs(Writer(client, leadership.valid_until, clock), store, leadership, clock)

            async def work() -> None:
                await signs.show("ray", pod)
                await asyncio.Event().wait()

            async def barrier() -> None:
                return

            server.objects.create(
                Place("pods", "ray", pod), a_pod_config(metadata={"name": pod, "namespace": "ray"})
            )
            task = asyncio.create_task(leadership.run(work, barrier))
            started.append(task)
            await comes_true(lambda: leadership.is_leader)
            return task

        yield start
        for task in started:
            task.cancel()
        await asyncio.wait(started)


def marked(server: FakeApiServer) -> list[str]:
    pods = server.objects.list_of("pods", "ray")
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"].get("labels", {}).get("cluster.ray.io/leader") == "true"
    ]


def announced(server: FakeApiServer) -> list[Object]:
    return server.objects.list_of("events", "ray")


async def test_each_change_of_leadership_is_an_event_on_the_lease(server: FakeApiServer, lead: Lead) -> None:
    first = await lead("a")
    await comes_true(lambda: len(announced(server)) == 1)
    first.cancel()
    await asyncio.wait({first})
    await lead("b")
    await comes_true(lambda: len(announced(server)) == 2)

    told = sorted((event["reason"], event["message"]) for event in announced(server))
    assert told == [
        ("LeaderElection", "a_uid_now leads: there was no lease"),
        ("LeaderElection", "b_uid_now leads: nobody held the lease"),
    ]
    lease = server.objects.get(PLACE)["metadata"]
    about = announced(server)[1]["involvedObject"]
    assert (about["kind"], about["name"], about["uid"]) == ("Lease", "ray-operator", lease["uid"])


async def test_the_label_is_on_the_leaders_pod_alone(server: FakeApiServer, lead: Lead) -> None:
    first = await lead("a")
    await comes_true(lambda: marked(server) == ["a"])
    first.cancel()
    await asyncio.wait({first})
    assert marked(server) == ["a"], "who does not lead does not write"

    await lead("b")

    await comes_true(lambda: marked(server) == ["b"])


@pytest.mark.parametrize(
    "fault", [pytest.param(answer(500), id="refused"), pytest.param(lost, id="its answer is lost")]
)
async def test_what_fails_is_tried_again_and_shown_once(
    server: FakeApiServer, lead: Lead, fault: Any
) -> None:
    server.fail("create", "events", fault, times=2)
    server.fail("patch", "pods", fault, times=2)

    await lead("a")

    await comes_true(lambda: marked(server) == ["a"] and len(announced(server)) == 1)
    await comes_true(lambda: server.count("create", "events") >= 2)
    asked = len(server.asked)
    await asyncio.sleep(0.2)  # many times as long as between two attempts
    assert len(server.asked) - asked < 5


async def test_a_right_that_is_missing_is_told_and_not_asked_for_again(
    server: FakeApiServer, lead: Lead, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail("create", "events", answer(403, "Forbidden", 'cannot create resource "events"'), times=10)

    await lead("a")

    await comes_true(lambda: marked(server) == ["a"])
    await comes_true(lambda: "missing right: create on events in namespace ray" in caplog.text)
    assert server.count("create", "events") == 1

"""A leader that crashed is followed at once where the kubelet says so, and waited for where it does not."""

import asyncio
from typing import Any

import pytest

from rayctl.manager.leadership import identity_of
from unit.builders import a_pod_config
from unit.fakes.apiserver import FakeApiServer, answer
from unit.fakes.objects import Place
from unit.manager.conftest import LONG_TERMS, PLACE, MakeReplica, Replica
from unit.waiting import comes_true

POD = Place("pods", "ray", "operator-a")
LEADER = identity_of("operator-a", "uid-a", "20260101T120000.000000")


@pytest.fixture
async def standby(server: FakeApiServer, replica: MakeReplica) -> Replica:
    """Waits for a leader that has crashed just now, though nobody knows it yet."""
    server.objects.create(POD, a_pod_config(metadata={"name": POD.name, "namespace": "ray"}))
    leader, standby = replica(LEADER, LONG_TERMS), replica("standby", LONG_TERMS)
    leader.start()
    await comes_true(lambda: "works" in leader.diary)
    standby.start()
    await comes_true(lambda: standby.leadership.leader == LEADER and server.count("watch", "pods"))
    server.fail("update", "leases", answer(500), times=10**6, only=lambda asked: LEADER in asked.user_agent)
    return standby


def report(server: FakeApiServer, state: str, **terminated: Any) -> None:
    """Have the kubelet report a container that has ended."""
    status = {"containerStatuses": [{"name": "ray-operator", state: {"terminated": terminated}}]}
    server.objects.merge(POD, {"status": status}, status=True)


@pytest.mark.parametrize("state", ["state", "lastState"])
async def test_a_leader_whose_container_has_ended_is_followed_at_once(
    server: FakeApiServer, standby: Replica, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    report(server, state, exitCode=137, reason="OOMKilled", message=LEADER)

    await comes_true(lambda: "works" in standby.diary)
    assert f"leading as standby: the container of {LEADER} has ended" in caplog.text
    assert server.objects.get(PLACE)["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize(
    "terminated",
    [
        pytest.param({"exitCode": 1, "message": ""}, id="a container that wrote nothing"),
        pytest.param(
            {
                "exitCode": 137,
                "reason": "ContainerStatusUnknown",
                "message": "The container could not be located when the pod was deleted.",
            },
            id="a container that the kubelet has not found",
        ),
        pytest.param(
            {"exitCode": 1, "message": identity_of("operator-a", "uid-a", "20260101T110000.000000")},
            id="an earlier container of the same pod",
        ),
    ],
)
async def test_what_is_no_word_of_its_end_is_waited_out(
    server: FakeApiServer, standby: Replica, terminated: dict[str, Any]
) -> None:
    report(server, "state", **terminated)
    server.objects.delete(POD, {"gracePeriodSeconds": 0})

    await asyncio.sleep(0.5)

    assert standby.diary == []
    assert standby.leadership.leader == LEADER


async def test_a_container_that_is_started_again_follows_the_one_before_it_at_once(
    server: FakeApiServer, standby: Replica, replica: MakeReplica
) -> None:
    await standby.end()
    report(server, "lastState", exitCode=1, message=LEADER)
    again = replica(identity_of("operator-a", "uid-a", "20260101T120500.000000"), LONG_TERMS)

    again.start()

    await comes_true(lambda: "works" in again.diary)


async def test_one_pod_is_watched_while_another_leads_and_none_by_a_leader(
    server: FakeApiServer, standby: Replica
) -> None:
    report(server, "state", exitCode=137, message=LEADER)
    await comes_true(lambda: "works" in standby.diary)
    watches = [asked for asked in server.asked if asked.verb == "watch" and asked.plural == "pods"]

    assert [asked.query["fieldSelector"] for asked in watches] == ["metadata.name=operator-a"]

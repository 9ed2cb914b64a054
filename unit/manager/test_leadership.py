"""Leadership on a Lease: who works, when the work is stopped, and what is left behind."""

import asyncio
import logging
import re
from typing import Any

import pytest

from rayctl.manager.leadership import identity_of, pod_of
from unit.fakes.apiserver import FakeApiServer, answer, hang, lost
from unit.manager.conftest import LONG_TERMS, PLACE, TERMS, MakeReplica
from unit.waiting import comes_true


def spec(server: FakeApiServer) -> dict[str, Any]:
    found: dict[str, Any] = server.objects.get(PLACE)["spec"]
    return found


async def test_the_work_starts_behind_the_barrier(replica: MakeReplica) -> None:
    one = replica("one")
    one.start()

    await comes_true(lambda: "works" in one.diary)

    assert one.diary == ["barrier", "works"]
    assert one.leadership.is_leader
    assert one.leadership.leader == "one"


async def test_only_one_of_three_works(server: FakeApiServer, replica: MakeReplica) -> None:
    three = [replica(name) for name in ("one", "two", "three")]
    for one in three:
        one.start()
    await comes_true(lambda: any(one.diary for one in three))
    await asyncio.sleep(1.2)  # longer than a lease

    assert sorted(one.diary for one in three) == [[], [], ["barrier", "works"]]
    assert sum(one.leadership.is_leader for one in three) == 1
    assert spec(server)["leaseTransitions"] == 0
    assert re.fullmatch(r"\S+T\S+\.\d{6}Z", spec(server)["renewTime"])


async def test_a_renewal_needs_no_read(server: FakeApiServer, replica: MakeReplica) -> None:
    one = replica("one")
    one.start()
    await comes_true(lambda: server.count("update", "leases") >= 3)

    assert server.count("get", "leases") == 1


async def test_work_is_stopped_when_renewals_hang_and_begins_again_when_they_do_not(
    server: FakeApiServer, replica: MakeReplica
) -> None:
    one = replica("one")
    one.start()
    await comes_true(lambda: "works" in one.diary)
    server.fail("update", "leases", hang(), times=1000)
    server.fail("get", "leases", hang(), times=1000)

    await comes_true(lambda: "stopped" in one.diary)
    assert not one.leadership.is_leader

    server.heal()
    await comes_true(lambda: one.diary == ["barrier", "works", "stopped", "barrier", "works"])


async def test_a_stolen_lease_stops_the_work_at_once_though_a_renewal_hangs(
    server: FakeApiServer, replica: MakeReplica
) -> None:
    one = replica("one", LONG_TERMS)
    one.start()
    await comes_true(lambda: "works" in one.diary)
    server.fail("update", "leases", hang(), times=1000)
    asked = server.count("update", "leases")
    await comes_true(lambda: server.count("update", "leases") > asked)

    server.objects.merge(PLACE, {"spec": {"holderIdentity": "thief"}})

    await comes_true(lambda: not one.leadership.is_leader)
    await comes_true(lambda: "stopped" in one.diary)


async def test_a_deleted_lease_stops_the_work_and_is_fought_for_anew(
    server: FakeApiServer, replica: MakeReplica
) -> None:
    one = replica("one")
    one.start()
    await comes_true(lambda: "works" in one.diary)

    server.objects.delete(PLACE, {})

    await comes_true(lambda: one.diary == ["barrier", "works", "stopped", "barrier", "works"])


async def test_a_process_that_was_stopped_past_its_lease_stops_its_work_and_says_why(
    replica: MakeReplica, caplog: pytest.LogCaptureFixture
) -> None:
    one = replica("one")
    one.start()
    await comes_true(lambda: "works" in one.diary)

    one.clock.ahead += 60  # as a process finds the clock that was stopped for a minute

    assert not one.leadership.is_leader
    await comes_true(lambda: "stopped" in one.diary)
    await comes_true(lambda: "not renewed for 0.8 s" in caplog.text)


async def test_the_lease_is_given_away_only_after_the_work_has_stopped(
    server: FakeApiServer, replica: MakeReplica
) -> None:
    one, two = replica("one"), replica("two")
    one.stop_for = 0.2
    one.start()
    await comes_true(lambda: "works" in one.diary)
    two.start()
    await comes_true(lambda: two.leadership.leader == "one")

    held = asyncio.create_task(one.end())
    await asyncio.sleep(0.1)
    assert spec(server)["holderIdentity"] == "one"
    await comes_true(lambda: two.leadership.is_leader)

    assert one.diary[-1] == "stopped"
    assert spec(server)["leaseTransitions"] == 1
    await held


async def test_a_hand_over_does_not_wait_for_the_lease_to_run_out(replica: MakeReplica) -> None:
    one, two = replica("one", LONG_TERMS), replica("two", LONG_TERMS)
    one.start()
    await comes_true(lambda: "works" in one.diary)
    two.start()
    await comes_true(lambda: two.leadership.leader == "one")

    await one.end()

    await comes_true(lambda: "works" in two.diary)


async def test_a_lease_is_given_away_though_a_renewal_was_under_way(
    server: FakeApiServer, replica: MakeReplica
) -> None:
    one = replica("one")
    one.start()
    await comes_true(lambda: "works" in one.diary)
    asked = server.count("update", "leases")
    server.fail("update", "leases", _slowly)
    await comes_true(lambda: server.count("update", "leases") > asked)

    await one.end()

    assert spec(server)["holderIdentity"] == ""


async def _slowly(request: Any, serve: Any) -> Any:
    done = asyncio.create_task(serve(request))  # takes effect, whatever becomes of who asked
    await asyncio.sleep(0.2)
    return await done


async def test_an_acquisition_whose_answer_was_lost_is_known_by_its_record(
    server: FakeApiServer, replica: MakeReplica
) -> None:
    one = replica("one", LONG_TERMS)
    server.fail("create", "leases", lost)
    one.start()

    await comes_true(lambda: "works" in one.diary)


async def test_an_error_of_the_work_ends_it_all_and_gives_the_lease_away(
    server: FakeApiServer, replica: MakeReplica
) -> None:
    one = replica("one")
    one.error = RuntimeError("broken")
    one.start()
    assert one.task is not None

    with pytest.raises(ExceptionGroup) as caught:
        await one.task

    assert [str(error) for error in caught.value.exceptions] == ["broken"]
    assert spec(server)["holderIdentity"] == ""


async def test_a_missing_right_is_named_once_and_tried_again_without_a_hot_loop(
    server: FakeApiServer, replica: MakeReplica, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rayctl.manager.leadership")
    words = 'leases.coordination.k8s.io "ray-operator" is forbidden: User "x" cannot create resource "leases"'
    server.fail("create", "leases", answer(403, "Forbidden", words), times=1000)
    one = replica("one")
    began = one.clock.monotonic()
    one.start()

    await comes_true(lambda: server.count("create", "leases") >= 4)

    assert caplog.text.count("missing right: create on leases.coordination.k8s.io in namespace ray") == 1
    most = 1 + (one.clock.monotonic() - began) / (TERMS.retry_period / 2)
    assert server.count("create", "leases") <= most
    server.heal()
    await comes_true(lambda: "works" in one.diary)


async def test_a_server_that_comes_back_is_led_again(server: FakeApiServer, replica: MakeReplica) -> None:
    one = replica("one")
    one.start()
    await comes_true(lambda: "works" in one.diary)
    await server.stop()
    await comes_true(lambda: "stopped" in one.diary)
    assert not one.leadership.is_leader

    await server.start()

    await comes_true(lambda: one.diary.count("works") == 2)


@pytest.mark.parametrize(
    ("parts", "identity", "pod"),
    [
        pytest.param(
            ("pod-a", "uid-a", "20260101T120000"), "pod-a_uid-a_20260101T120000", "pod-a", id="in a pod"
        ),
        pytest.param(("laptop", "", "20260101T120000"), "laptop_20260101T120000", "", id="outside of one"),
    ],
)
def test_an_identity_names_pod_and_process(parts: tuple[str, str, str], identity: str, pod: str) -> None:
    assert identity_of(*parts) == identity
    assert pod_of(identity) == pod


@pytest.mark.parametrize("holder", ["", "host_2f6c1d7e-0b1f-4f0e-8d6e-5f4c3b2a1908", "thief"])
def test_a_foreign_holders_name_names_no_pod(holder: str) -> None:
    assert pod_of(holder) == ""

"""What a cluster's status says of what is seen."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from rayctl.api.document import FieldError, SpecError
from rayctl.api.names import PodKind, Role, Uid
from rayctl.api.observed import ClusterView
from rayctl.api.status import Phase, RayClusterStatus, settle
from rayctl.core.reconcile.actions import Reason
from rayctl.core.reconcile.decide import refuse
from rayctl.core.reconcile.seen import Silence
from rayctl.core.reconcile.trouble import Trouble
from unit.builders import KEY, UID, a_cluster, a_pod, a_pod_type
from unit.core.reconcile.passes import (
    HEAD,
    NOW,
    pass_over,
    seen,
)


@pytest.mark.parametrize("missing", ["head", "worker", "head not ready", "worker not ready"])
def test_a_cluster_is_running_only_with_its_head_and_all_its_workers_ready(missing: str) -> None:
    cluster = a_cluster(workers=1)
    pods = {
        "head": a_pod("h", head=True, ready="head not ready" not in missing),
        "worker": a_pod("w", ready="worker not ready" not in missing),
    }
    pods.pop(missing, None)

    decision = pass_over(cluster, seen(cluster, *pods.values()))

    assert decision.status.phase != Phase.RUNNING


def test_the_generation_is_observed_only_when_nothing_is_left_to_do() -> None:
    cluster = replace(a_cluster(workers=1), generation=7)
    before = RayClusterStatus(observed_generation=6)

    busy = pass_over(cluster, seen(cluster, a_pod("h", head=True), status=before))
    settled = pass_over(cluster, seen(cluster, a_pod("h", head=True), a_pod("w"), status=before))

    assert busy.status.observed_generation == 6
    assert settled.status.observed_generation == 7


def test_a_head_that_was_replaced_is_counted_once() -> None:
    cluster = a_cluster(workers=0)
    first = pass_over(cluster, seen(cluster, a_pod("h", head=True, uid=Uid("1")))).status

    lost = pass_over(cluster, seen(cluster, status=first)).status
    again = pass_over(cluster, seen(cluster, a_pod("h", head=True, uid=Uid("2")), status=lost)).status
    later = pass_over(cluster, seen(cluster, a_pod("h", head=True, uid=Uid("2")), status=again)).status

    assert [s.autoscaler_retries for s in (first, lost, again, later)] == [0, 0, 1, 1]


def test_a_head_that_was_started_again_in_place_is_counted_once() -> None:
    cluster = a_cluster(workers=0)
    first = pass_over(cluster, seen(cluster, a_pod("h", head=True, restarts=1))).status

    again = pass_over(cluster, seen(cluster, a_pod("h", head=True, restarts=2), status=first)).status
    later = pass_over(cluster, seen(cluster, a_pod("h", head=True, restarts=2), status=again)).status

    assert [s.autoscaler_retries for s in (first, again, later)] == [0, 1, 1]


def test_an_odd_spec_runs_and_says_what_is_odd() -> None:
    types = (a_pod_type("head-node"), a_pod_type("a", min_workers=5, max_workers=2))
    cluster = a_cluster(pod_types=types, max_workers=9)

    decision = pass_over(cluster, seen(cluster))

    accepted = decision.status.find_condition("Accepted")
    assert accepted is not None
    assert accepted.true
    assert "spec.podTypes[1].minWorkers 5 is above maxWorkers 2" in accepted.message


def test_a_service_that_is_refused_is_told_also_while_the_head_starts() -> None:
    cluster = a_cluster()
    trouble = Trouble(1, NOW.timestamp() + 5, "exceeded quota: no Services")
    head = a_pod("h", head=True, ready=False)

    status = pass_over(cluster, seen(cluster, head, service_fingerprint=None, service_trouble=trouble)).status

    told = status.find_condition("HeadReady")
    assert told is not None
    assert (told.true, told.reason) == (False, "FailedService")
    assert told.message == "exceeded quota: no Services"
    assert status.phase == Phase.ERROR


def test_a_head_that_keeps_failing_is_an_error_also_while_the_next_one_starts() -> None:
    cluster = a_cluster()
    trouble = Trouble(2, NOW.timestamp() - 5, "it did not join Ray in time", Reason.POD_ENDED)
    head = a_pod("h", head=True, ready=False)

    starting = pass_over(cluster, seen(cluster, head, troubles=((PodKind(Role.HEAD, HEAD), trouble),))).status
    ready = pass_over(
        cluster, seen(cluster, a_pod("h", head=True), troubles=((PodKind(Role.HEAD, HEAD), trouble),))
    ).status

    told = starting.find_condition("HeadReady")
    assert told is not None
    assert (told.reason, told.message) == ("PodEnded", "waiting for Ray; it did not join Ray in time")
    assert starting.phase == Phase.ERROR
    assert ready.phase != Phase.ERROR


def test_a_spec_that_cannot_be_understood_touches_nothing_and_is_told_once() -> None:
    error = SpecError((FieldError("spec.podTypes", "there is no pod type", "add one"),))
    view = ClusterView(
        key=KEY,
        uid=UID,
        resource_version=1,
        generation=3,
        deleting=False,
        spec=error,
        status=RayClusterStatus(),
    )

    first = refuse(view, error)
    again = refuse(msgspec.structs.replace(view, status=settle(first.status, view.status, NOW)), error)

    assert first.actions == ()
    assert first.status.phase == Phase.ERROR
    assert [note.warning for note in first.notes] == [True]
    assert again.notes == ()


def test_a_wrong_edit_is_told_beside_what_the_spec_before_it_asks_for_and_not_by_each_pass() -> None:
    error = SpecError((FieldError("spec.podTypes", "there is no pod type", "add one"),))
    cluster = a_cluster(workers=1)
    view = ClusterView(
        key=KEY,
        uid=UID,
        resource_version=1,
        generation=cluster.generation + 1,
        deleting=False,
        spec=cluster,
        status=RayClusterStatus(),
        refused=error,
    )
    meanwhile = pass_over(cluster, seen(cluster, a_pod("h", head=True)))

    decision = refuse(view, error, meanwhile)

    told = decision.status.find_condition("Accepted")
    assert told is not None
    assert (told.true, told.message, told.observed_generation) == (False, str(error), view.generation)
    assert decision.status.phase == Phase.ERROR
    assert decision.actions == meanwhile.actions != ()
    assert decision.notes == meanwhile.notes
    assert [note.text for note in decision.standing] == [str(error)]


@pytest.mark.parametrize(
    ("fields", "true", "reason", "message"),
    [
        pytest.param({}, True, "FollowingDemand", "", id="Ray answers"),
        pytest.param(
            {"unmet": ("no type has 64 CPUs",)},
            True,
            "FollowingDemand",
            "no type has 64 CPUs",
            id="not all that is asked for can be had",
        ),
        pytest.param(
            {"ray": Silence("no answer")}, False, "GcsUnreachable", "no answer", id="Ray does not answer"
        ),
        pytest.param({"ray": None}, False, "HeadStarting", "", id="Ray was not asked yet"),
    ],
)
def test_autoscaling_is_told(fields: dict[str, Any], true: bool, reason: str, message: str) -> None:
    cluster = a_cluster(workers=0)

    status = pass_over(cluster, seen(cluster, a_pod("h", head=True), **fields)).status

    condition = status.find_condition("Autoscaling")
    assert condition is not None
    assert (condition.true, condition.reason, condition.message) == (true, reason, message)

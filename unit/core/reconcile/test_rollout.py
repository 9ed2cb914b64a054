"""An edit of a worker type is rolled out by its strategy, and never with too few or too many workers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from rayctl.api.names import PodName, TypeName, Uid
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.upgrade import Share, UpgradeStrategy, UpgradeType
from rayctl.core.reconcile.actions import DrainNode
from rayctl.core.reconcile.seen import Drain, Silence
from unit.builders import a_cluster, a_pod
from unit.core.reconcile.passes import (
    NOW,
    OLD,
    WORKER,
    a_view,
    apply,
    created,
    deleted,
    drained,
    pass_over,
    seen,
)


def a_rolling(
    workers: int, kind: UpgradeType = UpgradeType.ROLLING_UPDATE, unavailable: Share = 1, surge: Share = 0
) -> RayCluster:
    return a_cluster(workers, upgrade=UpgradeStrategy(kind, unavailable, surge))


def old_pods(number: int, **fields: Any) -> list[PodView]:
    return [a_pod(f"w{n}", ordinal=n, fingerprint=OLD, **fields) for n in range(number)]


HEAD_POD = a_pod("h", head=True)


def test_as_many_go_at_once_as_may_be_missing_and_their_successors_come_when_they_are_gone() -> None:
    cluster = a_rolling(4, unavailable=2)
    observed = seen(cluster, HEAD_POD, *old_pods(4), ray=a_view("w0", "w1", "w2", "w3"))

    first = pass_over(cluster, observed)
    observed = apply(cluster, observed, first.actions)
    second = pass_over(cluster, observed)
    third = pass_over(cluster, replace(observed, ray=a_view("w0", "w1", dead=("w2", "w3"))))

    assert drained(first) == ["w3", "w2"]
    assert second.actions == ()
    assert sorted(deleted(third)) == ["w2", "w3"]
    assert created(third) == [("worker", WORKER, 2), ("worker", WORKER, 3)]


def test_with_a_surge_successors_come_first() -> None:
    cluster = a_rolling(2, unavailable=0, surge=1)
    observed = seen(cluster, HEAD_POD, *old_pods(2), ray=a_view("w0", "w1"))

    first = pass_over(cluster, observed)
    observed = apply(cluster, observed, first.actions)
    waiting = pass_over(cluster, observed)
    ready = replace(observed, pods=tuple(msgspec.structs.replace(pod, ready=True) for pod in observed.pods))
    then = pass_over(cluster, ready)

    assert created(first) == [("worker", WORKER, 2)]
    assert drained(first) == []
    assert waiting.actions == ()
    assert drained(then) == ["w1"]
    assert created(then) == []


def test_outdated_workers_that_are_not_ready_go_at_once_as_they_serve_nobody() -> None:
    cluster = a_rolling(3)

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *old_pods(3, ready=False, reason="ErrImagePull")))

    assert deleted(decision) == ["w2", "w1", "w0"]
    assert len(created(decision)) == 3


def test_a_new_version_that_does_not_become_ready_stops_the_roll_out() -> None:
    cluster = a_rolling(3)
    broken = a_pod("new", ordinal=0, ready=False)
    pods = old_pods(3)[1:]

    decision = pass_over(cluster, seen(cluster, HEAD_POD, broken, *pods, ray=a_view("w1", "w2")))

    assert decision.actions == ()
    assert decision.status.phase == "Starting"


def test_recreate_lets_all_go_before_any_successor_comes() -> None:
    cluster = a_rolling(2, UpgradeType.RECREATE)
    observed = seen(cluster, HEAD_POD, *old_pods(2), ray=a_view("w0", dead=("w1",)))

    first = pass_over(cluster, observed)
    second = pass_over(
        cluster, replace(apply(cluster, observed, first.actions), ray=a_view(dead=("w0", "w1")))
    )

    assert drained(first) == ["w0"]
    assert deleted(first) == ["w1"]
    assert created(first) == []
    assert deleted(second) == ["w0"]
    assert len(created(second)) == 2


def test_on_delete_waits_for_somebody_to_delete_and_says_how_many_are_outdated() -> None:
    cluster = a_rolling(2, UpgradeType.ON_DELETE)
    asked = msgspec.structs.replace(old_pods(2)[1], asked_to_go=True)

    waits = pass_over(cluster, seen(cluster, HEAD_POD, *old_pods(2)))
    goes = pass_over(cluster, seen(cluster, HEAD_POD, old_pods(1)[0], asked))

    assert waits.actions == ()
    assert waits.status.pod_types[1].outdated == 2
    assert waits.status.phase == "Running"
    assert deleted(goes) == ["w1"]


def test_a_scale_down_takes_outdated_workers_first() -> None:
    cluster = a_rolling(1)
    new = a_pod("new", ordinal=5, created=99.0)

    decision = pass_over(cluster, seen(cluster, HEAD_POD, new, *old_pods(1)))

    assert deleted(decision) == ["w0"]
    assert created(decision) == []


@pytest.mark.parametrize("field", ["fingerprint", "restart"])
def test_what_another_version_of_the_operator_makes_of_the_same_input_is_not_outdated(field: str) -> None:
    cluster = a_rolling(1)
    unknown: Any = {"fingerprint": "", "restart": None}[field]

    decision = pass_over(cluster, seen(cluster, HEAD_POD, a_pod("w0", **{field: unknown})))

    assert decision.actions == ()


def test_a_worker_that_is_leaving_is_counted_until_it_is_gone() -> None:
    cluster = a_rolling(2)
    observed = seen(
        cluster,
        HEAD_POD,
        a_pod("w0"),
        a_pod("w1", ordinal=1),
        ray=a_view("w0", "w1"),
        drains={Uid("uid-of-w1"): Drain(NOW.timestamp() + 9, "an edit")},
    )

    decision = pass_over(cluster, observed)

    assert decision.actions == ()
    assert decision.wake_after == 9
    assert decision.status.pod_types[1].draining == 1


def test_a_drain_that_somebody_else_asked_for_is_seen_through() -> None:
    cluster = a_rolling(2)
    pods = (HEAD_POD, a_pod("w0"), a_pod("w1", ordinal=1))

    draining = pass_over(cluster, seen(cluster, *pods, ray=a_view("w0", draining=("w1",))))
    left = pass_over(
        cluster,
        replace(apply(cluster, seen(cluster, *pods), draining.actions), ray=a_view("w0", dead=("w1",))),
    )

    assert drained(draining) == ["w1"], "with a deadline of ours: Ray enforces none"
    assert deleted(left) == ["w1"]
    assert created(left) == [("worker", WORKER, 1)]


@pytest.mark.parametrize(
    ("ray", "remark"),
    [
        pytest.param(a_view("w0"), "did not end within 300 s", id="the deadline has passed"),
        pytest.param(Silence("no answer"), "Ray could not be told: no answer", id="Ray is silent"),
    ],
)
def test_a_worker_goes_without_rays_consent_when(ray: object, remark: str) -> None:
    cluster = a_cluster(0)
    late = {Uid("uid-of-w0"): Drain(NOW.timestamp() - 1, "scaled down")}

    decision = pass_over(cluster, seen(cluster, HEAD_POD, a_pod("w0"), ray=ray, drains=late))

    assert deleted(decision) == ["w0"]
    assert remark in decision.notes[0].text


def test_without_a_drain_time_out_workers_go_at_once() -> None:
    cluster = a_cluster(0, drain_seconds=0)

    decision = pass_over(cluster, seen(cluster, HEAD_POD, a_pod("w0"), ray=a_view("w0")))

    assert deleted(decision) == ["w0"]


def test_while_ray_is_being_asked_a_worker_stays() -> None:
    cluster = a_cluster(0)

    decision = pass_over(cluster, seen(cluster, HEAD_POD, a_pod("w0"), ray=None))

    assert decision.actions == ()
    assert decision.ask_ray


def test_who_goes_is_chosen_only_by_what_ray_says_now() -> None:
    cluster = a_cluster(1)
    old_news = replace(a_view(idle=("w0", "w1")), at=NOW.timestamp() - 5)
    pods = (HEAD_POD, a_pod("w0"), a_pod("w1", ordinal=1))

    waits = pass_over(cluster, seen(cluster, *pods, ray=old_news))
    chooses = pass_over(cluster, seen(cluster, *pods, ray=a_view("w1", idle=("w0",))))

    assert waits.actions == ()
    assert waits.ask_ray
    assert drained(chooses) == ["w0"]


def test_a_drain_has_a_deadline_from_the_spec() -> None:
    cluster = a_cluster(0, drain_seconds=42)

    decision = pass_over(cluster, seen(cluster, HEAD_POD, a_pod("w0"), ray=a_view("w0")))

    (drain,) = decision.actions
    assert isinstance(drain, DrainNode)
    assert drain.deadline == NOW + timedelta(seconds=42)
    assert drain.node_id == "node-of-w0"


def test_of_two_pods_in_one_place_the_better_stays() -> None:
    cluster = a_cluster(2)
    pods = [a_pod("w0"), a_pod("twin", incarnation=1, ready=False), a_pod("w1", ordinal=1)]

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *pods))

    assert deleted(decision) == ["twin"]
    assert created(decision) == []


def test_a_type_that_is_renamed_is_a_removal_and_an_addition() -> None:
    cluster = a_cluster(1)
    other = a_pod("w0", pod_type=TypeName("former-name"))

    decision = pass_over(cluster, seen(cluster, HEAD_POD, other, ray=a_view("w0")))

    assert drained(decision) == ["w0"]
    assert created(decision) == [("worker", WORKER, 0)]
    assert PodName("w0") not in deleted(decision)

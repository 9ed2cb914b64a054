"""What a pass decides to do, by example."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rayctl.api.names import PodKind, PodName, Role, TypeName, Uid
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster, ScaleStrategy
from rayctl.api.status import Phase
from rayctl.core.reconcile.actions import (
    ApplyService,
    CreatePod,
    DeletePod,
    Reason,
)
from rayctl.core.reconcile.trouble import Trouble
from unit.builders import a_cluster, a_pod, a_pod_type
from unit.core.reconcile.passes import (
    HEAD,
    NOW,
    WORKER,
    a_view,
    apply,
    created,
    deleted,
    pass_over,
    seen,
    session_in,
    settle_down,
)


def test_a_new_cluster_gets_its_service_first_then_the_head_then_the_workers() -> None:
    cluster = a_cluster(workers=2)
    nothing = seen(cluster, service_fingerprint=None)

    first = pass_over(cluster, nothing)
    second = pass_over(cluster, apply(cluster, nothing, first.actions))

    assert isinstance(first.actions[0], ApplyService)
    assert created(first) == [("head", HEAD, 0)]
    assert created(second) == [("worker", WORKER, 0), ("worker", WORKER, 1)]
    assert [note.reason for note in second.notes] == [Reason.CREATING_PODS]
    assert "2 workers of type worker-node" in second.notes[0].text


def test_workers_are_made_for_the_session_of_the_head_that_is_there() -> None:
    cluster = a_cluster(workers=1)

    decision = pass_over(cluster, seen(cluster, a_pod("h", head=True, uid=Uid("abc"), restarts=2)))

    (create,) = decision.actions
    assert isinstance(create, CreatePod)
    assert session_in(create) == "abc.2"


def test_a_name_that_is_to_be_deleted_is_given_to_nobody() -> None:
    cluster, head = a_cluster(workers=1), a_pod("h", head=True)
    (first,) = (
        each for each in pass_over(cluster, seen(cluster, head)).actions if isinstance(each, CreatePod)
    )
    cluster = replace(cluster, scale=ScaleStrategy((first.name,)))

    (other,) = (
        each for each in pass_over(cluster, seen(cluster, head)).actions if isinstance(each, CreatePod)
    )

    assert other.slot == first.slot
    assert other.name != first.name


def test_a_name_that_somebody_remembers_as_another_pods_is_not_given_again() -> None:
    cluster, head = a_cluster(workers=1), a_pod("h", head=True)

    (first,) = pass_over(cluster, seen(cluster, head)).actions
    assert isinstance(first, CreatePod)
    dead_in_ray = seen(cluster, head, ray=a_view(dead=(first.name,)))
    deleted_just_now = seen(cluster, head, left=frozenset({first.name}))

    for observed in (dead_in_ray, deleted_just_now):
        (second,) = pass_over(cluster, observed).actions
        assert isinstance(second, CreatePod)
        assert (second.slot, second.name != first.name) == (first.slot, True)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(a_pod("h2", head=True, uid=Uid("new"), incarnation=1), id="another head"),
        pytest.param(
            a_pod("h", head=True, uid=Uid("old"), restarts=1), id="the head's container was started again"
        ),
    ],
)
def test_workers_of_a_lost_head_are_replaced_at_once(head: PodView) -> None:
    cluster = a_cluster(workers=1)

    decision = pass_over(cluster, seen(cluster, head, a_pod("w", session="old.0")))

    assert deleted(decision) == ["w"]
    assert created(decision) == [("worker", WORKER, 0)]
    assert [action.grace for action in decision.actions if isinstance(action, DeletePod)] == [5]


def test_workers_wait_for_a_head_to_be_there() -> None:
    cluster = a_cluster(workers=1)

    decision = pass_over(
        cluster, seen(cluster, a_pod("w", session="old.0"), a_pod("h", head=True, deleting=True))
    )

    assert created(decision) == [("head", HEAD, 0)]
    assert deleted(decision) == []


def test_a_cluster_that_is_as_it_should_be_is_left_alone() -> None:
    cluster = a_cluster(workers=1)

    decision = pass_over(cluster, seen(cluster, a_pod("h", head=True), a_pod("w")))

    assert decision.actions == ()
    assert decision.notes == ()
    assert decision.status.phase == Phase.RUNNING


@pytest.mark.parametrize(
    ("pods", "makes", "removes"),
    [
        pytest.param(
            [a_pod("h", head=True)], [("worker", WORKER, 0), ("worker", WORKER, 1)], [], id="workers missing"
        ),
        pytest.param(
            [a_pod("h", head=True), a_pod("w0"), a_pod("w1", ordinal=1), a_pod("w2", ordinal=2, created=5.0)],
            [],
            ["w2"],
            id="one worker too many: the youngest goes",
        ),
        pytest.param(
            [a_pod("h", head=True), a_pod("w0"), a_pod("w1", ordinal=1, phase="Failed", ready=False)],
            [("worker", WORKER, 1)],
            ["w1"],
            id="a failed worker is removed and replaced at once",
        ),
        pytest.param(
            [a_pod("h", head=True, phase="Succeeded", ready=False), a_pod("w0"), a_pod("w1", ordinal=1)],
            [("head", HEAD, 0)],
            ["h"],
            id="a head that has ended is replaced, the workers stay",
        ),
        pytest.param(
            [a_pod("h", head=True), a_pod("w0", deleting=True), a_pod("w1", ordinal=1)],
            [("worker", WORKER, 0)],
            [],
            id="a terminating worker does not hold up its replacement",
        ),
        pytest.param(
            [
                a_pod("h", head=True),
                a_pod("w0"),
                a_pod("w1", ordinal=1),
                a_pod("x", pod_type=TypeName("gone")),
            ],
            [],
            ["x"],
            id="workers of a type that the spec has no more are removed",
        ),
        pytest.param(
            [a_pod("h", head=True, pod_type=TypeName("old-head")), a_pod("w0"), a_pod("w1", ordinal=1)],
            [],
            [],
            id="a head of another type is replaced, once that has been told",
        ),
        pytest.param(
            [
                a_pod("h1", head=True),
                a_pod("h2", head=True, ready=False, ordinal=1),
                a_pod("w0"),
                a_pod("w1", ordinal=1),
            ],
            [],
            ["h2"],
            id="of two heads the one that is not ready goes",
        ),
    ],
)
def test_what_is_missing_is_made_and_what_is_not_wanted_goes(
    pods: list[PodView], makes: list[tuple[str, str, int]], removes: list[str]
) -> None:
    cluster = a_cluster(workers=2)

    decision = pass_over(cluster, seen(cluster, *pods))

    assert created(decision) == makes
    assert deleted(decision) == removes


def test_a_type_in_trouble_waits_and_the_others_go_on() -> None:
    cluster = a_cluster(
        pod_types=(a_pod_type("head-node"), a_pod_type("a", min_workers=2), a_pod_type("b", min_workers=1)),
        max_workers=9,
    )
    trouble = Trouble(failures=1, until=NOW.timestamp() + 30, message="exceeded quota: few")

    decision = pass_over(
        cluster,
        seen(cluster, a_pod("h", head=True), troubles=((PodKind(Role.WORKER, TypeName("a")), trouble),)),
    )

    assert created(decision) == [("worker", "b", 0)]
    assert decision.wake_after == 30
    condition = decision.status.find_condition("WorkersReady")
    assert condition is not None
    assert condition.reason == Reason.FAILED_CREATE
    assert "exceeded quota: few" in condition.message
    assert decision.status.phase == Phase.ERROR


def test_after_its_back_off_a_type_in_trouble_is_tried_with_one_pod() -> None:
    cluster = a_cluster(workers=3)
    trouble = Trouble(failures=2, until=NOW.timestamp() - 1, message="exceeded quota")

    decision = pass_over(
        cluster, seen(cluster, a_pod("h", head=True), troubles=((PodKind(Role.WORKER, WORKER), trouble),))
    )

    assert created(decision) == [("worker", WORKER, 0)]


def test_a_service_that_was_refused_waits_and_the_pods_are_made() -> None:
    cluster = a_cluster(workers=1)
    trouble = Trouble(failures=1, until=NOW.timestamp() + 5, message="port is taken")

    decision = pass_over(cluster, seen(cluster, service_fingerprint=None, service_trouble=trouble))

    assert not any(isinstance(action, ApplyService) for action in decision.actions)
    assert created(decision) == [("head", HEAD, 0)]
    assert decision.wake_after == 5


def test_two_leaders_that_see_the_same_choose_the_same_names() -> None:
    cluster = a_cluster(workers=3)

    def names(now: datetime) -> list[PodName]:
        decision = pass_over(cluster, seen(cluster, a_pod("h", head=True)), now)
        return [action.name for action in decision.actions if isinstance(action, CreatePod)]

    first, second = names(NOW), names(NOW + timedelta(seconds=5))

    assert first == second
    assert len(set(first)) == 3


def test_a_cluster_made_anew_under_the_same_name_has_other_pod_names() -> None:
    first, second = (replace(a_cluster(workers=3), uid=Uid(uid)) for uid in ("one", "two"))

    def names(cluster: RayCluster) -> set[PodName]:
        return {pod.name for pod in settle_down(cluster, seen(cluster)).pods}

    assert names(first).isdisjoint(names(second))

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.document import FieldError, Reader, SpecError
from rayctl.api.names import PodName, Role, TypeName, Uid
from rayctl.api.observed import ClusterView, PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import Phase, RayClusterStatus, settle
from rayctl.core.autoscale.minimum import minimum
from rayctl.core.build.service import service_fingerprint
from rayctl.core.reconcile.actions import (
    Action,
    ApplyService,
    CreatePod,
    Decision,
    DeletePod,
    Observed,
    Reason,
    Trouble,
)
from rayctl.core.reconcile.decide import decide, refuse
from unit.builders import KEY, UID, a_cluster, a_pod, a_pod_type

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEAD, WORKER = TypeName("head-node"), TypeName("worker-node")


def seen(cluster: RayCluster, *pods: PodView, **fields: object) -> Observed:
    """What is seen of a cluster whose Service is as it should be."""
    given: dict[str, object] = {
        "service_fingerprint": service_fingerprint(cluster),
        "status": RayClusterStatus(),
    }
    return Observed(pods=pods, **given | fields)  # type: ignore[arg-type]


def pass_over(cluster: RayCluster, observed: Observed, now: datetime = NOW) -> Decision:
    return decide(cluster, observed, minimum(cluster), now)


def apply(cluster: RayCluster, observed: Observed, actions: tuple[Action, ...]) -> Observed:
    """What is seen after a perfect execution: created pods are there, deleted ones terminate."""
    pods = {pod.name: pod for pod in observed.pods}
    service = observed.service_fingerprint
    for action in actions:
        match action:
            case CreatePod():
                assert action.name not in pods
                role, kind, ordinal = action.slot
                pods[action.name] = a_pod(
                    action.name,
                    role=role,
                    pod_type=kind,
                    ordinal=ordinal,
                    incarnation=action.incarnation,
                    session=session_in(action),
                    phase="Pending",
                    ready=False,
                )
            case DeletePod():
                pods[action.pod.name] = msgspec.structs.replace(action.pod, deleting=True)
            case ApplyService():
                service = service_fingerprint(cluster)
    return replace(observed, pods=tuple(pods.values()), service_fingerprint=service)


def session_in(action: CreatePod) -> str:
    metadata = Reader(action.manifest).inner("metadata")
    return metadata.inner("annotations").text("cluster.ray.io/session")


def settle_down(cluster: RayCluster, observed: Observed) -> Observed:
    """What is seen after as many passes as it takes, two at the most: the head first, then its workers."""
    for _ in range(2):
        observed = apply(cluster, observed, pass_over(cluster, observed).actions)
    return observed


def created(decision: Decision) -> list[tuple[str, str, int]]:
    return [
        (action.slot.role, action.slot.pod_type, action.slot.ordinal)
        for action in decision.actions
        if isinstance(action, CreatePod)
    ]


def deleted(decision: Decision) -> list[str]:
    return [action.pod.name for action in decision.actions if isinstance(action, DeletePod)]


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
            [("head", HEAD, 0)],
            ["h"],
            id="a head of another type is replaced, and its workers once there is one",
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

    decision = pass_over(cluster, seen(cluster, a_pod("h", head=True), troubles=((TypeName("a"), trouble),)))

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

    decision = pass_over(cluster, seen(cluster, a_pod("h", head=True), troubles=((WORKER, trouble),)))

    assert created(decision) == [("worker", WORKER, 0)]


def test_a_service_that_was_refused_waits_and_the_pods_are_made() -> None:
    cluster = a_cluster(workers=1)
    trouble = Trouble(failures=1, until=NOW.timestamp() + 5, message="port is taken")

    decision = pass_over(cluster, seen(cluster, service_fingerprint=None, service_trouble=trouble))

    assert not any(isinstance(action, ApplyService) for action in decision.actions)
    assert created(decision) == [("head", HEAD, 0)]
    assert decision.wake_after == 5


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


def test_an_odd_spec_runs_and_says_what_is_odd() -> None:
    types = (a_pod_type("head-node"), a_pod_type("a", min_workers=5, max_workers=2))
    cluster = a_cluster(pod_types=types, max_workers=9)

    decision = pass_over(cluster, seen(cluster))

    accepted = decision.status.find_condition("Accepted")
    assert accepted is not None
    assert accepted.true
    assert "spec.podTypes[1].minWorkers 5 is above maxWorkers 2" in accepted.message


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


pods_of_a_cluster = st.lists(
    st.builds(
        a_pod,
        st.integers(0, 10**6).map(lambda number: f"p{number}"),
        role=st.sampled_from(Role),
        pod_type=st.sampled_from([HEAD, WORKER, TypeName("gone")]),
        ordinal=st.integers(-1, 5),
        incarnation=st.integers(0, 3),
        phase=st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown"]),
        ready=st.booleans(),
        deleting=st.booleans(),
        session=st.sampled_from(["", "uid-of-another.0"]),
        created=st.floats(0, 100),
    ),
    max_size=12,
    unique_by=lambda pod: pod.name,
)


@given(pods_of_a_cluster, st.integers(0, 4))
def test_after_a_perfect_execution_nothing_is_left_to_do(pods: list[PodView], workers: int) -> None:
    cluster = a_cluster(workers=workers)
    before = seen(cluster, *pods, service_fingerprint=None)

    after = settle_down(cluster, before)

    assert pass_over(cluster, after).actions == ()
    live = [pod for pod in after.pods if not pod.deleting and not pod.finished]
    assert sum(pod.role is Role.HEAD for pod in live) == 1
    assert sum(pod.role is Role.WORKER for pod in live) == workers


@given(pods_of_a_cluster, st.integers(0, 4), st.integers(0, 30))
def test_stopped_after_any_prefix_it_never_has_too_many_and_ends_the_same(
    pods: list[PodView], workers: int, done: int
) -> None:
    cluster = a_cluster(workers=workers)
    observed = seen(cluster, *pods)
    started_with = sum(not pod.deleting and not pod.finished for pod in pods)

    observed = apply(cluster, observed, pass_over(cluster, observed).actions[:done])
    live = sum(not pod.deleting and not pod.finished for pod in observed.pods)
    observed = settle_down(cluster, observed)

    assert live <= max(started_with, workers + 1)
    assert pass_over(cluster, observed).actions == ()


@given(pods_of_a_cluster, st.integers(0, 4), st.randoms())
def test_the_order_in_which_pods_are_seen_changes_nothing(
    pods: list[PodView], workers: int, random: Random
) -> None:
    cluster = a_cluster(workers=workers)
    shuffled = list(pods)
    random.shuffle(shuffled)

    first = pass_over(cluster, seen(cluster, *pods))
    second = pass_over(cluster, seen(cluster, *shuffled))

    assert sorted(created(first)) == sorted(created(second))
    assert sorted(deleted(first)) == sorted(deleted(second))
    assert first.status == second.status


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

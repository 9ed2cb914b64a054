"""What holds of every pass, whatever is seen."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.names import Role, TypeName
from rayctl.api.observed import PodView
from rayctl.core.reconcile.slots import is_live
from unit.builders import a_cluster, a_pod
from unit.core.reconcile.passes import HEAD, WORKER, apply, created, deleted, pass_over, seen, settle_down

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
    wanted = {(Role.HEAD, HEAD): 1, (Role.WORKER, WORKER): workers}
    before = seen(cluster, *pods)
    started_with = live_by_type(before.pods)

    after = apply(cluster, before, pass_over(cluster, before).actions[:done])

    for kind, count in live_by_type(after.pods).items():
        assert count <= max(started_with[kind], wanted.get(kind, 0))
    assert pass_over(cluster, settle_down(cluster, after)).actions == ()


def live_by_type(pods: tuple[PodView, ...]) -> Counter[tuple[Role, TypeName]]:
    return Counter((pod.role, pod.pod_type) for pod in pods if is_live(pod))


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

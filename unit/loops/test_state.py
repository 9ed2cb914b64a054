from datetime import UTC, datetime, timedelta

from rayctl.api.moment import Monotonic
from rayctl.api.names import PodKind, Role, TypeName
from rayctl.api.status import RayClusterStatus
from rayctl.core.reconcile.seen import Observed
from rayctl.core.reconcile.trouble import LONGEST_RETRY
from rayctl.loops.state import ClusterState
from unit.builders import UID, a_pod

NOW = datetime(2026, 11, 24, tzinfo=UTC)
WORKER = TypeName("worker-node")


def state_after(*ends: tuple[float, float]) -> ClusterState:
    """The state after pods ended: when each was made and when it ended, in seconds from NOW."""
    state = ClusterState(UID, 1, Monotonic(0))
    for made, over in ends:
        state.pod_ended(a_pod(created=NOW.timestamp() + made), "OOMKilled", NOW + timedelta(seconds=over))
    return state


def test_one_end_is_no_trouble_yet_and_two_in_a_row_are() -> None:
    assert state_after((0, 10)).standing(NOW) == ()
    assert [kind for kind, _ in state_after((0, 10), (11, 20)).standing(NOW)] == [(Role.WORKER, WORKER)]


def test_workers_of_the_heads_type_that_end_are_no_trouble_of_the_heads() -> None:
    state = ClusterState(UID, 1, Monotonic(0))
    for made in (0, 11):
        worker = a_pod("w", created=NOW.timestamp() + made)
        state.pod_ended(worker, "OOMKilled", NOW + timedelta(seconds=made + 10))
    state.pod_refused(PodKind(Role.WORKER, WORKER), "exceeded quota", NOW)

    assert {kind for kind, _ in state.standing(NOW)} == {PodKind(Role.WORKER, WORKER)}
    seen = Observed((), None, RayClusterStatus(), troubles=state.standing(NOW))
    assert seen.find_trouble(Role.WORKER, WORKER) is not None
    assert seen.find_trouble(Role.HEAD, WORKER) is None


def test_pods_that_were_there_before_the_last_end_count_no_more() -> None:
    assert state_after(*((0, 10 + n) for n in range(8))).standing(NOW) == ()


def test_names_of_pods_that_were_deleted_are_remembered_for_a_while_and_not_of_those_that_just_vanished() -> (
    None
):
    state = ClusterState(UID, 1, Monotonic(0))
    state.keep([a_pod("deleted", deleting=True), a_pod("relabelled")], Monotonic(1))

    state.keep([], Monotonic(2))
    assert set(state.left) == {"deleted"}

    state.keep([], Monotonic(130))
    assert not state.left


def test_the_name_of_a_pod_that_we_deleted_is_remembered_also_where_nobody_saw_it_leave() -> None:
    # Found by e2e/faults: the answer to its successor's creation was lost, and the next try took this name.
    state, pod = ClusterState(UID, 1, Monotonic(0)), a_pod("w")
    state.keep([pod], Monotonic(0))
    state.removed[pod.uid] = pod.name

    state.keep([], Monotonic(1))

    assert state.left == {pod.name: Monotonic(1)}
    assert not state.removed


def test_ends_of_long_ago_are_forgotten() -> None:
    state = state_after((0, 10), (11, 20))

    assert state.standing(NOW + timedelta(seconds=LONGEST_RETRY + 60)) == ()

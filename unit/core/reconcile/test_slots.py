import pytest

from rayctl.api.names import PodName, Role, Slot, TypeName, pod_name
from rayctl.api.observed import PodView
from rayctl.core.reconcile.slots import free_ordinals, is_live, leaving_order, next_incarnation, of_type
from unit.builders import UID, a_pod
from unit.core.reconcile.passes import a_view

SLOT = Slot(Role.WORKER, TypeName("worker-node"), 0)
PREFIX = "example-cluster-ray-worker-"


@pytest.mark.parametrize(
    ("held", "missing", "free"),
    [
        pytest.param([], 3, (0, 1, 2), id="none there"),
        pytest.param([0, 2], 1, (1,), id="the gap is filled"),
        pytest.param([1, 5], 2, (0, 2), id="lowest first, whatever is held above"),
        pytest.param([0, 1], 0, (), id="enough"),
        pytest.param([0, 1, 2], -1, (), id="too many"),
        pytest.param([-1], 1, (0,), id="a pod without an ordinal holds none"),
    ],
)
def test_the_lowest_free_ordinals_are_taken(held: list[int], missing: int, free: tuple[int, ...]) -> None:
    live = [a_pod(f"p{index}", ordinal=ordinal) for index, ordinal in enumerate(held)]

    assert free_ordinals(live, missing) == free


def test_outdated_pods_go_first_then_those_not_ready_then_idle_ones_then_the_youngest() -> None:
    pods = [
        a_pod("oldest", created=0.0),
        a_pod("young", created=9.0),
        a_pod("idle", created=1.0),
        a_pod("starting", created=0.0, ready=False),
        a_pod("outdated", created=0.0),
    ]
    ray = a_view("oldest", "young", "outdated", idle=("idle",))

    order = leaving_order(pods, frozenset({PodName("outdated")}), ray)

    assert [pod.name for pod in order] == ["outdated", "starting", "idle", "young", "oldest"]


def test_of_equal_pods_the_first_by_name_stays() -> None:
    order = leaving_order([a_pod("a"), a_pod("b")], frozenset(), None)

    assert [pod.name for pod in order] == ["b", "a"]


def test_a_name_that_another_slot_has_is_passed_over() -> None:
    taken = {pod_name(PREFIX, UID, SLOT, 0)}

    assert next_incarnation(PREFIX, UID, SLOT, taken, 0) == (1, pod_name(PREFIX, UID, SLOT, 1))


@pytest.mark.parametrize(
    ("pod", "live"),
    [
        pytest.param(a_pod(), True, id="running"),
        pytest.param(a_pod(phase="Pending", ready=False), True, id="pending"),
        pytest.param(a_pod(deleting=True), False, id="terminating"),
        pytest.param(a_pod(phase="Failed"), False, id="failed"),
        pytest.param(a_pod(phase="Succeeded"), False, id="succeeded"),
    ],
)
def test_what_counts_as_a_pod(pod: PodView, live: bool) -> None:
    assert is_live(pod) is live


def test_workers_of_the_heads_type_are_not_heads() -> None:
    head, worker = a_pod("h", head=True), a_pod("w", pod_type=TypeName("head-node"))

    assert of_type([head, worker], Role.WORKER, TypeName("head-node")) == (worker,)

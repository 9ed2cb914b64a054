import pytest

from rayctl.api.names import Role, Slot, TypeName, pod_name
from rayctl.api.observed import PodView
from rayctl.core.reconcile.slots import free_ordinals, is_live, next_incarnation, of_type, surplus
from unit.builders import UID, a_pod

SLOT = Slot(Role.WORKER, TypeName("worker-node"), 0)
PREFIX = "example-cluster-ray-worker-"


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        pytest.param([], 3, (0, 1, 2), id="none there"),
        pytest.param([0, 2], 3, (1,), id="the gap is filled"),
        pytest.param([1, 5], 4, (0, 2), id="lowest first, whatever is held above"),
        pytest.param([0, 1], 2, (), id="enough"),
        pytest.param([0, 1, 2], 2, (), id="too many"),
        pytest.param([-1], 2, (0,), id="a pod without an ordinal counts all the same"),
    ],
)
def test_the_lowest_free_ordinals_are_taken(held: list[int], wanted: int, free: tuple[int, ...]) -> None:
    live = [a_pod(f"p{index}", ordinal=ordinal) for index, ordinal in enumerate(held)]

    assert free_ordinals(live, wanted) == free


def test_pods_go_not_ready_first_then_youngest_first() -> None:
    old, young = a_pod("old", created=1.0), a_pod("young", created=9.0)
    oldest_but_not_ready = a_pod("starting", created=0.0, ready=False)

    gone = surplus([old, young, oldest_but_not_ready], wanted=1)

    assert [pod.name for pod in gone] == ["starting", "young"]


def test_a_terminating_pod_gives_its_slot_the_next_incarnation() -> None:
    terminating = a_pod("x", ordinal=0, incarnation=3, deleting=True)

    incarnation, name = next_incarnation(PREFIX, UID, SLOT, {terminating.name}, [terminating])

    assert incarnation == 4
    assert name == pod_name(PREFIX, UID, SLOT, 4)


def test_a_name_that_another_slot_has_is_passed_over() -> None:
    taken = {pod_name(PREFIX, UID, SLOT, 0)}

    assert next_incarnation(PREFIX, UID, SLOT, taken, [])[0] == 1


def test_a_first_pod_has_incarnation_0_whatever_others_are_there() -> None:
    others = [a_pod(f"p{ordinal}", ordinal=ordinal, incarnation=7) for ordinal in (1, 2)]

    assert next_incarnation(PREFIX, UID, SLOT, set(), others)[0] == 0


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

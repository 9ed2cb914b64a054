"""Workers of a type of several hosts come and go in whole slices."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayctl.api.document import Reader
from rayctl.api.names import PodKind, Role
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.upgrade import UpgradeStrategy, UpgradeType
from rayctl.core.reconcile.actions import CreatePod, Decision, DeletePod
from rayctl.core.reconcile.decide import decide
from rayctl.core.reconcile.slices import free_slices, in_whole_slices, unfinished
from rayctl.core.reconcile.slots import is_live
from rayctl.core.reconcile.trouble import Trouble
from unit.builders import a_cluster, a_pod, a_pod_type
from unit.core.reconcile.passes import (
    HEAD,
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
    settle_down,
)

HEAD_POD = a_pod("h", head=True)
UNSTARTED: dict[str, Any] = {"phase": "Pending", "ready": False}


def a_cluster_of_slices(workers: int, hosts: int = 2, **fields: Any) -> RayCluster:
    types = (a_pod_type(HEAD), a_pod_type(WORKER, min_workers=workers, hosts=hosts))
    return a_cluster(pod_types=types, max_workers=20, **fields)


def hosts_of(number: int, hosts: int = 2, **fields: Any) -> list[PodView]:
    """The pods of one slice."""
    return [
        a_pod(f"s{number}h{host}", ordinal=number * hosts + host, slice=str(number), hosts=hosts, **fields)
        for host in range(hosts)
    ]


def places(decision: Decision) -> list[tuple[str, str]]:
    """The slice and the host of each pod that is made, as its labels say."""
    labels = [
        Reader(action.manifest).inner("metadata").inner("labels")
        for action in decision.actions
        if isinstance(action, CreatePod)
    ]
    return [(each.text("cluster.ray.io/slice"), each.text("cluster.ray.io/host-index")) for each in labels]


def test_each_host_is_told_its_slice_and_its_place_in_it() -> None:
    cluster = a_cluster_of_slices(4)

    decision = pass_over(cluster, seen(cluster, HEAD_POD))

    assert places(decision) == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        pytest.param({"phase": "Failed", "ready": False}, ["s0h0"], id="ended"),
        pytest.param({"deleting": True}, [], id="deleted by somebody"),
    ],
)
def test_a_host_that_is_lost_takes_its_slice_along_and_another_slice_comes(
    fields: dict[str, Any], gone: list[str]
) -> None:
    cluster = a_cluster_of_slices(4)
    lost, left = hosts_of(0)
    lost = msgspec.structs.replace(lost, **fields)
    view = a_view("s0h1", "s1h0", "s1h1")

    observed = seen(cluster, HEAD_POD, lost, left, *hosts_of(1), ray=view)
    first = pass_over(cluster, observed)
    observed = replace(apply(cluster, observed, first.actions), ray=a_view("s1h0", "s1h1", dead=("s0h1",)))
    then = pass_over(cluster, observed)

    assert deleted(first) == gone
    assert drained(first) == ["s0h1"]
    assert deleted(then) == ["s0h1"]
    assert places(then) == [("2", "0"), ("2", "1")], "never a number that is still somebody's"


def test_half_a_slice_goes_again_once_a_host_has_started_and_that_is_a_failure() -> None:
    """As when a quota refused the other half."""
    cluster = a_cluster_of_slices(4)
    half = hosts_of(1)[:1]

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *hosts_of(0), *half))

    (deletion,) = [action for action in decision.actions if isinstance(action, DeletePod)]
    assert (deletion.pod.name, deletion.failed) == ("s1h0", True)


def test_a_slice_of_which_no_host_has_started_is_made_whole() -> None:
    cluster = a_cluster_of_slices(8, hosts=4)
    half = hosts_of(1, 4, **UNSTARTED)[1:3]

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *hosts_of(0, 4), *half))

    assert places(decision) == [("1", "0"), ("1", "3")]
    assert not deleted(decision)


def test_while_its_type_is_in_trouble_a_slice_that_was_begun_waits() -> None:
    cluster = a_cluster_of_slices(2)
    trouble = Trouble(failures=1, until=NOW.timestamp() + 4, message="exceeded quota")
    half = hosts_of(0, **UNSTARTED)[:1]

    decision = pass_over(
        cluster, seen(cluster, HEAD_POD, *half, troubles=((PodKind(Role.WORKER, WORKER), trouble),))
    )

    assert (decision.actions, decision.wake_after) == ((), 4)


@pytest.mark.parametrize(
    "half",
    [
        pytest.param([*hosts_of(1, 3, **UNSTARTED)[:1], hosts_of(1, 3)[1]], id="a host runs"),
        pytest.param([*hosts_of(1, 3, **UNSTARTED)[:1], hosts_of(1, 3, deleting=True)[1]], id="a host ran"),
        pytest.param(hosts_of(1, 3, fingerprint=OLD, **UNSTARTED)[:1], id="it is outdated"),
    ],
)
def test_what_is_spoilt_is_not_made_whole(half: list[PodView]) -> None:
    cluster = a_cluster_of_slices(6, hosts=3)

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *hosts_of(0, 3), *half))

    assert set(deleted(decision)) == {pod.name for pod in half if not pod.deleting}
    assert places(decision) in ([], [("2", "0"), ("2", "1"), ("2", "2")])


def test_no_more_slices_are_made_whole_than_are_wanted() -> None:
    cluster = a_cluster_of_slices(8, hosts=4)
    halves = [pod for number in range(3) for pod in hosts_of(number, 4, **UNSTARTED)[:2]]

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *halves))

    assert len(created(decision)) == 2
    assert len(deleted(decision)) == 4


@pytest.mark.parametrize(("most", "makes", "goes"), [(4, [("1", "1")], []), (3, [], ["s1h0"])])
def test_a_plan_that_counts_the_hosts_there_are_keeps_no_slice_from_being_made_whole(
    most: int, makes: list[tuple[str, str]], goes: list[str]
) -> None:
    cluster = replace(a_cluster_of_slices(4), max_workers=most)
    observed = seen(cluster, HEAD_POD, *hosts_of(0), *hosts_of(1, **UNSTARTED)[:1])

    decision = decide(cluster, observed, {WORKER: 3}, NOW, ())

    assert (places(decision), deleted(decision)) == (makes, goes)


def test_a_slice_is_replaced_as_a_whole_and_one_after_the_other() -> None:
    cluster = a_cluster_of_slices(4)
    old = [*hosts_of(0, fingerprint=OLD), *hosts_of(1, fingerprint=OLD)]
    observed = seen(cluster, HEAD_POD, *old, ray=a_view(*(pod.name for pod in old)))

    first = pass_over(cluster, observed)
    second = pass_over(cluster, apply(cluster, observed, first.actions))

    assert len(drained(first)) == 2
    assert {name[:2] for name in drained(first)} in ({"s0"}, {"s1"})
    assert second.actions == ()


def test_with_a_surge_a_whole_slice_comes_first() -> None:
    surge = UpgradeStrategy(UpgradeType.ROLLING_UPDATE, 0, 1)
    cluster = a_cluster_of_slices(2, upgrade=surge)

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *hosts_of(0, fingerprint=OLD)))

    assert places(decision) == [("1", "0"), ("1", "1")]
    assert not deleted(decision) + drained(decision)


def test_with_one_host_that_somebody_wants_replaced_its_slice_is() -> None:
    cluster = a_cluster_of_slices(4)
    asked, other = hosts_of(0)
    asked = msgspec.structs.replace(asked, asked_to_go=True)
    view = a_view("s0h0", "s0h1", "s1h0", "s1h1")

    decision = pass_over(cluster, seen(cluster, HEAD_POD, asked, other, *hosts_of(1), ray=view))

    assert sorted(drained(decision)) == ["s0h0", "s0h1"]


def test_slices_of_a_size_that_the_spec_has_no_more_are_whole_and_replaced_in_order() -> None:
    cluster = a_cluster_of_slices(8, hosts=4)
    old = [pod for number in range(4) for pod in hosts_of(number, fingerprint=OLD)]

    decision = pass_over(cluster, seen(cluster, HEAD_POD, *old, ray=a_view(*(pod.name for pod in old))))

    gone = drained(decision)
    assert len(gone) == 4, "as many as one of the new ones has"
    assert len({name[:2] for name in gone}) == 2


def test_a_new_slice_has_neither_places_nor_the_number_of_any_that_is_there() -> None:
    there = [*hosts_of(0, deleting=True), *hosts_of(3)]

    assert free_slices(there, 2, 2) == (2, 3, 4, 5)
    assert free_slices(there, 4, 2) == (8, 9, 10, 11, 16, 17, 18, 19), "1 has places of theirs, 3 is a number"


def test_as_many_go_as_were_chosen_but_in_whole_slices() -> None:
    pods = [*hosts_of(0), *hosts_of(1), *hosts_of(2)]

    assert in_whole_slices([pods[0], pods[2], pods[4]], pods) == pods[:2]
    assert in_whole_slices(pods[:1], pods) == pods[:2]
    assert in_whole_slices([], pods) == []


def test_no_part_of_a_slice_is_made_for_want_of_room() -> None:
    types = (a_pod_type(HEAD), a_pod_type(WORKER, min_workers=8, max_workers=7, hosts=4))
    cluster = a_cluster(pod_types=types, max_workers=20)

    assert len(created(pass_over(cluster, seen(cluster, HEAD_POD)))) == 4


slices = st.lists(
    st.builds(
        lambda number, made_of, fields: hosts_of(number, made_of[0], fingerprint=made_of[1], **fields),
        st.integers(0, 5),
        st.sampled_from([(2, ""), (2, OLD), (3, OLD)]),  # another size is another fingerprint
        st.fixed_dictionaries(
            {
                "phase": st.sampled_from(["Running", "Pending", "Failed"]),
                "ready": st.booleans(),
                "deleting": st.booleans(),
            }
        ),
    ),
    max_size=4,
    unique_by=lambda pods: pods[0].slice,
)


strategies = st.builds(
    UpgradeStrategy, st.sampled_from(UpgradeType), st.sampled_from([0, 1, "50%"]), st.sampled_from([0, 1])
)


@settings(deadline=None, max_examples=settings().max_examples // 4)
@given(slices, st.sets(st.integers(0, 11)), st.integers(0, 7), strategies)
def test_in_the_end_there_are_whole_slices_and_as_many_as_are_wanted(
    there: list[list[PodView]], missing: set[int], workers: int, strategy: UpgradeStrategy
) -> None:
    cluster = a_cluster_of_slices(workers, upgrade=strategy)
    pods = [pod for slice_ in there for pod in slice_]
    pods = [pod for index, pod in enumerate(pods) if index not in missing]
    observed = seen(cluster, HEAD_POD, *pods)

    for _ in range(4):
        observed = settle_down(cluster, observed)
        ready = (msgspec.structs.replace(pod, ready=True) if is_live(pod) else pod for pod in observed.pods)
        observed = replace(observed, pods=tuple(ready))

    assert pass_over(cluster, observed).actions == ()
    live = [pod for pod in observed.pods if is_live(pod) and pod.role is Role.WORKER]
    for pod in live:
        assert sum(other.slice == pod.slice for other in live) == pod.hosts
    if strategy.type is not UpgradeType.ON_DELETE:
        assert len(live) == -(-workers // 2) * 2


def test_a_slice_is_not_completed_where_a_slice_of_another_size_has_the_place() -> None:
    of_three, of_two = hosts_of(2, 3), hosts_of(4, **UNSTARTED)
    half = of_two[1:]

    assert unfinished([half], half, 2, set()) == [half]
    assert unfinished([half], [*of_three, *half], 2, set()) == []

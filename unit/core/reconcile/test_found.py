"""What a search with a simulated, faulty world has found (unit/simulation), as the shortest example of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from rayctl.api.observed import PodView
from rayctl.api.status import Phase
from rayctl.core.autoscale.demand import NodeId
from rayctl.core.autoscale.leave import Leave
from rayctl.core.reconcile.decide import decide
from rayctl.core.reconcile.seen import Silence
from unit.builders import a_cluster, a_pod, a_pod_type
from unit.core.reconcile.passes import (
    HEAD,
    NOW,
    WORKER,
    a_view,
    apply,
    created,
    deleted,
    drained,
    pass_over,
    seen,
)

EDITED = (a_pod_type(HEAD), a_pod_type(WORKER, min_workers=1, labels={"zone": "b"}))


def test_a_pod_that_has_ended_does_not_keep_a_cluster_from_being_suspended() -> None:
    cluster = a_cluster(workers=0, suspend=True)
    before = seen(cluster, a_pod("h", head=True, phase="Failed", ready=False))

    decision = pass_over(cluster, before)

    assert deleted(decision) == ["h"]
    assert pass_over(cluster, seen(cluster)).status.phase == Phase.SUSPENDED
    assert pass_over(cluster, apply(cluster, before, decision.actions)).actions == ()


def test_a_head_that_never_becomes_ready_is_replaced_as_a_worker_is() -> None:
    cluster = a_cluster(workers=0)
    began = NOW.timestamp() - cluster.join_seconds
    head = a_pod("h", head=True, ready=False, started=began, ready_changed=began)

    early = pass_over(cluster, seen(cluster, head), NOW - timedelta(seconds=1))
    late = pass_over(cluster, seen(cluster, head))

    assert (deleted(early), early.wake_after) == ([], 1)
    assert deleted(late) == ["h"]


def test_a_pod_that_has_failed_is_removed_also_where_nobody_took_its_readiness_back() -> None:
    cluster = a_cluster(workers=1)
    # Found by e2e/faults. Kubernetes' pod garbage collector writes the phase alone.
    head, worker = a_pod("h", head=True), a_pod("w", phase="Failed", ready=True)

    assert deleted(pass_over(cluster, seen(cluster, head, worker))) == ["w"]


def cut_off(name: str, seconds: float, *, head: bool = False) -> PodView:
    """A pod whose kubelet was cut off from the API server so many seconds ago: it runs, and is not ready."""
    started, since = NOW.timestamp() - 3600, NOW.timestamp() - seconds
    return a_pod(name, head=head, ready=False, started=started, ready_changed=since, ip=f"10.0.0.{len(name)}")


def test_workers_whose_kubelets_fall_silent_stay_while_ray_says_that_they_live_and_leave_in_order() -> None:
    cluster = a_cluster(workers=1)
    head, view = a_pod("h", head=True), a_view("h", "w")

    early = pass_over(cluster, seen(cluster, head, cut_off("w", 299), ray=view))
    late = pass_over(cluster, seen(cluster, head, cut_off("w", 300), ray=view))
    lost = pass_over(cluster, seen(cluster, head, cut_off("w", 60), ray=a_view("h")))

    assert (early.actions, early.wake_after) == ((), 1)
    assert (drained(late), deleted(late)) == (["w"], [])
    assert deleted(lost) == ["w"], "Ray says nothing of it"


def test_with_a_plan_a_worker_whose_kubelet_is_silent_leaves_in_order_and_by_the_plan_alone() -> None:
    cluster = a_cluster(workers=1)
    observed = seen(cluster, a_pod("h", head=True), cut_off("w", 300), ray=a_view("h", "w"))
    named = Leave("w", WORKER, NodeId(""), None, "it is not ready any more")

    before = decide(cluster, observed, {WORKER: 1}, NOW, ())
    after = decide(cluster, observed, {WORKER: 0}, NOW, (named,))

    assert before.actions == ()
    assert (drained(after), deleted(after)) == (["w"], [])


def test_where_all_kubelets_fall_silent_all_stay_for_as_long_as_the_head_answers() -> None:
    cluster = a_cluster(workers=1)
    pods = cut_off("h", 3000, head=True), cut_off("w", 3000)

    decision = pass_over(cluster, seen(cluster, *pods, ray=a_view("h", "w")))

    assert decision.actions == ()


@pytest.mark.parametrize("wish", [{"suspend": True}, {"pod_types": EDITED}, {"max_workers": 0}])
def test_a_new_leader_waits_for_the_first_word_of_a_head_that_is_briefly_not_ready(
    wish: dict[str, Any],
) -> None:
    cluster = a_cluster(workers=1)
    head = cut_off("h", 3, head=True)
    unasked = seen(cluster, head, a_pod("w"), ray=None)
    cluster = replace(cluster, **wish)

    waits = pass_over(cluster, unasked)
    told = pass_over(cluster, replace(unasked, ray=a_view("h", "w")))
    silent = pass_over(cluster, replace(unasked, ray=Silence("no answer")))

    assert deleted(waits) == []
    assert waits.ask_ray or waits.wake_after
    assert (drained(told), deleted(told)) == (["w"], [])
    assert "w" in deleted(silent)


def test_a_new_leader_gives_nobody_up_before_ray_has_been_asked() -> None:
    cluster = a_cluster(workers=1)
    unasked = seen(cluster, cut_off("h", 3000, head=True), cut_off("w", 3000), ray=None)

    waits = pass_over(cluster, unasked)
    silent = pass_over(cluster, replace(unasked, ray=Silence("no answer")))

    assert (waits.actions, waits.wake_after) == ((), 0.5)
    assert sorted(deleted(silent)) == ["h", "w"]


def test_for_a_head_that_starts_nobody_waits() -> None:
    cluster = a_cluster(workers=0, suspend=True)
    head = a_pod("h", head=True, ready=False, started=NOW.timestamp(), ready_changed=NOW.timestamp() - 9)

    decision = pass_over(cluster, seen(cluster, head, a_pod("w", ready=False), ray=None))

    assert sorted(deleted(decision)) == ["h", "w"]


def test_a_head_that_keeps_crashing_gets_no_workers_before_it_is_ready_in_its_present_life() -> None:
    cluster = a_cluster(workers=2)
    old = a_pod("w", session="uid-of-h.0")
    crashed = a_pod("h", head=True, ready=False, restarts=1)
    back = msgspec.structs.replace(crashed, ready=True)

    first = pass_over(cluster, seen(cluster, crashed, old))
    again = pass_over(cluster, seen(cluster, msgspec.structs.replace(crashed, restarts=2)))

    assert (deleted(first), created(first)) == (["w"], [])
    assert again.actions == ()
    assert len(created(pass_over(cluster, seen(cluster, back)))) == 2


def test_a_worker_that_is_ready_without_ray_is_removed_and_replaced() -> None:
    cluster = a_cluster(workers=1)
    long_ago = NOW.timestamp() - cluster.join_seconds
    head, worker = a_pod("h", head=True), a_pod("w", started=long_ago, ready_changed=long_ago + 1)

    early = pass_over(cluster, seen(cluster, head, worker, ray=a_view("h")), NOW - timedelta(seconds=1))
    late = pass_over(cluster, seen(cluster, head, worker, ray=a_view("h")))

    assert (early.actions, early.wake_after) == ((), 1)
    assert (deleted(late), len(created(late))) == (["w"], 1)

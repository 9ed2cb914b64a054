"""A cluster that has been idle for long enough goes to sleep, and wakes when it is wanted."""

from dataclasses import replace
from typing import Any

import pytest

from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster
from rayctl.api.restart import RestartMarks
from rayctl.api.status import settle
from rayctl.core.autoscale.demand import NodeStatus
from rayctl.core.reconcile.seen import Observed, RayView, Silence, ray_view
from unit.builders import a_cluster, a_pod
from unit.core.reconcile.passes import NOW, a_view, created, deleted, pass_over, seen

SLEEPY = a_cluster(0, idle_seconds=60)
HEAD_POD = a_pod("h", head=True)


def idle_for(seconds: float) -> RayView:
    return replace(a_view(idle=("h",)), idle=seconds)


def asleep(cluster: RayCluster = SLEEPY) -> Observed:
    """What is seen of a cluster that has gone to sleep."""
    falling = pass_over(cluster, seen(cluster, HEAD_POD, ray=idle_for(60)))
    observed = seen(cluster, ray=None, status=settle(falling.status, seen(cluster).status, NOW))
    return replace(observed, status=settle(pass_over(cluster, observed).status, observed.status, NOW))


def test_it_is_told_and_then_all_go() -> None:
    observed = seen(SLEEPY, HEAD_POD, ray=idle_for(60))

    told = pass_over(SLEEPY, observed)
    down = pass_over(SLEEPY, replace(observed, status=settle(told.status, observed.status, NOW)))

    assert told.actions == ()
    assert told.urgent
    assert "idle for 60 s" in told.standing[0].text
    assert deleted(down) == ["h"]


def test_it_is_looked_at_again_when_it_may_be_idle_for_long_enough() -> None:
    decision = pass_over(SLEEPY, seen(SLEEPY, HEAD_POD, ray=idle_for(20)))

    assert decision.actions == ()
    assert decision.wake_after == 40


@pytest.mark.parametrize(
    ("cluster", "ray"),
    [
        pytest.param(SLEEPY, a_view("h"), id="something runs"),
        pytest.param(SLEEPY, None, id="Ray was not asked"),
        pytest.param(a_cluster(0), idle_for(10_000), id="without ttlSecondsAfterIdle"),
    ],
)
def test_it_stays_awake(cluster: RayCluster, ray: RayView | None) -> None:
    decision = pass_over(cluster, seen(cluster, HEAD_POD, ray=ray))

    assert decision.status.phase == "Running"
    assert decision.status.asleep == ""


def a_late_worker(seconds: float, **fields: Any) -> PodView:
    """A worker made so many seconds ago that Ray has not seen."""
    return a_pod("w", ready=False, created=NOW.timestamp() - seconds, **fields)


def test_it_stays_awake_while_a_worker_is_on_its_way() -> None:
    decision = pass_over(SLEEPY, seen(SLEEPY, HEAD_POD, a_late_worker(40), ray=idle_for(60)))

    assert decision.status.asleep == ""
    assert not decision.urgent


@pytest.mark.parametrize(
    "worker",
    [
        pytest.param(a_late_worker(900, reason="Unschedulable"), id="that no node has had room for"),
        pytest.param(a_late_worker(40, deleting=True), id="that is leaving"),
        pytest.param(a_late_worker(40, phase="Failed"), id="that has ended"),
    ],
)
def test_it_is_not_kept_awake_by_a_worker(worker: PodView) -> None:
    decision = pass_over(SLEEPY, seen(SLEEPY, HEAD_POD, worker, ray=idle_for(60)))

    assert "idle for 60 s" in [note.text for note in decision.standing][-1]
    assert decision.status.asleep


STALE = replace(idle_for(58), at=NOW.timestamp() - 2)
BUSY = a_view("h")


def announced(ray: RayView | Silence | None, *pods: PodView) -> Observed:
    """What is seen of a cluster of which its status says that it sleeps, and nobody has gone yet."""
    falling = pass_over(SLEEPY, seen(SLEEPY, HEAD_POD, ray=idle_for(60)))
    status = settle(falling.status, seen(SLEEPY).status, NOW)
    return seen(SLEEPY, HEAD_POD, *pods, ray=ray, status=status)


def test_nothing_is_told_by_an_answer_of_a_while_ago() -> None:
    decision = pass_over(SLEEPY, seen(SLEEPY, HEAD_POD, ray=STALE))

    assert decision.status.asleep == ""
    assert decision.ask_ray


@pytest.mark.parametrize("ray", [pytest.param(STALE, id="not of late"), pytest.param(None, id="not yet")])
def test_before_the_first_goes_ray_is_asked_once_more(ray: RayView | None) -> None:
    decision = pass_over(SLEEPY, announced(ray))

    assert decision.actions == ()
    assert decision.status.asleep
    assert decision.ask_ray


@pytest.mark.parametrize(
    "ray", [pytest.param(BUSY, id="somebody is busy"), pytest.param(Silence("no answer"), id="it is silent")]
)
def test_a_sleep_that_was_announced_is_taken_back_when(ray: RayView | Silence) -> None:
    decision = pass_over(SLEEPY, announced(ray))

    assert decision.actions == ()
    assert decision.status.asleep == ""
    assert decision.status.phase == "Running"


def test_a_sleep_that_has_begun_goes_on_while_workers_leave() -> None:
    leaving = replace(a_view(idle=("h",), draining=("w",)), idle=0.0)

    decision = pass_over(SLEEPY, announced(leaving, a_pod("w")))

    assert decision.status.asleep
    assert decision.status.phase == "Updating"


def test_asleep_it_has_no_pods_and_says_why() -> None:
    observed = asleep()

    decision = pass_over(SLEEPY, observed)

    suspended = decision.status.find_condition("Suspended")
    assert decision.actions == ()
    assert decision.status.phase == "Suspended"
    assert suspended is not None
    assert (suspended.true, suspended.reason) == (True, "Idle")


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(replace(SLEEPY, generation=SLEEPY.generation + 1), id="an edit of the spec"),
        pytest.param(
            replace(SLEEPY, restarts=RestartMarks((("restartedAt", "now"),))),
            id="a restart that is asked for",
        ),
        pytest.param(replace(SLEEPY, idle_seconds=None), id="the end of ttlSecondsAfterIdle"),
    ],
)
def test_it_is_woken_by(cluster: RayCluster) -> None:
    decision = pass_over(cluster, asleep())

    assert [role for role, _, _ in created(decision)] == ["head"]
    assert decision.status.asleep == ""
    assert decision.status.autoscaler_retries == 0


def test_a_cluster_is_as_idle_as_its_busiest_node_and_not_at_all_while_somebody_wants_it() -> None:
    first, second = a_view(idle=("h", "w0")).nodes.values()
    nodes = [replace(first, idle_ms=9000), replace(second, idle_ms=4000)]
    busy = replace(second, status=NodeStatus.RUNNING)

    assert ray_view("life", nodes, 0.0).idle == 4
    assert ray_view("life", nodes, 0.0, wanted=True).idle == 0
    assert ray_view("life", [*nodes, busy], 0.0).idle == 0
    assert ray_view("life", [], 0.0).idle == 0

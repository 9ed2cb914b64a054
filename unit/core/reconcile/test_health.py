"""A pod's verdict, and the moment in which time alone changes it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rayctl.api.names import Role
from rayctl.api.observed import PodView
from rayctl.core.autoscale.demand import NodeId, NodeStatus, RayNode
from rayctl.core.reconcile.health import Health, Verdict, health_of
from rayctl.core.reconcile.seen import ray_view
from unit.builders import a_pod
from unit.core.reconcile.passes import WORKER, a_view

AT = 1_000_000.0
NOW = datetime.fromtimestamp(AT, UTC)
SINCE = AT - 5000
"""When the head became ready."""


def starting(**fields: Any) -> PodView:
    return a_pod("w", ready=False, ready_changed=AT - 3000, started=AT - 2000, **fields)


def was_ready(seconds: float, **fields: Any) -> PodView:
    """A pod that became not ready so many seconds ago."""
    return a_pod("w", ready=False, started=AT - 2000, ready_changed=AT - seconds, **fields)


def a_dead_node(pod: str, ip: str) -> RayNode:
    return RayNode(NodeId("01"), pod, WORKER, NodeStatus.DEAD, {}, {}, {}, 0, frozenset(), ip)


def judge(
    pod: PodView,
    patience: int = 600,
    since: float = SINCE,
    busy: tuple[str, ...] = (),
    **ray: tuple[str, ...],
) -> Health:
    view = a_view(*busy, **ray) if busy or ray else None  # type: ignore[arg-type]
    return health_of(pod, view, since, patience, NOW)


@pytest.mark.parametrize(
    ("pod", "verdict"),
    [
        pytest.param(a_pod(), Verdict.READY, id="ready"),
        pytest.param(a_pod(phase="Failed", ready=False), Verdict.ENDED, id="failed"),
        pytest.param(a_pod(phase="Succeeded", ready=False), Verdict.ENDED, id="succeeded"),
        pytest.param(a_pod(ready=False), Verdict.STARTING, id="not started"),
        pytest.param(
            a_pod(ready=False, reason="Unschedulable"), Verdict.UNSCHEDULABLE, id="no node has room for it"
        ),
        pytest.param(a_pod(ready=False, reason="ImagePullBackOff"), Verdict.CANNOT_START, id="no such image"),
        pytest.param(
            starting(reason="CrashLoopBackOff"),
            Verdict.CRASH_LOOPING,
            id="crashes, and is restarted in place",
        ),
        pytest.param(a_pod(deleting=True), Verdict.TERMINATING, id="we deleted it just now"),
        pytest.param(a_pod(deleting=True, ends_by=AT - 59), Verdict.TERMINATING, id="it is late to end"),
        pytest.param(a_pod(deleting=True, ends_by=AT - 60), Verdict.STUCK_TERMINATING, id="too late"),
        pytest.param(was_ready(59), Verdict.UNREADY, id="was ready a moment ago"),
        pytest.param(was_ready(60), Verdict.UNREADY_TOO_LONG, id="was ready a minute ago"),
        pytest.param(was_ready(119, role=Role.HEAD), Verdict.UNREADY, id="a head has longer"),
        pytest.param(was_ready(120, role=Role.HEAD), Verdict.UNREADY_TOO_LONG, id="but not for ever"),
        pytest.param(starting(), Verdict.NEVER_JOINED, id="started long ago, never ready"),
    ],
)
def test_the_verdict_on(pod: PodView, verdict: Verdict) -> None:
    assert judge(pod).verdict is verdict


@pytest.mark.parametrize(
    ("pod", "due"),
    [
        pytest.param(was_ready(20), AT + 40, id="not ready for a moment"),
        pytest.param(a_pod(deleting=True, ends_by=AT + 10), AT + 70, id="ending"),
        pytest.param(a_pod(ready=False, started=AT - 100, ready_changed=AT - 200), AT + 500, id="joining"),
        pytest.param(a_pod(), None, id="ready"),
        pytest.param(a_pod(deleting=True), None, id="ending, nobody knows when"),
    ],
)
def test_it_is_looked_at_again_when_time_alone_may_change_the_verdict(
    pod: PodView, due: float | None
) -> None:
    assert judge(pod).due == due


@pytest.mark.parametrize(
    ("pod", "since", "health"),
    [
        pytest.param(was_ready(61), SINCE, Health(Verdict.UNREADY, AT + 239), id="a minute ago"),
        pytest.param(was_ready(300), SINCE, Health(Verdict.UNREADY_TOO_LONG), id="five minutes ago"),
        pytest.param(
            was_ready(900), AT, Health(Verdict.UNREADY, AT + 300), id="its head is not ready either"
        ),
        pytest.param(was_ready(900, role=Role.HEAD), AT, Health(Verdict.UNREADY), id="a head that answers"),
    ],
)
def test_what_is_not_ready_and_by_rays_word_alive_has_longer(
    pod: PodView, since: float, health: Health
) -> None:
    assert judge(pod, since=since, busy=("w",)) == health


def test_a_worker_may_join_only_once_its_head_is_ready() -> None:
    assert judge(starting(), since=AT - 599) == Health(Verdict.STARTING, AT + 1)


def test_with_no_time_out_it_may_take_for_ever() -> None:
    assert judge(starting(), patience=0) == Health(Verdict.STARTING)


def joined_late(**fields: Any) -> PodView:
    """A pod that is ready by a readinessProbe of the user's, and was started ten minutes ago."""
    return a_pod("w", started=AT - 600, ready_changed=AT - 590, **fields)


def test_a_pod_that_is_ready_and_never_joins_ray_is_given_up_as_any_other() -> None:
    assert judge(joined_late(), busy=("h",)).verdict is Verdict.NEVER_JOINED
    assert judge(joined_late(), busy=("h",), since=AT - 599) == Health(Verdict.READY, AT + 1)
    assert judge(joined_late(), busy=("h",), patience=0) == Health(Verdict.READY)
    assert judge(joined_late(), busy=("h", "w")) == Health(Verdict.READY)
    assert judge(joined_late()) == Health(Verdict.READY), "Ray says nothing"
    assert judge(joined_late(role=Role.HEAD), busy=("h",)) == Health(Verdict.READY)


def test_a_pod_whose_node_bears_another_name_is_known_by_its_address() -> None:
    node = replace(a_dead_node("", ip="10.0.0.1"), status=NodeStatus.IDLE)
    view = ray_view("life", [node], AT)

    assert health_of(joined_late(ip="10.0.0.1"), view, SINCE, 600, NOW).verdict is Verdict.READY
    assert health_of(joined_late(ip="10.0.0.2"), view, SINCE, 600, NOW).verdict is Verdict.NEVER_JOINED


def test_a_pod_that_has_joined_ray_and_is_never_ready_is_not_said_to_have_not_joined() -> None:
    assert judge(starting()).verdict is Verdict.NEVER_JOINED
    assert judge(starting(), busy=("w",)) == Health(Verdict.STARTING)


def test_what_ray_has_lost_may_be_restarting_in_place_for_half_a_minute() -> None:
    running = a_pod("w", started=AT - 2000)
    restarted = a_pod("w", started=AT - 10)

    assert judge(running, dead=("w",)).verdict is Verdict.LOST_BY_RAY
    assert judge(restarted, dead=("w",)) == Health(Verdict.UNREADY, AT + 20)
    assert judge(running, idle=("w",)).verdict is Verdict.READY
    assert judge(restarted, idle=()).verdict is Verdict.READY, "Ray may not know it yet"


def test_what_ray_lost_of_a_namesake_says_nothing_of_a_pod() -> None:
    view = ray_view("life", [a_dead_node("w", ip="10.0.0.1")], AT)

    assert view.has_lost(a_pod("w", ip="10.0.0.1"))
    assert view.has_lost(a_pod("w", ip="")), "it is not known where it is"
    assert not view.has_lost(a_pod("w", ip="10.0.0.2"))
    assert not view.has_lost(a_pod("x", ip="10.0.0.1"))

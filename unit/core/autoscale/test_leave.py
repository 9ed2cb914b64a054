"""The design's scenarios 30 to 35, 39 to 43, 46, 47 and 51: who goes, when, and how."""

from dataclasses import replace
from typing import Any

import pytest

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.demand import DrainReason, GroupId
from rayctl.core.autoscale.memory import Memory, drain_refused, fresh_memory
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.workers import PodVerdict, Worker, WorkerState
from unit.core.autoscale.situations import (
    NOW,
    A,
    B,
    a_situation,
    a_slice,
    a_snapshot,
    a_worker,
    amounts,
    an_offer,
    demand,
    planned,
)

SLICE = an_offer("slice", TPU=4, hosts=4, maximum=8)


def leaving(outcome: Plan) -> dict[str, DrainReason | None]:
    return {leave.pod: leave.reason for leave in outcome.leave}


def later(situation: Situation, outcome: Plan, seconds: float, **fields: Any) -> Situation:
    """The same a while later, with what the plan remembered; keywords are fields of Situation."""
    now = Monotonic(situation.now + seconds)
    asked = replace(situation.asked, at=now, version=situation.asked.version + 1)
    given: dict[str, Any] = {"memory": outcome.memory, "now": now, "asked": asked}
    return replace(situation, **given | fields)


def idle_workers(*seconds: float) -> list[Worker]:
    return [a_worker(A, WorkerState.IDLE, idle=each) for each in seconds]


def test_30_the_longest_idle_goes_and_the_minimum_stays() -> None:
    shorter, longer = idle_workers(70, 90)

    outcome = planned(types=[replace(A, minimum=1)], workers=[shorter, longer])

    assert leaving(outcome) == {longer.pod: DrainReason.IDLE}
    assert outcome.targets == {"a": 1}


def test_of_idle_workers_the_longest_idle_are_used_last() -> None:
    shorter, longer = idle_workers(70, 90)

    for workers in ([shorter, longer], [longer, shorter]):
        assert leaving(planned(demand(CPU=4), types=[A], workers=workers)).keys() == {longer.pod}


@pytest.mark.parametrize(
    ("idle", "goes"),
    [
        pytest.param(59.9, False, id="not before its type's time-out"),
        pytest.param(60.0, True, id="at its type's time-out"),
    ],
)
def test_an_idle_worker_goes_at_its_time_out(idle: float, goes: bool) -> None:
    assert bool(planned(types=[A], workers=idle_workers(idle)).leave) == goes


def test_the_idle_clock_goes_on_since_ray_told_it() -> None:
    asked = a_snapshot(at=Monotonic(NOW - 2))

    assert planned(types=[A], workers=idle_workers(58.5), asked=asked).leave


def test_31_an_idle_worker_that_is_needed_again_stays() -> None:
    assert not planned(demand(CPU=1), types=[A], workers=idle_workers(3600)).leave


def test_31_a_worker_that_was_needed_a_moment_ago_stays_once_more() -> None:
    situation = a_situation(demand(CPU=1), types=[A], workers=idle_workers(3600))
    gone = later(situation, plan(situation), 0.5, asked=a_snapshot(version=2))

    outcome = plan(gone)

    assert not outcome.leave
    assert plan(later(gone, outcome, 0.5)).leave


def test_32_a_worker_that_ray_would_not_drain_has_its_whole_time_out_again() -> None:
    situation = a_situation(types=[A], workers=idle_workers(3600))
    (worker,) = situation.workers
    refused = drain_refused(plan(situation).memory, worker.pod, NOW)

    soon = replace(situation, memory=refused, now=Monotonic(NOW + 59))
    late = replace(situation, memory=refused, now=Monotonic(NOW + 60))

    assert not plan(soon).leave
    assert plan(late).leave


def test_33_a_drain_that_was_not_answered_is_asked_for_again() -> None:
    situation = a_situation(types=[A], workers=idle_workers(3600))
    outcome = plan(situation)

    assert leaving(plan(later(situation, outcome, 0.5))) == leaving(outcome)


def test_34_above_a_lowered_maximum_the_idle_worker_is_forced_out() -> None:
    busy, idle = a_worker(A), a_worker(A, WorkerState.IDLE, idle=1.0)

    outcome = planned(types=[replace(A, maximum=1)], workers=[busy, idle])

    assert leaving(outcome) == {idle.pod: DrainReason.PREEMPTION}
    assert outcome.targets == {"a": 1}


def test_above_a_maximum_they_go_in_the_order_of_what_is_lost_with_them() -> None:
    by_loss = [
        a_worker(A, WorkerState.STUCK),
        a_worker(A, WorkerState.REQUESTED),
        a_worker(A, WorkerState.PENDING),
        a_worker(A, WorkerState.STARTING),
        a_worker(A, WorkerState.IDLE, idle=9.0),
        a_worker(A, WorkerState.IDLE, idle=5.0),
        a_worker(A, available=amounts(CPU=3)),
        a_worker(A, available=amounts(CPU=1)),
    ]

    for keep in range(len(by_loss)):
        outcome = planned(types=[replace(A, maximum=keep)], workers=by_loss[::-1])
        assert leaving(outcome).keys() == {worker.pod for worker in by_loss[: len(by_loss) - keep]}


def test_above_the_clusters_maximum_types_above_their_minimum_give_first() -> None:
    minimal, spare = a_worker(A), a_worker(B)

    outcome = planned(types=[replace(A, minimum=1), B], workers=[minimal, spare], cluster_maximum=1)

    assert leaving(outcome).keys() == {spare.pod}


def test_what_a_request_holds_goes_last() -> None:
    held, other = a_worker(A, WorkerState.IDLE, idle=50.0), a_worker(A)
    memory = Memory(session="session_1", version=1, held=frozenset({held.pod}))

    outcome = planned(types=[replace(A, maximum=1)], workers=[held, other], memory=memory)

    assert leaving(outcome).keys() == {other.pod}


def test_35_workers_of_a_type_that_is_gone_are_sent_away_and_the_rest_is_planned() -> None:
    orphan = a_worker(B)

    outcome = planned(demand(CPU=4), types=[A], workers=[orphan])

    assert leaving(outcome) == {orphan.pod: DrainReason.PREEMPTION}
    assert outcome.launch == {"a": 1}


def test_a_pod_that_is_named_goes_however_busy_it_is() -> None:
    named, other = a_worker(A), a_worker(A)

    outcome = planned(types=[A], workers=[named, other], doomed={named.pod: "spec.scaleStrategy names it"})

    assert leaving(outcome) == {named.pod: DrainReason.PREEMPTION}
    assert outcome.leave[0].why == "spec.scaleStrategy names it"


def test_a_worker_that_drains_already_is_not_asked_again() -> None:
    outcome = planned(types=[replace(A, maximum=0)], workers=[a_worker(A, WorkerState.DRAINING)])

    assert not outcome.leave
    assert outcome.targets == {"a": 0}


@pytest.mark.parametrize("state", [WorkerState.REQUESTED, WorkerState.PENDING])
def test_40_a_pod_without_a_node_goes_when_nothing_needed_it_for_half_a_minute(state: WorkerState) -> None:
    situation = a_situation(types=[A], workers=[a_worker(A, state) for _ in range(5)])
    first = plan(situation)

    assert not first.leave
    assert not plan(later(situation, first, 29)).leave
    assert len(plan(later(situation, first, 30)).leave) == 5


def test_40_one_that_has_a_node_may_join_first() -> None:
    situation = a_situation(types=[A], workers=[a_worker(A, WorkerState.STARTING)])

    assert not plan(later(situation, plan(situation), 3600)).leave


def test_40_the_minimum_stays_though_nothing_needs_it() -> None:
    situation = a_situation(
        types=[replace(A, minimum=2)], workers=[a_worker(A, WorkerState.PENDING) for _ in range(3)]
    )

    assert len(plan(later(situation, plan(situation), 30)).leave) == 1


def test_41_demand_that_flickers_makes_nothing_come_or_go() -> None:
    situation = a_situation(demand(CPU=4), types=[A])
    outcome = plan(situation)
    situation = later(situation, outcome, 1, workers=(a_worker(A, WorkerState.PENDING),))

    for second in range(60):
        asked = a_snapshot(*[demand(CPU=4)] * (second % 2), version=3 + second)
        situation = later(situation, outcome, 1, asked=asked)
        outcome = plan(situation)
        assert not outcome.launch
        assert not outcome.leave


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(a_worker(A, WorkerState.LOST, node_id=""), id="43 Ray has lost its node"),
        pytest.param(
            a_worker(A, WorkerState.STUCK, verdict=PodVerdict.FAILING, age=60.0),
            id="42 it does not start or join",
        ),
    ],
)
def test_what_failed_is_deleted_and_replaced_at_once(lost: Worker) -> None:
    outcome = planned(types=[replace(A, minimum=1)], workers=[lost])

    assert leaving(outcome) == {lost.pod: None}
    assert outcome.launch == {"a": 1}
    assert outcome.targets == {"a": 1}


def test_why_a_worker_was_given_up_is_told_by_whether_ray_has_its_node() -> None:
    cut_off = a_worker(A, WorkerState.LOST, node_id="01", verdict=PodVerdict.GONE_BAD)
    dead = a_worker(A, WorkerState.LOST)

    told = {leave.pod: leave.why for leave in planned(types=[A], workers=[cut_off, dead]).leave}

    assert told == {cut_off.pod: "it is not ready any more", dead.pod: "Ray has lost its node"}


def test_a_replacement_waits_for_the_lost_to_go_where_the_maximum_is_reached() -> None:
    lost = a_worker(A, WorkerState.LOST)

    outcome = planned(types=[replace(A, minimum=1, maximum=1)], workers=[lost])

    assert leaving(outcome) == {lost.pod: None}
    assert not outcome.launch


def test_a_pod_that_can_not_be_scheduled_is_left_to_kubernetes_for_a_quarter_of_an_hour() -> None:
    asked = demand(CPU=4)
    young = planned(asked, types=[A], workers=[a_worker(A, WorkerState.STUCK, age=899.0)])
    old = planned(asked, types=[A], workers=[a_worker(A, WorkerState.STUCK, age=900.0)])

    assert not young.leave
    assert len(old.leave) == 1


def test_a_pod_that_does_not_start_is_no_capacity_at_once_and_left_to_the_kubelet_for_a_minute() -> None:
    asked, why = demand(CPU=4), "ErrImagePull: 429 Too Many Requests"
    young = a_worker(A, WorkerState.STUCK, verdict=PodVerdict.FAILING, age=59.0, why=why)

    outcome = planned(asked, types=[A], workers=[young])
    of_the_minimum = planned(types=[replace(A, minimum=1)], workers=[young])
    old = planned(asked, types=[A], workers=[replace(young, age=60.0)])

    assert (outcome.leave, outcome.launch) == ((), {"a": 1})
    assert (of_the_minimum.leave, of_the_minimum.launch) == ((), {})
    assert [leave.why for leave in old.leave] == [why]


def test_why_a_pod_that_does_not_start_goes_when_nothing_needs_it_is_told() -> None:
    stuck = a_worker(A, WorkerState.STUCK, verdict=PodVerdict.FAILING, age=9.0, why="ErrImagePull: 429")
    situation = a_situation(types=[A], workers=[stuck])

    (leave,) = plan(later(situation, plan(situation), 30)).leave

    assert leave.why == "ErrImagePull: 429, and nothing has needed it for 30 s"


def test_39_stuck_pods_go_when_their_demand_is_met_elsewhere_for_half_a_minute() -> None:
    stuck = [a_worker(A, WorkerState.STUCK) for _ in range(2)]
    situation = a_situation(types=[A, B], workers=[*stuck, a_worker(B)])
    first = plan(situation)

    assert not first.leave
    assert leaving(plan(later(situation, first, 30))).keys() == {worker.pod for worker in stuck}


def test_38_stuck_pods_stay_while_nothing_else_meets_their_demand() -> None:
    situation = a_situation(
        demand(2, CPU=4), types=[A], workers=[a_worker(A, WorkerState.STUCK) for _ in range(2)]
    )

    assert not plan(later(situation, plan(situation), 300)).leave


def test_46_after_a_new_session_the_old_workers_go_and_nothing_idle_for_half_a_minute() -> None:
    old, idle = a_worker(A, WorkerState.LOST), a_worker(A, WorkerState.IDLE, idle=3600.0)
    situation = a_situation(types=[A], workers=[old, idle], asked=a_snapshot(session="session_2"))
    first = plan(situation)

    assert leaving(first) == {old.pod: None}
    assert idle.pod not in leaving(plan(later(situation, first, 29)))
    assert idle.pod in leaving(plan(later(situation, first, 30)))


def test_47_a_gcs_that_started_anew_is_told_its_request_again_and_nothing_goes() -> None:
    request = (demand(CPU=4),)
    workers = [a_worker(A, WorkerState.IDLE, idle=3600.0), a_worker(A, WorkerState.LOST)]
    memory = Memory(session="session_1", version=900, request=request)
    situation = a_situation(types=[A], workers=workers, memory=memory, asked=a_snapshot(version=2))

    outcome = plan(situation)

    assert outcome.restore == request
    assert not outcome.leave
    assert outcome.memory.held == {workers[0].pod}


def test_47_it_is_told_until_it_knows() -> None:
    request = (demand(CPU=4),)
    memory = Memory(session="session_1", version=900, request=request)
    situation = a_situation(types=[A], memory=memory, asked=a_snapshot(version=2))
    unheard = later(situation, plan(situation), 1)
    heard = later(unheard, plan(unheard), 1, asked=a_snapshot(version=4, request=request))
    cleared = later(heard, plan(heard), 1, asked=a_snapshot(version=5))

    assert plan(unheard).restore == request
    assert not plan(heard).restore
    assert not plan(cleared).restore
    assert not plan(cleared).memory.request


def test_a_request_that_is_cleared_holds_nothing_any_more() -> None:
    request = (demand(CPU=4),)
    memory = Memory(session="session_1", version=1, request=request)

    outcome = planned(types=[A], memory=memory, asked=a_snapshot(version=2))

    assert not outcome.restore
    assert not outcome.launch


def test_a_new_leader_sends_nobody_away_for_half_a_minute() -> None:
    situation = a_situation(types=[A], workers=idle_workers(3600), memory=fresh_memory(NOW))
    first = plan(situation)

    assert not first.leave
    assert plan(later(situation, first, 30)).leave


def test_51_with_one_host_lost_the_whole_slice_is_replaced() -> None:
    hosts = a_slice(SLICE, WorkerState.LOST, WorkerState.RUNNING)

    outcome = planned(types=[replace(SLICE, minimum=4)], workers=hosts)

    assert leaving(outcome) == {hosts[0].pod: None} | dict.fromkeys(
        (host.pod for host in hosts[1:]), DrainReason.PREEMPTION
    )
    assert outcome.launch == {"slice": 4}


def test_51_a_slice_with_a_busy_host_stays() -> None:
    busy = a_slice(SLICE, WorkerState.RUNNING, WorkerState.IDLE, idle=3600.0)
    idle = a_slice(SLICE, WorkerState.IDLE, idle=3600.0)

    assert not planned(types=[SLICE], workers=busy).leave
    assert len(planned(types=[SLICE], workers=idle).leave) == 4


def test_a_worker_with_a_part_of_a_placement_group_is_not_idle() -> None:
    """Ray's status is up to a second old, the placement group is not: the worker counts as running."""
    reserved = a_worker(A, WorkerState.RUNNING, idle=3600.0, groups=frozenset({GroupId("aa")}))

    assert not planned(types=[A], workers=[reserved]).leave

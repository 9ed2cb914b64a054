"""What Ray is told of a plan."""

from dataclasses import replace

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.block import refuse
from rayctl.core.autoscale.demand import Strategy
from rayctl.core.autoscale.feedback import (
    FailedRequest,
    Feedback,
    PendingInstance,
    PendingRequest,
    feedback,
)
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import WorkerState
from unit.core.autoscale.situations import NOW, A, a_situation, a_worker, demand, gang

WALL = 1_700_000_000.0


def told(situation: Situation) -> Feedback:
    return feedback(situation, plan(situation), WALL)


def test_13_what_waits_for_a_maximum_is_not_told_as_infeasible() -> None:
    answer = told(a_situation(demand(50, CPU=4), types=[replace(A, maximum=3)]))

    assert answer.infeasible == ()
    assert answer.pending_requests == (PendingRequest("a"),) * 3


def test_what_no_type_could_ever_hold_is_told_by_what_asked_for_it() -> None:
    large = gang(Strategy.PACK, demand(2, CPU=5))

    answer = told(a_situation(demand(3, CPU=8), large, types=[A], request=[demand(TPU=1)]))

    assert answer.infeasible == (demand(3, CPU=8),)
    assert answer.infeasible_gangs == (large,)
    assert answer.infeasible_constraint == (demand(TPU=1),)


def test_pods_that_have_not_joined_are_told_with_what_they_wait_for() -> None:
    workers = [
        a_worker(A, WorkerState.PENDING, pod="p1"),
        a_worker(A, WorkerState.STARTING, pod="p2", why="ContainerCreating"),
        a_worker(A, WorkerState.STUCK, pod="p3", why="ImagePullBackOff: no such image"),
        a_worker(A, WorkerState.RUNNING, pod="p4"),
    ]

    assert told(a_situation(types=[A], workers=workers)).pending_instances == (
        PendingInstance("p1", "a", "Scheduling"),
        PendingInstance("p2", "a", "ContainerCreating"),
        PendingInstance("p3", "a", "ImagePullBackOff: no such image"),
    )


def test_pods_just_asked_for_and_those_to_be_launched_are_told_up_to_a_hundred() -> None:
    situation = a_situation(
        request=[demand(150, CPU=4)],
        types=[replace(A, maximum=1000)],
        workers=[a_worker(A, WorkerState.REQUESTED)],
    )

    assert told(situation).pending_requests == (PendingRequest("a"),) * 100


def test_a_type_in_trouble_is_told_as_failed_with_its_time() -> None:
    blocks = refuse({}, A, "exceeded quota", Monotonic(NOW - 20))
    memory = Memory(session="session_1", version=1, blocks=blocks)

    assert told(a_situation(types=[A], memory=memory)).failed_requests == (
        FailedRequest("a", 1, "refused by the API server: exceeded quota", WALL - 20, WALL - 20),
    )


def test_a_block_is_told_alike_although_two_clocks_differ_by_a_hair() -> None:
    blocks = refuse({}, A, "exceeded quota", Monotonic(NOW - 20))
    situation = a_situation(types=[A], memory=Memory(version=1, blocks=blocks))
    made = plan(situation)

    told = {feedback(situation, made, 1e9 + hair).failed_requests for hair in (0.0, 1e-6, -1e-6)}

    assert len(told) == 1

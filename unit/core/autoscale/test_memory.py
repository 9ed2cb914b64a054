"""Nothing is launched twice, and nothing is held back that is needed once more."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.block import refuse
from rayctl.core.autoscale.demand import Demand, Gang, GroupId, Strategy
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import PodVerdict, WorkerState
from unit.core.autoscale.situations import (
    NOW,
    A,
    B,
    a_situation,
    a_snapshot,
    a_worker,
    amounts,
    an_offer,
    demand,
    gang,
    launched,
)


def asking(situation: Situation, *asked: Demand | Gang) -> Situation:
    return replace(situation, asked=a_snapshot(*asked, version=situation.asked.version + 1))


def under_way(situation: Situation) -> Situation:
    return launched(situation, plan(situation))


def test_less_demand_launches_nothing_more() -> None:
    situation = under_way(a_situation(demand(3, CPU=3), demand(5, CPU=2), types=[A, B]))

    assert not plan(asking(situation, demand(2, CPU=3), demand(5, CPU=2))).launch


def test_more_demand_launches_for_the_difference() -> None:
    situation = under_way(a_situation(demand(3, CPU=4), types=[A]))

    assert plan(asking(situation, demand(5, CPU=4))).launch == {"a": 2}


def test_a_pod_that_could_not_be_made_is_launched_again() -> None:
    situation = under_way(a_situation(demand(3, CPU=4), types=[A]))

    assert plan(replace(situation, workers=situation.workers[1:])).launch == {"a": 1}


def test_what_ray_puts_elsewhere_than_planned_is_made_up_for() -> None:
    """Ray put all small tasks on the first node that joined, so the large one waits for another."""
    situation = under_way(a_situation(demand(4, CPU=1), demand(CPU=4), types=[A]))
    joined = replace(
        situation.workers[0], state=WorkerState.RUNNING, total=A.resources, available={}, labels=A.labels
    )
    lost = replace(situation.workers[1], state=WorkerState.TERMINATING)
    situation = asking(replace(situation, workers=(joined, lost)), demand(CPU=4))

    assert plan(situation).launch == {"a": 1}


def test_a_worker_that_fills_up_by_other_means_is_made_up_for() -> None:
    worker = a_worker(A, WorkerState.IDLE)
    situation = a_situation(demand(CPU=4), types=[A], workers=[worker])
    situation = replace(situation, memory=plan(situation).memory)
    taken = replace(worker, state=WorkerState.RUNNING, available=amounts(CPU=1))

    assert plan(replace(situation, workers=(taken,))).launch == {"a": 1}


def test_a_raised_maximum_is_used_at_once() -> None:
    situation = a_situation(demand(3, CPU=4), types=[replace(A, maximum=1)])
    situation = under_way(situation)

    assert plan(replace(situation, offers=(replace(A, maximum=2),))).launch == {"a": 1}


def test_room_that_another_type_gave_up_is_used_at_once() -> None:
    draining = a_worker(B, WorkerState.DRAINING)
    situation = a_situation(demand(CPU=4), types=[A, B], workers=[draining], cluster_maximum=1)
    first = plan(situation)
    gone = replace(situation, workers=(), memory=first.memory)

    assert not first.launch
    assert plan(gone).launch == {"a": 1}


def joined(situation: Situation) -> Situation:
    """What was on its way has joined; nothing runs on it."""
    workers = [
        replace(worker, state=WorkerState.IDLE, total=A.resources, available=A.resources, labels=A.labels)
        for worker in situation.workers
    ]
    return replace(situation, workers=tuple(workers))


def test_room_that_its_user_gave_up_goes_to_a_group_that_had_to_wait() -> None:
    """Less is asked than before, but the last plan had left out what is asked still."""
    spread = gang(Strategy.STRICT_SPREAD, demand(2, CPU=4), group=GroupId("aa"))
    packed = gang(Strategy.PACK, demand(4, CPU=4))
    situation = a_situation(spread, packed, types=[A], cluster_maximum=5)
    first = plan(situation)

    later = plan(asking(joined(launched(situation, first)), packed))

    assert (first.launch, len(first.unmet)) == ({"a": 2}, 1)
    assert later.launch == {"a": 2}


def test_room_that_comes_free_lets_a_group_be_launched_that_had_to_wait() -> None:
    busy = a_worker(A, available={})
    packed = gang(Strategy.PACK, demand(3, CPU=4))
    situation = a_situation(packed, types=[replace(A, maximum=3)], workers=[busy])
    first = plan(situation)
    free = replace(busy, state=WorkerState.IDLE, available=A.resources)

    assert not first.launch
    assert plan(replace(situation, memory=first.memory, workers=(free,))).launch == {"a": 2}


@given(
    st.lists(
        st.builds(gang, st.sampled_from(Strategy), st.builds(demand, st.integers(1, 4), CPU=st.just(4)))
    ),
    st.integers(1, 6),
    st.data(),
)
def test_a_plan_that_left_something_out_does_not_hold_back_what_is_asked_after_it(
    asked: list[Gang], most: int, data: st.DataObject
) -> None:
    situation = a_situation(*asked, types=[A], cluster_maximum=most)
    first = plan(situation)
    assume(first.unmet)
    remaining = data.draw(st.lists(st.sampled_from(asked), max_size=len(asked) - 1, unique=True))
    later = asking(joined(launched(situation, first)), *remaining)
    forgetful = replace(later, memory=replace(later.memory, basis=None))

    assert plan(later).launch == plan(forgetful).launch


@pytest.mark.parametrize("state", [WorkerState.FOREIGN, WorkerState.HEAD])
def test_a_node_that_no_plan_launched_lets_a_group_be_launched_that_had_to_wait(state: WorkerState) -> None:
    packed = gang(Strategy.PACK, demand(3, CPU=4))
    situation = a_situation(packed, types=[replace(A, maximum=2)])
    first = plan(situation)
    new = a_worker(A, state, total=A.resources, available=A.resources, labels=A.labels)

    assert not first.launch
    assert plan(replace(situation, memory=first.memory, workers=(new,))).launch == {"a": 2}


def test_other_groups_of_the_same_bundles_are_something_new() -> None:
    """Ten single bundles fit where one group of ten did not, though as bundles they are the same."""
    whole = gang(Strategy.PACK, demand(10, CPU=4))
    situation = a_situation(whole, types=[replace(A, maximum=5)])
    first = plan(situation)
    single = Gang(Strategy.PACK, (demand(CPU=4),), 10)

    assert not first.launch
    assert plan(asking(replace(situation, memory=first.memory), single)).launch == {"a": 5}


def test_a_strictly_spread_group_keeps_its_nodes_while_they_start() -> None:
    spread = gang(Strategy.STRICT_SPREAD, demand(3, CPU=1), group=GroupId("aa"))
    situation = under_way(a_situation(spread, types=[A]))

    outcome = plan(asking(situation, spread, demand(9, CPU=1)))

    assert not outcome.launch
    assert not outcome.unmet


@pytest.mark.parametrize("lost", [0, 1])
def test_a_strictly_spread_group_gets_another_node_for_one_it_lost_on_its_way(lost: int) -> None:
    spread = gang(Strategy.STRICT_SPREAD, demand(CPU=1), demand(CPU=2), group=GroupId("aa"))
    situation = under_way(a_situation(spread, types=[A]))
    situation = under_way(situation)  # now each pod has a name, and its bundle
    left = tuple(worker for index, worker in enumerate(situation.workers) if index != lost)

    assert len(left) == 1
    assert plan(replace(situation, workers=left)).launch == {"a": 1}


def test_a_second_look_does_not_launch_another_type_for_what_is_held_back() -> None:
    """Packing anew beside five nodes on their way finds another set best; the first is under way."""
    types = [
        an_offer("small", CPU=2, memory=8, GPU=2),
        an_offer("large", CPU=8, memory=32, GPU=1, maximum=100),
    ]
    asked: list[Demand | Gang] = [
        demand(9, CPU=2),
        demand(9, CPU=1, memory=5),
        demand(11, CPU=0.5, GPU=1, memory=2),
        gang(Strategy.PACK, demand(3, CPU=0.5), demand(2, CPU=2)),
    ]
    first = plan(a_situation(*asked, types=types))

    assert first.held_back
    assert not plan(launched(a_situation(*asked, types=types), first)).launch


def test_a_worker_that_joined_and_is_taken_at_once_is_made_up_for() -> None:
    situation = under_way(a_situation(demand(2, CPU=4), types=[A]))
    taken = replace(
        situation.workers[0], state=WorkerState.RUNNING, total=A.resources, available={}, labels=A.labels
    )

    outcome = plan(replace(situation, workers=(taken, situation.workers[1])))

    assert outcome.launch == {"a": 1}


def test_a_probe_that_got_stuck_lets_another_type_serve_its_demand() -> None:
    blocks = refuse({}, A, "exceeded quota", Monotonic(NOW - 60))
    memory = Memory(session="session_1", version=1, blocks=blocks)
    situation = under_way(a_situation(demand(CPU=1), types=[A, B], memory=memory))
    (probe,) = situation.workers
    stuck = replace(probe, state=WorkerState.STUCK, verdict=PodVerdict.UNSCHEDULABLE)

    assert probe.type == A.name
    assert plan(replace(situation, workers=(stuck,))).launch == {"b": 1}


def test_two_groups_with_the_same_bundles_share_the_nodes_that_were_launched_for_both() -> None:
    asked = [
        gang(Strategy.SPREAD, demand(CPU=1), count=2),
        gang(Strategy.PACK, demand(CPU=1), count=3),
        gang(Strategy.SPREAD, demand(3, CPU=1)),
    ]
    situation = a_situation(*asked, types=[A], memory=Memory(session="session_1", version=1))
    first = plan(situation)
    again = launched(situation, first)
    unguarded = replace(again, memory=replace(again.memory, basis=None))

    assert first.launch == {"a": 2}
    assert not plan(unguarded).launch


def test_room_that_a_group_can_not_use_any_more_is_free_for_others() -> None:
    pair = gang(Strategy.PACK, demand(2, CPU=4))
    situation = under_way(a_situation(pair, types=[replace(A, maximum=2)]))
    one_left = replace(situation, workers=situation.workers[:1], offers=(replace(A, maximum=1),))

    outcome = plan(asking(one_left, pair, demand(CPU=4)))

    assert [unmet.subject for unmet in outcome.unmet] == [pair]


@pytest.mark.parametrize("joining", [1, 2, 3])
def test_workers_that_join_one_by_one_cause_no_launch(joining: int) -> None:
    situation = under_way(a_situation(demand(3, CPU=3), demand(3, CPU=1), types=[A]))
    workers = [
        replace(worker, state=WorkerState.IDLE, total=A.resources, available=A.resources, labels=A.labels)
        if index < joining
        else worker
        for index, worker in enumerate(situation.workers)
    ]

    assert not plan(replace(situation, workers=tuple(workers))).launch


def test_what_a_type_turned_out_to_have_is_remembered() -> None:
    worker = a_worker(A, total=amounts(CPU=3, memory=5), available={})

    outcome = plan(a_situation(types=[A], workers=[worker]))

    assert outcome.memory.learnt[A.name].resources == amounts(CPU=3, memory=5)

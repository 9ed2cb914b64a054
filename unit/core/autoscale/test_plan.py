"""The design's scenarios 1 to 29, 37, 44, 50: what is launched for what is asked."""

from dataclasses import replace

import pytest

from rayctl.core.autoscale.axes import Purpose
from rayctl.core.autoscale.demand import Demand, Gang, GroupId, Strategy
from rayctl.core.autoscale.explain import Verdict
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.situation import Plan, Situation
from rayctl.core.autoscale.workers import WorkerState
from unit.core.autoscale.situations import (
    A,
    B,
    G,
    a_situation,
    a_worker,
    amounts,
    an_offer,
    anywhere_of,
    demand,
    gang,
    is_in,
    not_in,
    planned,
)

IDLE_A = a_worker(A, WorkerState.IDLE)
SMALL = an_offer("m8", CPU=4, memory=8)
LARGE = an_offer("m64", CPU=4, memory=64)
ONE = an_offer("one", CPU=1)
IN_A = an_offer("z", labels={"zone": "a"}, CPU=4)
AN_A100 = Demand((("GPU", 10_000), ("accelerator_type:A100", 10)), 1)
SLICE = an_offer("slice", TPU=4, hosts=4, maximum=6)


@pytest.mark.parametrize(
    ("situation", "launch"),
    [
        pytest.param(a_situation(demand(CPU=1), types=[A]), {"a": 1}, id="1 a task and nothing runs"),
        pytest.param(a_situation(demand(6, CPU=1), types=[A, B]), {"b": 1}, id="2 one large node for six"),
        pytest.param(
            a_situation(demand(CPU=1), types=[A], workers=[IDLE_A]), {}, id="3 an idle worker takes it"
        ),
        pytest.param(
            a_situation(demand(CPU=4), types=[A], workers=[a_worker(A, WorkerState.DRAINING)]),
            {"a": 1},
            id="4 a draining worker takes nothing",
        ),
        *(
            pytest.param(
                a_situation(demand(CPU=4), types=[A], workers=[a_worker(A, state)]),
                {},
                id=f"5 a {state} worker will take it",
            )
            for state in (WorkerState.REQUESTED, WorkerState.PENDING, WorkerState.STARTING)
        ),
        pytest.param(a_situation(demand(CPU=1), types=[G, A]), {"a": 1}, id="6 plain work spares GPUs"),
        pytest.param(
            a_situation(demand(CPU=1), types=[replace(A, maximum=0), G]),
            {"g": 1},
            id="7 plain work goes to a GPU node when there is no other",
        ),
        pytest.param(
            a_situation(demand(GPU=1), demand(4, CPU=1), types=[A, G]),
            {"g": 1},
            id="8 a GPU node's CPUs are used with its GPU",
        ),
        pytest.param(a_situation(demand(CPU=1), types=[SMALL, LARGE]), {"m8": 1}, id="9 memory costs"),
        pytest.param(a_situation(demand(CPU=1), types=[LARGE, SMALL]), {"m8": 1}, id="9 in whatever order"),
        pytest.param(
            a_situation(demand(CPU=0.9), demand(CPU=0.1), types=[ONE]), {"one": 1}, id="10 0.9 + 0.1 is 1"
        ),
        pytest.param(
            a_situation(demand(11, CPU=0.1), types=[ONE]), {"one": 2}, id="10 11 tenths are more than 1"
        ),
        pytest.param(
            a_situation(demand(), types=[B, A, G]), {"a": 1}, id="11 a task of nothing needs some node"
        ),
        pytest.param(a_situation(demand(CPU=8), types=[A]), {}, id="12 no type is large enough"),
        pytest.param(
            a_situation(demand(50, CPU=4), types=[replace(A, maximum=3)]), {"a": 3}, id="13 up to maxWorkers"
        ),
        pytest.param(
            a_situation(anywhere_of(is_in("zone", "a"), CPU=1), types=[A, IN_A]),
            {"z": 1},
            id="14 the type with the label",
        ),
        pytest.param(
            a_situation(anywhere_of(is_in("zone", "q"), is_in("zone", "a"), CPU=1), types=[A, IN_A]),
            {"z": 1},
            id="15 the fallback, where the first choice is nowhere",
        ),
        pytest.param(
            a_situation(anywhere_of(not_in("zone", "a"), CPU=1), types=[IN_A, A]),
            {"a": 1},
            id="15 not-in is true of a label that is absent",
        ),
        pytest.param(
            a_situation(anywhere_of(is_in("ray.io/node-group", "a"), CPU=1), types=[IN_A, A]),
            {"a": 1},
            id="16 a type by its name, though none of it runs",
        ),
        pytest.param(
            a_situation(AN_A100, types=[A, G]),
            {},
            id="17 a make of accelerator that nobody offers",
        ),
        pytest.param(
            a_situation(gang(Strategy.PACK, demand(3, CPU=4)), types=[replace(A, maximum=2)]),
            {},
            id="19 no part of a group that does not fit as a whole",
        ),
        pytest.param(
            a_situation(gang(Strategy.STRICT_PACK, demand(4, CPU=1)), types=[A]),
            {"a": 1},
            id="20 a strictly packed group on one node",
        ),
        pytest.param(
            a_situation(gang(Strategy.STRICT_PACK, demand(2, CPU=4)), types=[A]),
            {},
            id="20 a strictly packed group that no node holds",
        ),
        pytest.param(
            a_situation(
                gang(Strategy.STRICT_SPREAD, demand(4, CPU=1), group=GroupId("aa")),
                types=[A],
                workers=[IDLE_A],
            ),
            {"a": 3},
            id="21 a strictly spread group, one node of it there",
        ),
        pytest.param(
            a_situation(
                gang(Strategy.STRICT_SPREAD, demand(CPU=1), group=GroupId("aa"), rescheduling=True),
                types=[A],
                workers=[a_worker(A, available=amounts(CPU=3), groups=frozenset({GroupId("aa")}))],
            ),
            {"a": 1},
            id="22 a lost bundle does not join its survivor",
        ),
        pytest.param(
            a_situation(gang(Strategy.SPREAD, demand(4, CPU=1)), types=[A]),
            {"a": 1},
            id="23 a spread group may share a node, as in Ray",
        ),
        pytest.param(
            a_situation(gang(Strategy.PACK, demand(CPU=400)), demand(CPU=1), types=[A]),
            {"a": 1},
            id="25 an infeasible group holds up no task",
        ),
        pytest.param(
            a_situation(request=[demand(5, CPU=4)], types=[replace(A, maximum=3)]),
            {"a": 3},
            id="26 as much of a request as maxWorkers allow",
        ),
        pytest.param(
            a_situation(types=[replace(A, minimum=2)], speed=0.1), {"a": 2}, id="28 the minimum, at once"
        ),
        pytest.param(
            a_situation(types=[replace(A, minimum=2), replace(B, minimum=1)], cluster_maximum=2),
            {"a": 2},
            id="29 minimums above the cluster's maximum, in the order of the spec",
        ),
        pytest.param(
            a_situation(demand(3, TPU=4), types=[SLICE]),
            {"slice": 4},
            id="50 one whole slice for three hosts",
        ),
        pytest.param(
            a_situation(demand(5, TPU=4), types=[SLICE]),
            {"slice": 4},
            id="50 no second slice above the maximum",
        ),
        pytest.param(
            a_situation(demand(CPU=4), types=[an_offer("c", CPU=4, Custom1=1), an_offer("p", CPU=16)]),
            {"p": 1},
            id="plain work spares special nodes though others cost more",
        ),
        pytest.param(
            a_situation(demand(CPU=1), types=[an_offer("w", CPU=4, Custom1=10), G]),
            {"w": 1},
            id="plain work spares GPUs more than custom resources",
        ),
        pytest.param(
            a_situation(
                demand(4, CPU=1),
                types=[an_offer("w", CPU=1, Custom1=1, is_spot=1), an_offer("g8", CPU=8, GPU=1)],
            ),
            {"w": 4},
            id="plain work spares GPUs though others have more kinds of resources and cost more",
        ),
        pytest.param(
            a_situation(
                demand(CPU=1), types=[an_offer("g4", CPU=4, GPU=4), an_offer("g1", CPU=4, GPU=1, Custom1=1)]
            ),
            {"g1": 1},
            id="of nodes that all have a GPU the cheaper one, whatever else it has",
        ),
        pytest.param(
            a_situation(
                demand(CPU=1), types=[an_offer("v", CPU=4, Custom1=1000), an_offer("x", CPU=16, Custom2=1)]
            ),
            {"v": 1},
            id="a custom resource costs the same in whatever unit it is counted",
        ),
        pytest.param(
            a_situation(
                demand(10, Custom1=1),
                types=[an_offer("w1", CPU=4, Custom1=1), an_offer("w10", CPU=8, Custom1=10)],
            ),
            {"w10": 1},
            id="more of a custom resource is worth more than less of it",
        ),
        pytest.param(
            a_situation(
                anywhere_of(is_in("zone", "q"), is_in("zone", "a"), CPU=1),
                demand(CPU=6, GPU=1),
                types=[
                    an_offer("z8", labels={"zone": "a"}, CPU=8, GPU=1),
                    an_offer("q1", labels={"zone": "q"}, CPU=1),
                ],
            ),
            {"z8": 1, "q1": 1},
            id="15 the first choice, though there is room for the fallback on a node launched for others",
        ),
        pytest.param(
            a_situation(anywhere_of(is_in("zone", "a"), (), CPU=1), types=[A, IN_A]),
            {"a": 1},
            id="a selector without a condition is fulfilled anywhere",
        ),
        pytest.param(
            a_situation(
                demand(CPU=2),
                demand(2, CPU=0.5, memory=2, GPU=1),
                types=[an_offer("small", CPU=2, memory=8, GPU=2), an_offer("large", CPU=8, memory=32, GPU=1)],
            ),
            {"large": 2},
            id="two nodes of a type that is worse for each demand by itself",
        ),
        pytest.param(
            a_situation(demand(4, CPU=1), types=[replace(A, priority=-1), replace(B, priority=1)]),
            {"b": 1},
            id="a type of higher priority, though the other fits better",
        ),
        pytest.param(
            a_situation(
                demand(5, CPU=4),
                types=[
                    an_offer("low", CPU=4),
                    an_offer("middle", CPU=16, memory=64, priority=1),
                    an_offer("high", CPU=4, priority=2, maximum=1),
                ],
            ),
            {"middle": 1, "high": 1},
            id="types in the order of their priority, each as far as it goes",
        ),
    ],
)
def test_what_is_launched(situation: Situation, launch: dict[str, int]) -> None:
    outcome = plan(situation)

    assert outcome.launch == launch
    assert not outcome.leave


def verdicts(outcome: Plan) -> list[tuple[Purpose, int, Verdict]]:
    return [(unmet.purpose, unmet.subject.count, unmet.verdict) for unmet in outcome.unmet]


@pytest.mark.parametrize(
    ("situation", "unmet", "reason"),
    [
        pytest.param(
            a_situation(demand(CPU=8), types=[A]),
            (Purpose.TASK, 1, Verdict.INFEASIBLE),
            "offers CPU 4, 8 asked",
            id="12 larger than any type",
        ),
        pytest.param(
            a_situation(demand(50, CPU=4), types=[replace(A, maximum=3)]),
            (Purpose.TASK, 47, Verdict.WAITING),
            "fits; maxWorkers 3 (cluster: 10000) reached",
            id="13 maxWorkers of the type",
        ),
        pytest.param(
            a_situation(demand(50, CPU=4), types=[A], cluster_maximum=7),
            (Purpose.TASK, 43, Verdict.WAITING),
            "fits; maxWorkers 7 of the cluster reached",
            id="13 maxWorkers of the cluster",
        ),
        pytest.param(
            a_situation(AN_A100, types=[G]),
            (Purpose.TASK, 1, Verdict.INFEASIBLE),
            "offers accelerator_type:A100 0, 0.001 asked",
            id="17 a make of accelerator that nobody offers",
        ),
        pytest.param(
            a_situation(gang(Strategy.PACK, demand(3, CPU=4)), types=[replace(A, maximum=2)]),
            (Purpose.GANG, 1, Verdict.WAITING),
            "fits; 2 more may be launched, too few for all at once",
            id="19 a group that needs more than there may be",
        ),
        pytest.param(
            a_situation(gang(Strategy.STRICT_PACK, demand(2, CPU=4)), types=[A]),
            (Purpose.GANG, 1, Verdict.INFEASIBLE),
            "offers CPU 4, 8 asked in all",
            id="20 a strictly packed group that no node holds",
        ),
        pytest.param(
            a_situation(request=[demand(5, CPU=4)], types=[replace(A, maximum=3)]),
            (Purpose.REQUEST, 2, Verdict.WAITING),
            "fits; maxWorkers 3 (cluster: 10000) reached",
            id="26 a request above the maximum",
        ),
        pytest.param(
            a_situation(request=[demand(CPU=4), demand(TPU=4)], types=[A], workers=[IDLE_A]),
            (Purpose.REQUEST, 1, Verdict.INFEASIBLE),
            "offers TPU 0, 4 asked",
            id="27 a part of a request that nobody offers",
        ),
        pytest.param(
            a_situation(anywhere_of(is_in("zone", "q"), is_in("zone", "r"), CPU=1), types=[IN_A]),
            (Purpose.TASK, 1, Verdict.INFEASIBLE),
            "labels: zone is a, asked zone in (q), else zone in (r)",
            id="14 labels that no type has",
        ),
    ],
)
def test_what_is_unmet_and_why(
    situation: Situation, unmet: tuple[Purpose, int, Verdict], reason: str
) -> None:
    outcome = plan(situation)

    assert verdicts(outcome) == [unmet]
    assert [each.text for each in outcome.unmet[0].reasons] == [reason]


def test_14_what_wants_a_label_that_no_node_has_stays_unmet() -> None:
    elsewhere = anywhere_of(is_in("zone", "q"), CPU=0.5)

    outcome = planned(elsewhere, demand(CPU=1, GPU=1), types=[G])

    assert outcome.launch == {"g": 1}
    assert verdicts(outcome) == [(Purpose.TASK, 1, Verdict.INFEASIBLE)]


def test_18_a_placement_group_counts_once() -> None:
    """What Ray adds for it, ``CPU_group_…``, is dropped by rayctl.gcs.translate and tested there."""
    assert planned(gang(Strategy.PACK, demand(CPU=4)), types=[A]).launch == {"a": 1}


def test_24_a_thousand_equal_groups_take_as_many_steps_as_ten() -> None:
    big = an_offer("big", CPU=32, GPU=8, maximum=2000)
    bundles = demand(8, CPU=2, GPU=1)

    many = planned(gang(Strategy.PACK, bundles, count=1000), types=[A, big])
    few = planned(gang(Strategy.PACK, bundles, count=10), types=[A, big])

    assert many.launch == {"big": 1000}
    assert many.steps == few.steps


def test_27_a_request_holds_the_worker_that_fulfils_it() -> None:
    idle = a_worker(A, WorkerState.IDLE, idle=3600.0)

    outcome = planned(request=[demand(CPU=4), demand(TPU=4)], types=[A], workers=[idle])

    assert not outcome.leave
    assert outcome.memory.held == {idle.pod}


def test_plain_work_goes_to_an_idle_node_with_custom_resources_before_one_with_a_gpu() -> None:
    gpu = a_worker(G, WorkerState.IDLE, idle=100.0)
    spot = an_offer("w", CPU=4, Custom1=1, is_spot=1)
    custom = a_worker(spot, WorkerState.IDLE, idle=100.0)

    outcome = planned(demand(CPU=1), types=[spot, G], workers=[gpu, custom])

    assert [placement.pods for placement in outcome.placements] == [(custom.pod,)]
    assert [leave.pod for leave in outcome.leave] == [gpu.pod]


def test_a_request_is_compared_with_what_nodes_have_in_total() -> None:
    assert planned(request=[demand(CPU=4)], types=[A], workers=[a_worker(A)]).launch == {}


def test_a_head_takes_work_and_counts_for_no_maximum() -> None:
    head = a_worker(A, WorkerState.HEAD, total=amounts(CPU=2), available=amounts(CPU=2))

    outcome = planned(demand(2, CPU=1), demand(CPU=4), types=[A], workers=[head], cluster_maximum=1)

    assert outcome.launch == {"a": 1}
    assert not outcome.unmet


def test_44_a_node_without_a_pod_takes_work_and_is_never_drained() -> None:
    foreign = a_worker(A, WorkerState.FOREIGN, total=A.resources, available=A.resources, idle=3600.0)

    outcome = planned(demand(CPU=4), types=[A], workers=[foreign])

    assert not outcome.launch
    assert not planned(types=[A], workers=[foreign]).leave


def test_the_group_that_is_hardest_to_place_is_placed_first() -> None:
    easy = gang(Strategy.PACK, demand(2, CPU=1))
    hard = gang(Strategy.STRICT_PACK, demand(4, CPU=1))

    outcome = planned(easy, hard, types=[replace(A, maximum=1)])

    assert [unmet.subject for unmet in outcome.unmet] == [easy]


def test_each_node_has_one_of_each_implicit_resource() -> None:
    label = Demand((("node:__internal_implicit_resource_x", 10_000),), 2)

    assert planned(label, types=[A], workers=[a_worker(A)]).launch == {"a": 1}


def test_what_only_a_living_node_can_hold_waits_for_it() -> None:
    large = an_offer("large", CPU=16)
    foreign = a_worker(large, WorkerState.FOREIGN, total=large.resources)

    assert verdicts(planned(demand(CPU=16), types=[A], workers=[foreign])) == [
        (Purpose.TASK, 1, Verdict.WAITING)
    ]


def test_equal_groups_that_do_not_all_fit_are_placed_as_far_as_they_do() -> None:
    outcome = planned(gang(Strategy.PACK, demand(2, CPU=4), count=7), types=[replace(A, maximum=9)])

    assert outcome.launch == {"a": 8}
    (unmet,) = outcome.unmet
    assert isinstance(unmet.subject, Gang)
    assert unmet.subject.count == 3

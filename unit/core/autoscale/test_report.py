"""The seed's monitoring block, with the numbers of its own example."""

from dataclasses import replace
from typing import Any

import pytest

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.demand import GRAIN, Strategy
from rayctl.core.autoscale.offer import TypeOffer
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.report import Entry, monitoring_block, without_ages
from rayctl.core.autoscale.situation import Situation
from rayctl.core.autoscale.workers import Worker, WorkerState
from unit.core.autoscale.situations import (
    GIB,
    NOW,
    A,
    a_situation,
    a_worker,
    amounts,
    an_offer,
    demand,
    gang,
)

WORKER = an_offer("worker-nodes", CPU=1, Custom1=1, is_spot=1, fingerprint="f1")
HEAD = an_offer("head-node", CPU=1, maximum=0)


def a_node(offer: TypeOffer, ip: str, memory: float, state: WorkerState, **fields: Any) -> Worker:
    has = {
        **offer.resources,
        "memory": round(memory * GIB) * GRAIN,
        "object_store_memory": round(0.05 * GIB) * GRAIN,
        f"node:{ip}": GRAIN,
    }
    return a_worker(offer, state, ip=ip, total=has, available=has, **fields)


HEAD_NODE = a_node(HEAD, "172.17.0.4", 0.25, WorkerState.HEAD, idle=36.0, pod="example-cluster2-ray-head-x")
WORKER_NODE = a_node(
    WORKER,
    "172.17.0.5",
    0.33,
    WorkerState.IDLE,
    idle=41.0,
    pod="example-cluster2-ray-worker-tdxdr",
    fingerprint="f1",
)


def the_block(situation: Situation) -> tuple[Entry, ...]:
    return monitoring_block(situation, plan(situation))


def a_quiet_situation(*workers: Worker, age: float = 0.25) -> Situation:
    situation = a_situation(types=[HEAD, WORKER], workers=workers)
    return replace(situation, now=Monotonic(NOW + age))


def test_the_block_of_the_seeds_example() -> None:
    block = the_block(a_quiet_situation(WORKER_NODE, HEAD_NODE))

    assert block[0] == Entry(
        "Cluster status: 1 nodes\n"
        " - MostDelayedHeartbeats: {'172.17.0.4': 0.25, '172.17.0.5': 0.25}\n"
        " - NodeIdleSeconds: Min=36 Mean=38 Max=41\n"
        " - ResourceUsage: 0.0/2.0 CPU, 0.0/1.0 Custom1, 0.0/1.0 is_spot, 0.0 GiB/0.58 GiB memory, "
        "0.0 GiB/0.1 GiB object_store_memory\n"
        " - TimeSinceLastHeartbeat: Min=0 Mean=0 Max=0\n"
        "Worker node types:\n"
        " - worker-nodes: 1"
    )
    assert [(entry.text, entry.debug) for entry in block[2:]] == [
        ("Node counts: defaultdict(<class 'int'>, {'head-node': 1, 'worker-nodes': 1})", False),
        ("Placement group demands: []", False),
        ("Resource demands: []", False),
        ("Unfulfilled demands: []", False),
        ("Node requests: {}", False),
        (f"{WORKER_NODE.pod} is not being updated and passes config check (can_update=True).", True),
    ]


def test_cluster_resources_are_what_each_node_has_available() -> None:
    busy = replace(WORKER_NODE, state=WorkerState.RUNNING, available=amounts(CPU=0.5))

    assert the_block(a_quiet_situation(busy))[1] == Entry("Cluster resources: [{'CPU': 0.5}]")


def test_demands_and_what_becomes_of_them() -> None:
    situation = a_situation(
        demand(6, CPU=1),
        demand(CPU=64),
        gang(Strategy.PACK, demand(3, CPU=99)),
        types=[A],
        workers=[a_worker(A, WorkerState.IDLE)],
    )

    texts = [entry.text for entry in the_block(situation)][2:7]

    assert texts == [
        "Node counts: defaultdict(<class 'int'>, {'a': 1})",
        "Placement group demands: [PACK ({'CPU': 99.0} * 3)]",
        "Resource demands: [{'CPU': 1.0} * 6, {'CPU': 64.0}]",
        "Unfulfilled demands: [{'CPU': 1.0} * 2, {'CPU': 64.0}, {'CPU': 99.0} * 3]",
        "Node requests: {'a': 1}",
    ]


def test_a_worker_on_its_way_is_pending() -> None:
    situation = a_situation(types=[A], workers=[a_worker(A), a_worker(A, WorkerState.STARTING)])

    assert the_block(situation)[0].text.endswith("Worker node types:\n - a: 2 (1 pending)")


def test_many_shapes_are_counted_and_not_all_listed() -> None:
    situation = a_situation(*(demand(CPU=number) for number in range(1, 31)), types=[A])

    line = the_block(situation)[4].text

    assert line.endswith("{'CPU': 20.0}, … 10 more]")


def test_a_cluster_without_nodes_has_no_ages() -> None:
    text = the_block(a_quiet_situation())[0].text

    assert " - NodeIdleSeconds: Min=-1 Mean=-1 Max=-1" in text
    assert " - TimeSinceLastHeartbeat: Min=-1 Mean=-1 Max=-1" in text


@pytest.mark.parametrize(
    ("then", "equal"),
    [
        pytest.param(a_quiet_situation(HEAD_NODE, WORKER_NODE, age=2.5), True, id="time passed"),
        pytest.param(a_quiet_situation(HEAD_NODE), False, id="a node is gone"),
    ],
)
def test_a_block_is_worth_printing_when_more_than_time_has_passed(then: Situation, equal: bool) -> None:
    before = the_block(a_quiet_situation(HEAD_NODE, WORKER_NODE))

    assert (without_ages(before) == without_ages(the_block(then))) == equal

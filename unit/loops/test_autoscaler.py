"""Plans and what passes go by, with the head's answers made up."""

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from rayctl.api.names import TypeName, Uid
from rayctl.api.observed import PodView
from rayctl.api.raycluster import RayCluster, ScaleStrategy
from rayctl.clock import SystemClock
from rayctl.core.autoscale.demand import DrainReason, NodeId, NodeStatus, RayNode, Snapshot
from rayctl.core.autoscale.leave import Leave
from rayctl.core.autoscale.plan import plan
from rayctl.core.reconcile.seen import ray_view
from rayctl.core.reconcile.slots import session_of
from rayctl.loops import autoscaler as autoscaler_module
from rayctl.loops.autoscaler import Autoscaler, Tick
from unit.builders import a_cluster, a_pod
from unit.core.autoscale.situations import a_snapshot, demand

HEAD = a_pod("h", head=True, ip="10.0.0.1")
WORKER = TypeName("worker-node")
CLUSTER = replace(a_cluster(workers=1), max_workers=9)
CLUSTER = replace(
    CLUSTER,
    pod_types=tuple(replace(kind, max_workers=9, ray_resources={"CPU": 1}) for kind in CLUSTER.pod_types),
)


def a_node(pod: str, kind: str, status: NodeStatus) -> RayNode:
    return RayNode(NodeId(f"node-of-{pod}"), pod, kind, status, {}, {}, {}, 0, frozenset())


def an_answer(*workers: str, tasks: int = 0) -> Snapshot:
    nodes = [a_node("h", "head-node", NodeStatus.RUNNING)]
    nodes += [a_node(name, WORKER, NodeStatus.RUNNING) for name in workers]
    return a_snapshot(*([demand(times=tasks, CPU=1)] if tasks else []), nodes=tuple(nodes))


async def look(autoscaler: Autoscaler, answer: Snapshot, *pods: str, **fields: Any) -> Tick:
    shown = (HEAD, *(a_pod(name, ordinal=place, **fields) for place, name in enumerate(pods)))
    return await autoscaler.look(CLUSTER, shown, answer, ray_view(session_of(HEAD), answer.nodes, 0.0))


async def test_a_plan_is_of_the_head_that_asked_and_another_one_starts_at_the_minimum() -> None:
    autoscaler = Autoscaler(SystemClock())
    await look(autoscaler, an_answer("a", tasks=3), "a")

    asked = autoscaler.wishes(CLUSTER, (HEAD,))
    other = autoscaler.wishes(CLUSTER, (a_pod("h2", head=True, uid=Uid("other")),))
    none = autoscaler.wishes(CLUSTER, ())

    assert sum(asked.targets.values()) > 1
    assert (sum(other.targets.values()), other.leave) == (1, None)
    assert (sum(none.targets.values()), none.leave) == (1, None)


async def test_a_type_of_several_hosts_is_launched_and_lost_in_slices() -> None:
    autoscaler = Autoscaler(SystemClock())
    head, worker = CLUSTER.pod_types
    head, worker = replace(head, max_workers=0), replace(worker, min_workers=0, hosts=2)
    pairs = replace(CLUSTER, pod_types=(head, worker))
    slice_ = [a_pod(name, ordinal=place, slice="0", hosts=2) for place, name in enumerate(("a", "b"))]
    answer = an_answer("a", "b", tasks=1)
    view = ray_view(session_of(HEAD), answer.nodes, 0.0)

    await autoscaler.look(pairs, (HEAD,), an_answer(tasks=1), view)
    assert autoscaler.wishes(pairs, (HEAD,)).targets[WORKER] == 2

    pods = (HEAD, msgspec.structs.replace(slice_[0], phase="Failed", ready=False), slice_[1])
    await autoscaler.look(pairs, pods, answer, view)
    assert {leave.pod: leave.reason for leave in autoscaler.wishes(pairs, pods).leave or ()} == {
        "a": None,
        "b": DrainReason.PREEMPTION,
    }


async def test_workers_that_the_spec_names_go() -> None:
    autoscaler = Autoscaler(SystemClock())
    named = replace(CLUSTER, scale=ScaleStrategy(("a", "long-gone")))
    pods = (HEAD, a_pod("a"), a_pod("b", ordinal=1))
    answer = an_answer("a", "b")

    await autoscaler.look(named, pods, answer, ray_view(session_of(HEAD), answer.nodes, 0.0))
    wishes = autoscaler.wishes(named, pods)

    assert [(leave.pod, leave.reason, leave.why) for leave in wishes.leave or ()] == [
        ("a", DrainReason.PREEMPTION, "spec.scaleStrategy names it")
    ]
    assert sum(wishes.targets.values()) == 1


async def test_a_removal_that_takes_a_while_is_said_once() -> None:
    autoscaler = Autoscaler(SystemClock())

    ticks = [await look(autoscaler, an_answer(), "a", phase="Failed", ready=False) for _ in range(3)]

    said = [[note.text for note in tick.notes if "Removing" in note.text] for tick in ticks]
    assert [len(texts) for texts in said] == [1, 0, 0]


async def test_it_is_said_that_a_part_of_what_is_asked_for_is_left_out_and_no_more_once_it_is_not() -> None:
    autoscaler = Autoscaler(SystemClock())

    await look(autoscaler, replace(an_answer("a"), left_out=3), "a")
    assert "is left out" in autoscaler.unmet(CLUSTER)[0]

    await look(autoscaler, an_answer("a"), "a")
    assert autoscaler.unmet(CLUSTER) == ()


async def test_what_is_refused_while_a_plan_is_made_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoscaler_module, "_MANY_STEPS", -1)
    autoscaler = Autoscaler(SystemClock())
    planning = asyncio.create_task(look(autoscaler, an_answer("a", tasks=3), "a"))
    await asyncio.sleep(0)

    autoscaler.refused_drain(CLUSTER, a_pod("a"))
    autoscaler.refused_pod(CLUSTER, WORKER, "exceeded quota")
    await planning

    memory = autoscaler._of(CLUSTER).memory
    assert set(memory.kept_at) == {"a"}
    assert set(memory.blocks) == {WORKER}


async def test_who_ray_keeps_is_not_asked_to_leave_again_by_the_same_plan() -> None:
    autoscaler = Autoscaler(SystemClock())
    await look(autoscaler, an_answer("a", "b"), "a", "b")
    scaled = autoscaler._of(CLUSTER)
    assert scaled.plan is not None
    leave = Leave("b", WORKER, NodeId("node-of-b"), DrainReason.IDLE, "idle")
    scaled.plan = replace(scaled.plan, leave=(leave,), targets={WORKER: 1})

    autoscaler.refused_drain(CLUSTER, a_pod("b"))

    wishes = autoscaler.wishes(CLUSTER, (HEAD, a_pod("a"), a_pod("b")))
    assert (wishes.leave, wishes.targets[WORKER]) == ((), 2)


async def test_pods_that_end_before_they_join_count_against_their_type_and_others_do_not() -> None:
    autoscaler = Autoscaler(SystemClock())
    await look(autoscaler, an_answer("a"), "a")

    for name in ("a", "b", "c", "d"):
        autoscaler.failed_pod(CLUSTER, a_pod(name), "it ended (Error)")

    (block,) = autoscaler._of(CLUSTER).memory.blocks.values()
    assert (block.streak, block.level, block.message) == (3, 1, "it ended (Error)")


async def test_a_launch_that_has_to_wait_is_told_once() -> None:
    autoscaler = Autoscaler(SystemClock())

    notes = [(await look(autoscaler, an_answer("a", tasks=3), "a")).notes for _ in range(3)]

    assert [len(each) for each in notes] == [1, 0, 0]


async def test_the_hosts_of_a_slice_fail_as_one() -> None:
    autoscaler = Autoscaler(SystemClock())
    await look(autoscaler, an_answer())

    for host in range(4):
        autoscaler.failed_pod(CLUSTER, a_pod(f"h{host}", slice="0", hosts=4), "its slice lacks a host")

    (block,) = autoscaler._of(CLUSTER).memory.blocks.values()
    assert (block.streak, block.level) == (1, 0)


async def test_a_report_that_did_not_arrive_and_another_life_of_the_head_are_told_anew() -> None:
    autoscaler = Autoscaler(SystemClock())
    answer = an_answer("a", tasks=3)

    async def news(head: PodView) -> bool:
        view = ray_view(session_of(head), answer.nodes, 0.0)
        tick = await autoscaler.look(CLUSTER, (head, a_pod("a")), answer, view)
        return tick.feedback is not None

    assert [await news(HEAD), await news(HEAD)] == [True, False]
    autoscaler.not_told(CLUSTER)
    assert [await news(HEAD), await news(HEAD)] == [True, False]
    assert await news(a_pod("h2", head=True, uid=Uid("other"), ip="10.0.0.2"))


async def test_at_rest_no_plan_is_made_until_a_pod_the_spec_or_what_was_noted_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans = Mock(wraps=plan)
    monkeypatch.setattr(autoscaler_module, "plan", plans)
    autoscaler = Autoscaler(SystemClock())
    pods = (HEAD, a_pod("a", ordinal=0))
    answer = an_answer("a")

    async def plans_for(cluster: RayCluster, *pods: PodView) -> int:
        before = plans.call_count
        await autoscaler.look(cluster, pods, answer, ray_view(session_of(HEAD), answer.nodes, 0.0))
        return plans.call_count - before

    assert await plans_for(CLUSTER, *pods) == 1
    assert await plans_for(CLUSTER, *pods) == 0
    assert await plans_for(CLUSTER, HEAD, a_pod("a", ordinal=0, restarts=1)) == 1
    assert await plans_for(replace(CLUSTER, generation=2), *pods) == 1
    assert await plans_for(CLUSTER, *pods) == 1
    autoscaler.drained(CLUSTER, pods[1])
    assert await plans_for(CLUSTER, *pods) == 1
    autoscaler.refused_pod(CLUSTER, WORKER, "exceeded quota")
    assert await plans_for(CLUSTER, *pods) == 1

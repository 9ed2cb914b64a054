"""What rayctl.gcs takes for granted of a Ray head, as tests that run on real Ray and on the fake.

``head`` is either of them. On real Ray: e2e/contract/test_gcs_contract.py; on the fake, without Ray:
unit/gcs/test_contract.py. What waits is made of ``widget``, which no node has, so that it waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from rayctl.api.moment import Seconds
from rayctl.clock import SystemClock
from rayctl.core.autoscale.demand import (
    GRAIN,
    Demand,
    DrainReason,
    Gang,
    NodeId,
    NodeStatus,
    RayNode,
    Selector,
    Snapshot,
    Strategy,
    Term,
)
from rayctl.core.autoscale.feedback import FailedRequest, Feedback, PendingInstance, PendingRequest
from rayctl.gcs.client import DrainAnswer, GcsClient
from rayctl.gcs.errors import Unauthenticated, Unreachable

CLOCK = SystemClock()
HEAD_POD = "contract-head"
HEAD_TYPE = "head-type"
WORKER_TYPE = "worker-type"
WORKER_CPUS = 2
WIDGET = (("widget", GRAIN),)
ZONE_A: Selector = (Term("zone", True, frozenset({"a"})),)
MIXED: Selector = (Term("tier", True, frozenset({"x", "y"})), Term("zone", False, frozenset({"b"})))
STATES = {NodeStatus.RUNNING, NodeStatus.IDLE}


class Head(Protocol):
    """A Ray head with node ``HEAD_POD``, whose tasks and workers the cases make and withdraw."""

    @property
    def address(self) -> str:
        """Of its GCS."""

    @property
    def token(self) -> str:
        """What its calls want."""

    async def ask(self, count: int, *selectors: Selector) -> None:
        """Have so many tasks of one widget wait, with the first selector or else the next."""

    async def ask_gang(self, strategy: Strategy, *, tasks: int = 0) -> None:
        """Have a placement group of two bundles of one widget wait, and tasks inside it."""

    async def request(self, widgets: Sequence[int]) -> None:
        """Call ``request_resources`` with a bundle of so many widgets each."""

    async def withdraw(self) -> None:
        """End all that was asked, requested and occupied."""

    async def join(self, pod: str, labels: Mapping[str, str]) -> None:
        """Start a worker of ``WORKER_CPUS`` CPUs."""

    async def occupy(self, node: NodeId) -> None:
        """Run a task of one CPU on a node until it is withdrawn."""

    async def restart(self) -> None:
        """Kill the head and start another one on the same address."""


def a_client(head: Head, token: str | None = None) -> GcsClient:
    """Return a client of a head, with its token unless another is given."""
    return GcsClient(head.address, CLOCK, head.token if token is None else token)


async def until(client: GcsClient, true: Callable[[Snapshot], object], seconds: Seconds = 60.0) -> Snapshot:
    """Return the first snapshot of which it is true; fail when there is none within some seconds."""
    async with asyncio.timeout(seconds):
        while True:
            snapshot = await client.read_state()
            if true(snapshot):
                return snapshot
            await asyncio.sleep(0.05)


async def joined(head: Head, client: GcsClient, pod: str, **labels: str) -> RayNode:
    """Start a worker and return its node, idle."""
    await head.join(pod, labels)
    return find(await until(client, lambda seen: is_so(seen, pod, NodeStatus.IDLE)), pod)


def find(snapshot: Snapshot, pod: str) -> RayNode:
    """Return a pod's only node."""
    (node,) = [node for node in snapshot.nodes if node.pod == pod]
    return node


def is_so(snapshot: Snapshot, pod: str, status: NodeStatus) -> bool:
    """Return whether a pod's node has a status."""
    return any(node.pod == pod and node.status is status for node in snapshot.nodes)


async def test_a_head_is_a_node_with_its_pod_its_type_and_what_it_has(head: Head) -> None:
    async with a_client(head) as client:
        snapshot = await until(client, lambda seen: is_so(seen, HEAD_POD, NodeStatus.IDLE))

    node = find(snapshot, HEAD_POD)
    assert node.type == HEAD_TYPE
    assert node.total["CPU"] == GRAIN
    assert node.available == node.total
    assert len(bytes.fromhex(node.node_id)) == 28
    assert node.labels["tier"] == "head"
    assert node.ip
    assert snapshot.session
    assert snapshot.left_out == 0


async def test_each_answer_has_a_greater_version(head: Head) -> None:
    async with a_client(head) as client:
        first = await client.read_state()
        await client.read_report_version()
        second = await client.read_state()

    assert first.session == second.session
    assert 0 < first.version < second.version


async def test_tasks_that_wait_are_one_demand_with_their_number(head: Head) -> None:
    await head.ask(7)

    async with a_client(head) as client:
        # In two steps: what asked for a lease first, then the rest.
        snapshot = await until(client, lambda seen: seen.demands == (Demand(WIDGET, 7),))
        await head.withdraw()
        await until(client, lambda seen: not seen.demands)

    assert not snapshot.gangs
    assert not snapshot.constraint


async def test_selectors_and_their_fallbacks_come_as_the_user_wrote_them(head: Head) -> None:
    await head.ask(1, MIXED, ZONE_A)

    async with a_client(head) as client:
        await until(client, lambda seen: seen.demands == (Demand(WIDGET, 1, (MIXED, ZONE_A)),))


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_a_placement_group_that_waits_is_a_gang(head: Head, strategy: Strategy) -> None:
    await head.ask_gang(strategy)

    async with a_client(head) as client:
        snapshot = await until(client, lambda seen: seen.gangs)

    (gang,) = snapshot.gangs
    assert gang == Gang(strategy, (Demand(WIDGET, 2),), 1, gang.group)
    assert len(gang.group) == 36
    assert snapshot.demands == ()


async def test_tasks_inside_a_placement_group_that_waits_are_no_demand(head: Head) -> None:
    await head.ask_gang(Strategy.PACK, tasks=3)
    await head.ask(3)

    async with a_client(head) as client:
        # The last of the three is told together with those inside the group, which were asked before.
        snapshot = await until(client, lambda seen: sum(demand.count for demand in seen.demands) >= 3)

    assert snapshot.demands == (Demand(WIDGET, 3),)
    assert len(snapshot.gangs) == 1


async def test_what_request_resources_asks_is_a_constraint_until_it_asks_something_else(head: Head) -> None:
    both = {Demand(WIDGET, 2), Demand((("widget", 3 * GRAIN),), 1)}
    async with a_client(head) as client:
        await head.request((1, 3, 1))
        await until(client, lambda seen: set(seen.constraint) == both)
        await head.request(())
        await until(client, lambda seen: not seen.constraint)


async def test_a_constraint_that_was_lost_is_requested_again_as_it_was(head: Head) -> None:
    async with a_client(head) as client:
        await head.request((1, 3, 1))
        before = (await until(client, lambda seen: seen.constraint)).constraint
        await client.request_constraint(())
        gone = await client.read_state()

        await client.request_constraint(before)

        assert gone.constraint == ()
        assert set((await client.read_state()).constraint) == set(before)


async def test_a_report_stays_until_one_of_the_same_or_a_later_version(head: Head) -> None:
    feedback = Feedback(
        pending_instances=(PendingInstance("pod-7", WORKER_TYPE, "Scheduling"),),
        pending_requests=(PendingRequest(WORKER_TYPE), PendingRequest(WORKER_TYPE)),
        failed_requests=(FailedRequest(WORKER_TYPE, 1, "quota", 1.0, 2.0),),
        infeasible=(Demand(WIDGET, 5),),
        infeasible_gangs=(Gang(Strategy.PACK, (Demand(WIDGET, 2),)),),
        infeasible_constraint=(Demand(WIDGET, 5),),
    )
    async with a_client(head) as client:
        first = await client.read_report_version() + 10

        await client.report(feedback, first)
        await client.report(Feedback(), first - 1)
        assert await client.read_report_version() == first

        await client.report(Feedback(), first)
        await client.report(feedback, first + 5)
        assert await client.read_report_version() == first + 5


async def test_an_idle_node_that_is_drained_is_dead_and_has_nothing(head: Head) -> None:
    async with a_client(head) as client:
        node = await joined(head, client, "idle-1", zone="a")
        assert (node.type, node.labels["zone"]) == (WORKER_TYPE, "a")
        assert node.total["CPU"] == WORKER_CPUS * GRAIN

        answer = await client.drain(node.node_id, DrainReason.IDLE, "idle for long")
        snapshot = await until(client, lambda seen: is_so(seen, "idle-1", NodeStatus.DEAD))

        assert answer == DrainAnswer(accepted=True)
        dead = find(snapshot, "idle-1")
        assert (dead.node_id, dead.type, dead.total) == (node.node_id, WORKER_TYPE, {})
        # Asked again, since an answer may be lost.
        assert (await client.drain(node.node_id, DrainReason.IDLE, "idle for long")).accepted


async def test_a_busy_node_refuses_to_go_as_idle_and_goes_when_it_is_preempted_and_done(head: Head) -> None:
    async with a_client(head) as client:
        node = await joined(head, client, "busy-1")
        await head.occupy(node.node_id)
        busy = find(await until(client, lambda seen: is_so(seen, "busy-1", NodeStatus.RUNNING)), "busy-1")
        assert (busy.idle_ms, busy.available["CPU"]) == (0, (WORKER_CPUS - 1) * GRAIN)

        refused = await client.drain(node.node_id, DrainReason.IDLE, "idle for long")
        assert not refused.accepted
        assert "idle" in refused.why

        deadline = datetime.now(UTC) + timedelta(seconds=60)
        assert (await client.drain(node.node_id, DrainReason.PREEMPTION, "max lowered", deadline)).accepted
        await until(client, lambda seen: is_so(seen, "busy-1", NodeStatus.DRAINING))
        await head.withdraw()
        await until(client, lambda seen: is_so(seen, "busy-1", NodeStatus.DEAD))


async def test_a_node_that_is_unknown_is_drained_already(head: Head) -> None:
    async with a_client(head) as client:
        assert (await client.drain(NodeId("0a" * 28), DrainReason.IDLE, "idle for long")).accepted


@pytest.mark.parametrize("token", ["", "x" * 64])
async def test_without_the_token_nothing_is_answered(head: Head, token: str) -> None:
    async with a_client(head, token) as client:
        with pytest.raises(Unauthenticated, match="GetClusterResourceState at "):
            await client.read_state()
        with pytest.raises(Unauthenticated, match="DrainNode at "):
            await client.drain(NodeId("0a" * 28), DrainReason.IDLE, "idle for long")


async def test_a_token_that_is_not_taken_is_asked_for_anew(head: Head) -> None:
    class Replaced:
        """A token that was replaced after it had been read."""

        def __init__(self) -> None:
            self.tokens = ["x" * 64, head.token]

        async def read(self) -> str:
            return self.tokens[0]

        def refused(self) -> None:
            del self.tokens[0]

    async with GcsClient(head.address, CLOCK, Replaced()) as client:
        with pytest.raises(Unauthenticated, match="GetClusterResourceState at "):
            await client.read_state()
        assert (await client.read_state()).session


async def test_a_new_head_is_another_session_that_knows_nothing_of_the_last(head: Head) -> None:
    async with a_client(head) as client:
        await client.request_constraint((Demand(WIDGET, 1),))
        await client.report(Feedback(), await client.read_report_version() + 1)
        await joined(head, client, "last-1")
        for _ in range(300):
            await client.read_state()
        before = await client.read_state()

        await head.restart()
        after = await until(client, lambda seen: is_so(seen, HEAD_POD, NodeStatus.IDLE))

        assert after.session != before.session
        assert after.version < before.version
        assert {node.pod for node in after.nodes} == {HEAD_POD}
        assert after.constraint == ()
        assert await client.read_report_version() == 0


async def test_while_there_is_no_head_it_is_unreachable(head: Head) -> None:
    host, _, port = head.address.rpartition(":")
    async with GcsClient(f"{host}:{int(port) % 65_000 + 1}", CLOCK, head.token) as client:
        with pytest.raises(Unreachable, match="GetClusterResourceState at "):
            await client.read_state()

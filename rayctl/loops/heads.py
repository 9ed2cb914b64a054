"""The heads of all clusters: each one's GCS is asked in turn how its nodes are, while this replica leads.

What comes out are views for the next pass, and a wake-up where a node joined, left or began to leave. A head
that does not answer is asked less and less often; for ten seconds its last answer still counts.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rayctl.api.moment import Monotonic, Seconds
from rayctl.api.names import ClusterKey, PodName
from rayctl.clock import Clock
from rayctl.core.autoscale.demand import Demand, DrainReason, NodeId, Snapshot
from rayctl.core.autoscale.feedback import Feedback
from rayctl.core.reconcile.seen import RayView, Silence, ray_view
from rayctl.gcs.client import DrainAnswer
from rayctl.gcs.errors import GcsError, Unauthenticated, Unreachable
from rayctl.telemetry.logs import ClusterLog

_log = logging.getLogger(__name__)

CLOSE_PERIOD: Seconds = 0.5
"""While there is demand, or a node on its way in or out."""
PERIOD: Seconds = 1.0
POLLS_A_SECOND = 300
"""Of all heads together, some 23 % of a core (docs/benchmarks.md): more heads are each asked less often."""
STILL_TRUE: Seconds = 10.0
FIRST_RETRY: Seconds = 1.0
LONGEST_RETRY: Seconds = 15.0
LONGEST_RETRY_UNHEARD: Seconds = 120.0
"""Of a head that has never answered this replica, though it was ready: it may have no GCS at all."""
_TICK: Seconds = 0.1
"""Heads are asked together, at such moments: to wake up for a single one costs more than the asking."""
_TICK_OF_SILENT: Seconds = 1.0
"""The same for heads that have been silent for a while."""


class Gcs(Protocol):
    """A head's GCS, as far as it is needed here: :class:`rayctl.gcs.client.GcsClient`."""

    async def read_state(self) -> Snapshot:
        """Return what the cluster has."""

    async def drain(
        self, node_id: NodeId, reason: DrainReason, message: str, deadline: datetime | None = None
    ) -> DrainAnswer:
        """Ask a node to leave."""

    async def report(self, feedback: Feedback, version: int) -> None:
        """Have Ray show what is planned."""

    async def request_constraint(self, demands: Sequence[Demand]) -> None:
        """Request resources again that a GCS which started anew has forgotten."""

    async def count_drivers(self) -> int:
        """Return how many programs of users are connected."""

    async def close(self) -> None:
        """Close the connection."""


OnAnswer = Callable[[ClusterKey, Snapshot, RayView], Awaitable[bool]]

Connect = Callable[[str, str, str], Gcs]
"""Makes a connection to ``host:port`` in a namespace, with the token of a Secret or, for '', without one.

No network before its first call.
"""


@dataclass(slots=True)
class _Head:
    """A head that is followed in one of its lives."""

    life: str
    address: str
    secret: str
    gcs: Gcs
    view: RayView | Silence | None = None
    heard: Monotonic | None = None
    failures: int = 0
    reported: int = 0
    """The version of the last report."""
    untold: str = ""
    """Why the last report was not taken."""
    closely: bool = False
    sleepy: bool = False
    """Whether it matters for how long the whole cluster has been idle."""
    busy: bool = False
    """Whether the last answer gave reason to ask again soon."""
    asked: bool = False
    """Whether somebody waits for the next answer, whatever it is."""
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Heads:
    """Views of all heads that are followed."""

    def __init__(self, connect: Connect, clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._wake: Callable[[ClusterKey], None] = lambda _: None
        self._answered: OnAnswer = _ignore
        self._heads: dict[ClusterKey, _Head] = {}
        self._group: asyncio.TaskGroup | None = None

    def subscribe(self, on_change: Callable[[ClusterKey], None], on_answer: OnAnswer) -> None:
        """Have ``on_change`` called with the cluster of which a node joined, left or began to leave.

        ``on_answer`` is given every answer, and says whether the next one is wanted soon.
        """
        self._wake, self._answered = on_change, on_answer

    async def run(self) -> None:
        """Follow heads until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await asyncio.Event().wait()
        finally:
            self._group = None
            heads, self._heads = list(self._heads.values()), {}
            await asyncio.gather(*(head.gcs.close() for head in heads))

    def follow(
        self,
        key: ClusterKey,
        life: str,
        address: str,
        secret: str = "",
        *,
        closely: bool,
        sleepy: bool = False,
    ) -> RayView | Silence | None:
        """Follow a cluster's head in that life of it, and return what it said last; None: nothing yet.

        ``secret`` has its token. ``closely``: ask often. ``sleepy``: find out also whether programs of users
        are connected.
        """
        head = self._heads.get(key)
        if head is None or (head.life, head.address, head.secret) != (life, address, secret):
            self.leave(key)
            gcs = self._connect(address, key.namespace, secret)
            head = self._heads[key] = _Head(life, address, secret, gcs)
            if self._group is not None:
                head.task = self._group.create_task(self._poll(key, head), name=f"head of {key}")
        if closely and not head.closely:
            head.hurry.set()
        head.closely, head.sleepy = closely, sleepy
        return head.view

    def ask(self, key: ClusterKey) -> None:
        """Ask a head that is followed now, and wake the cluster with its answer."""
        head = self._heads.get(key)
        if head is not None:
            head.asked = True
            head.hurry.set()

    def is_followed(self, key: ClusterKey, life: str) -> bool:
        """Return whether that life of the cluster's head is followed."""
        head = self._heads.get(key)
        return head is not None and head.life == life

    def find_address(self, key: ClusterKey, life: str) -> tuple[str, str] | None:
        """Return the address and the Secret of that life of a cluster's head; None: it is not followed."""
        head = self._heads.get(key)
        return (head.address, head.secret) if head is not None and head.life == life else None

    def leave(self, key: ClusterKey) -> None:
        """Follow a cluster's head no more."""
        head = self._heads.pop(key, None)
        if head is not None and head.task is not None:
            head.task.cancel()

    async def tell(self, key: ClusterKey, news: Feedback | None, restore: Sequence[Demand]) -> bool:
        """Have ``ray status`` show what is planned, and request resources again in the user's stead.

        Return whether Ray knows all of it now. What it does not take holds nothing up.
        """
        head = self._heads.get(key)
        if head is None:
            return False
        try:
            if news is not None:
                # Beyond whatever a leader before this one has reported: Ray drops older ones without a word.
                head.reported = max(head.reported + 1, int(self._clock.wall().timestamp() * 1000))
                await head.gcs.report(news, head.reported)
            if restore:
                await head.gcs.request_constraint(restore)
        except GcsError as error:
            if str(error) != head.untold:
                ClusterLog(_log, key).info("what was planned could not be told to Ray: %s; trying on", error)
            head.untold = str(error)
            return False
        head.untold = ""
        return True

    async def drain(
        self, key: ClusterKey, node_id: NodeId, reason: DrainReason, why: str, deadline: datetime
    ) -> DrainAnswer:
        """Tell the cluster's head that a node is to leave.

        Raises:
            GcsError: it could not be told.
        """
        head = self._heads.get(key)
        if head is None:
            raise Unreachable(f"the head of {key} is not followed any more")
        return await head.gcs.drain(node_id, reason, why, deadline)

    async def _poll(self, key: ClusterKey, head: _Head) -> None:
        log = ClusterLog(_log, key)
        try:
            while True:
                head.hurry.clear()
                try:
                    await self._look(key, head, log)
                except Exception:
                    # A fault of ours with one head must not end the asking of others: told, and tried again.
                    head.failures += 1
                    log.exception("Asking the head failed; trying on")
                again = asyncio.get_running_loop().call_later(self._pause(head), head.hurry.set)
                try:
                    await head.hurry.wait()
                finally:
                    again.cancel()
        finally:
            await head.gcs.close()

    async def _look(self, key: ClusterKey, head: _Head, log: ClusterLog) -> None:
        before = head.view
        try:
            snapshot = await head.gcs.read_state()
            wanted = bool(snapshot.demands or snapshot.gangs or snapshot.constraint)
            wanted = wanted or (head.sleepy and await head.gcs.count_drivers() > 0)
        except GcsError as error:
            head.failures += 1
            silent = head.heard is None or self._clock.monotonic() - head.heard >= STILL_TRUE
            if silent and not isinstance(before, Silence):
                head.view = Silence(str(error), refused=isinstance(error, Unauthenticated))
                log.warning("Ray's GCS at %s does not answer: %s; trying on", head.address, error)
                self._wake(key)
            return
        if isinstance(before, Silence):
            log.info("Ray's GCS at %s answers", head.address)
        head.failures, head.heard = 0, self._clock.monotonic()
        head.view = ray_view(head.life, snapshot.nodes, self._clock.wall().timestamp(), wanted=wanted)
        try:
            head.busy = await self._answered(key, snapshot, head.view)
        except Exception:
            log.exception("Planning failed; trying again with the next answer")
        asked, head.asked = head.asked, False
        if asked or not isinstance(before, RayView) or _standing(before) != _standing(head.view):
            self._wake(key)

    def _pause(self, head: _Head) -> Seconds:
        tick = _TICK
        if head.failures:
            longest, growth = (LONGEST_RETRY, 2.0) if head.heard is not None else (LONGEST_RETRY_UNHEARD, 4.0)
            pause = min(longest, FIRST_RETRY * growth ** min(head.failures - 1, 10))
            pause *= random.uniform(0.5, 1.0)  # noqa: S311  spreads the load, hides nothing
            if pause >= 2 * _TICK_OF_SILENT:
                tick = _TICK_OF_SILENT
        else:
            period = CLOSE_PERIOD if head.closely or head.busy else PERIOD
            pause = max(period, len(self._heads) / POLLS_A_SECOND)
        now = self._clock.monotonic()
        return round((now + pause) / tick) * tick - now


async def _ignore(_: ClusterKey, __: Snapshot, ___: RayView) -> bool:
    return False


def _standing(view: RayView) -> tuple[frozenset[PodName], ...]:
    """Return what a pass goes by: whether nodes are idle or busy is looked at when it matters."""
    return frozenset(view.nodes), view.dead, view.draining

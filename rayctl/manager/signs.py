"""What tells people which replica leads, and why: a label on its pod, and an Event on the Lease.

Nothing waits for them. Only a leader writes, so one that has lost the lease keeps its label until the next
leader takes it off.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable

from rayctl.api.moment import Seconds
from rayctl.clock import Clock
from rayctl.kube.errors import AlreadyExists, Forbidden, KubeError, told
from rayctl.kube.events import event_document
from rayctl.kube.lease import LeaseStore
from rayctl.kube.writer import Writer
from rayctl.manager.leadership import Leadership

log = logging.getLogger(__name__)

AGAIN_AFTER: Seconds = 2.0
REASON = "LeaderElection"
"""That of client-go's elector, so that people find both alike."""


class Signs:
    """Shown by a replica when it begins to lead."""

    def __init__(self, writer: Writer, store: LeaseStore, leadership: Leadership, clock: Clock) -> None:
        self._writer = writer
        self._store = store
        self._leadership = leadership
        self._clock = clock

    async def show(self, namespace: str, pod: str) -> None:
        """Show them; ``pod`` is this replica's own, '' where it is in none."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announce())
            if pod:
                group.create_task(self._mark(namespace, pod))

    async def _announce(self) -> None:
        identity, about, wall = self._leadership.identity, self._store.reference, self._clock.wall()
        seed = f"{identity}\x00{self._leadership.transitions}\x00{wall.isoformat()}"
        name = f"{about['name']}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}"
        text = f"{identity} leads: {self._leadership.won_by}"
        document = event_document(about, name, REASON, text, wall, identity)
        namespace = str(about["namespace"])
        await _until_done("no Event says who leads", lambda: self._writer.create_event(namespace, document))

    async def _mark(self, namespace: str, pod: str) -> None:
        await _until_done("the leader's label is not set", lambda: self._writer.mark_leader(namespace, pod))


async def _until_done(problem: str, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await act()
        except AlreadyExists:  # an earlier answer was lost
            return
        except Forbidden as error:
            log.warning("%s: %s", problem, told(error))
            return
        except KubeError as error:
            log.info("%s yet: %s", problem, error)
            await asyncio.sleep(AGAIN_AFTER)
        else:
            return

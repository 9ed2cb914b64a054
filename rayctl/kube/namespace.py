"""The watches of one namespace, which counts as a whole or not at all.

A RayCluster that is seen without its pods would be given them a second time. So a namespace counts only once
its RayClusters, pods and Services have all been listed; for a new leader, once it has caught up with all of
them. A namespace that cannot be listed, since a right is missing for example, is tried on, and holds up no
other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from rayctl.api.moment import Monotonic, Seconds
from rayctl.kube.backoff import Backoff
from rayctl.kube.errors import KubeError, told
from rayctl.kube.mirror import Mirror
from rayctl.kube.watch import FIRST_WAIT, LONGEST_WAIT_UNREACHABLE

log = logging.getLogger(__name__)


class Namespace:
    """What is watched of the namespace ``name`` ('': of all namespaces).

    ``on_counting`` is called each time that it begins to count.
    """

    def __init__(
        self, name: str, mirrors: tuple[Mirror, ...], on_counting: Callable[[Namespace], None]
    ) -> None:
        self.name = name
        self.counts = False
        """Whether its RayClusters may be decided upon."""
        self._mirrors = mirrors
        self._watches = tuple(mirror.watch for mirror in mirrors)
        self._on_counting = on_counting
        self._doubted = asyncio.Event()
        self._backoff = Backoff(FIRST_WAIT, LONGEST_WAIT_UNREACHABLE)
        self._problem = ""

    def __str__(self) -> str:
        return f"namespace {self.name}" if self.name else "all namespaces"

    @property
    def synced(self) -> bool:
        """Whether everything in it has been listed once."""
        return all(watch.synced.is_set() for watch in self._watches)

    @property
    def tried(self) -> bool:
        """Whether of each watch it is known that it works, or what stands in its way."""
        return all(watch.tried.is_set() for watch in self._watches)

    @property
    def problems(self) -> tuple[str, ...]:
        """What stands in the way of seeing it as it is now, in sentences."""
        every = (self._problem, *(watch.problem for watch in self._watches))
        return tuple(dict.fromkeys(filter(None, every)))

    @property
    def restarts(self) -> int:
        """How many times a watch has ended, of all its watches."""
        return sum(watch.restarts for watch in self._watches)

    @property
    def last_sign(self) -> Monotonic:
        """When anything was last heard or tried on the quietest watch."""
        return min(watch.last_sign for watch in self._watches)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches:
                group.create_task(watch.run(), name="watch")
            group.create_task(self._keep_counting(), name="namespace")

    async def wait_tried(self) -> None:
        """Return when of each watch it is known that it works, or what stands in its way."""
        for watch in self._watches:
            await watch.tried.wait()

    def doubt(self) -> None:
        """Have it count no more until it is as new as this call: it may be behind somebody's writes."""
        self.counts = False
        self._doubted.set()

    async def _keep_counting(self) -> None:
        for watch in self._watches:
            await watch.synced.wait()
        if not self._doubted.is_set():
            self._count()
        wait: Seconds | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._doubted.wait()
            self._doubted.clear()
            try:
                async with asyncio.TaskGroup() as group:
                    for mirror in self._mirrors:
                        group.create_task(mirror.catch_up())
            except* KubeError as errors:
                self._note_problem("; ".join(_sentences(errors)))
                wait = self._backoff.next()
            else:
                self._note_problem("")
                self._backoff.reset()
                wait = None
                if not self._doubted.is_set():
                    self._count()

    def _count(self) -> None:
        self.counts = True
        self._on_counting(self)

    def _note_problem(self, problem: str) -> None:
        if problem == self._problem:
            return
        if problem:
            log.warning("%s cannot be listed anew: %s; trying on", self, problem)
        else:
            log.info("%s has been listed anew", self)
        self._problem = problem


def _sentences(errors: BaseExceptionGroup[KubeError]) -> list[str]:
    return list(dict.fromkeys(told(error) for error in errors.exceptions if isinstance(error, KubeError)))

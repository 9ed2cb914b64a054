"""When a watch first showed an object, when it was as far as it should get, and whether it is still there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from rayctl.clock import SystemClock
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import Wire
from rayctl.kube.listing import Target
from rayctl.kube.watch import Sink, Versioned, Watch

V = TypeVar("V", bound=Versioned)
S = TypeVar("S", bound=Sink[Any])


class Sightings(Generic[V]):
    """A watch's sink that keeps moments (``time.monotonic``) by name instead of the records themselves."""

    def __init__(self, name: Callable[[V], str], arrived: Callable[[V], bool]) -> None:
        self._name = name
        self._arrived = arrived
        self._changed = asyncio.Event()
        self.seen: dict[str, float] = {}
        """When each was first shown."""
        self.arrived: dict[str, float] = {}
        """When each was first shown to be where it should get."""
        self.there: set[str] = set()

    def clear(self) -> None:
        """Take all for gone."""
        self.there.clear()
        self._changed.set()

    def replace(self, records: tuple[V, ...], version: int) -> None:  # noqa: ARG002
        """Take these, and no others, for there."""
        self.there = {self._name(record) for record in records}
        for record in records:
            self.put(record)

    def put(self, record: V) -> None:
        """Note a new or changed object."""
        now, name = time.monotonic(), self._name(record)
        self.there.add(name)
        self.seen.setdefault(name, now)
        if self._arrived(record):
            self.arrived.setdefault(name, now)
        self._changed.set()

    def remove(self, record: V) -> None:
        """Note that an object is gone."""
        self.there.discard(self._name(record))
        self._changed.set()

    async def wait(self, what: str, reached: Callable[[], bool], timeout: float = 300) -> None:  # noqa: ASYNC109
        """Wait until ``reached`` is true; it is asked whenever the watch shows something.

        Raises:
            TimeoutError: it is not within ``timeout`` seconds; says how far it came.
        """
        try:
            async with asyncio.timeout(timeout):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            counts = f"{len(self.seen)} seen, {len(self.arrived)} arrived, {len(self.there)} there"
            raise TimeoutError(f"not within {timeout:g} s: {what} ({counts})") from None


@asynccontextmanager
async def watching(
    client: KubeClient, target: Target, decode: Callable[[Wire], V], sightings: S
) -> AsyncIterator[S]:
    """Keep ``sightings`` as the API server has the target, for as long as the block lasts."""
    watch = Watch(client, target, decode, sightings, SystemClock())
    running = asyncio.create_task(watch.run())
    try:
        await watch.synced.wait()
        yield sightings
    finally:
        running.cancel()
        await asyncio.wait({running})

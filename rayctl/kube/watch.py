"""List and watch of one collection as one endless stream of records, in client-go's manner.

A consistent LIST in pages, then WATCH from its version, with bookmarks; when the version has become too old,
LIST again, and the sink drops what is no longer there. Every attempt is followed by a wait, so that no answer
whatever makes a hot loop. A stream that has been silent for longer than bookmarks can be apart is dead.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from rayctl.api.document import Reader
from rayctl.api.moment import Monotonic, Seconds
from rayctl.clock import Clock
from rayctl.kube.backoff import Backoff
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import Anything, Event, Wire, read
from rayctl.kube.errors import (
    Garbled,
    Gone,
    KubeError,
    ServerFault,
    Throttled,
    Unreachable,
    read_status,
    refusal,
    told,
)
from rayctl.kube.listing import Target, list_pages, read_answer
from rayctl.kube.resource import Call, Verb

log = logging.getLogger(__name__)

FIRST_WAIT: Seconds = 0.8
LONGEST_WAIT: Seconds = 30.0
LONGEST_WAIT_UNREACHABLE: Seconds = 5.0
"""A refused connection costs the server nothing, and its return should be seen soon."""
_LONGEST_WAIT_TROUBLED: Seconds = 10.0
"""A server that is not well gets some rest; a right that is missing may be missing for long."""
HEALTHY_AFTER: Seconds = 30.0
SILENCE: Seconds = 100.0
"""The server sends a bookmark each 60 to 75 s."""
_STREAM_FOR = (300, 600)  # seconds; at random, so that replicas do not reconnect together
_BREATHE_EVERY = 200  # events, about 5 ms


class Versioned(Protocol):
    """A record that knows its resource version."""

    @property
    def resource_version(self) -> int:
        """The version of the object, or for a deleted one that of its deletion."""
        ...


V = TypeVar("V", bound=Versioned)
C_contra = TypeVar("C_contra", contravariant=True)


class Sink(Protocol[C_contra]):
    """Where records go."""

    def clear(self) -> None:
        """Hold nothing."""
        ...

    def replace(self, records: tuple[C_contra, ...], version: int) -> None:
        """Hold these, and no others but such as are newer than ``version``."""
        ...

    def put(self, record: C_contra) -> None:
        """Hold this one, new or changed."""
        ...

    def remove(self, record: C_contra) -> None:
        """Hold this one no more."""
        ...


class Watch(Generic[V]):
    """Keeps a sink as the API server has it, for as long as :meth:`run` runs."""

    def __init__(
        self, client: KubeClient, target: Target, decode: Callable[[Wire], V], sink: Sink[V], clock: Clock
    ) -> None:
        self._client = client
        self._target = target
        self._decode = decode
        self._sink = sink
        self._clock = clock
        self._backoff = Backoff(FIRST_WAIT, LONGEST_WAIT)
        self._listing = asyncio.Lock()
        self._version = 0
        self._list_first = True
        self._bookmarks = False
        self._streaming_since: Monotonic | None = None
        self._troubled = False
        """Whether the last attempt met no server, or one that is not well."""
        self.synced = asyncio.Event()
        """Set once the first list is in."""
        self.tried = asyncio.Event()
        """Set once the first list is in, or it is known what stands in its way."""
        self.restarts = 0
        """How many attempts have ended."""
        self.problem = ""
        """What stands in the way just now, or ''."""
        self.last_sign = clock.monotonic()
        """When anything was last heard of the server or tried."""

    @property
    def version(self) -> int:
        """How far the stream has come: the newest resource version that it told of."""
        return self._version

    async def run(self) -> None:
        """List and watch until cancelled. Errors are told once each time they change, and survived."""
        while True:
            wait = await self._attempt()
            await asyncio.sleep(wait)

    async def refresh(self) -> None:
        """List anew, beside the stream: afterwards the sink is at least as new as this call.

        Raises:
            KubeError: the list failed; the sink is as before.
        """
        async with self._listing:  # an earlier list must not land on a later one
            version, records = await self._list()
            if (
                version < self._version
            ):  # etcd was restored from a backup: all that we know is of another life
                self._sink.clear()
            self._version = version
            self._list_first = False
            self._sink.replace(records, version)
            self.synced.set()
            self.tried.set()

    def accept(self, record: V) -> None:
        """Hold the answer to a write of our own, unless the stream is already past it.

        A stream that is past it has told of it, and perhaps of its deletion.
        """
        if record.resource_version > self._version:
            self._sink.put(record)

    async def _attempt(self) -> Seconds:
        """List if need be, follow the stream to its end, and return how long to wait before the next time."""
        limit = LONGEST_WAIT
        self._streaming_since = None
        try:
            if self._list_first:
                await self.refresh()
            await self._follow()
        except Gone as error:
            self._list_first = True
            self._note_trouble(limit)
            log.info("watch of %s: %s; listing again", self._target, error.words)
        except KubeError as error:
            # Whatever a server that answers thinks of our version: begin anew. One that is away knows it yet.
            self._list_first = self._list_first or not isinstance(error, Unreachable | Throttled)
            limit = _longest_wait(error)
            self._note_trouble(limit)
            self._note_problem(told(error))
        self.restarts += 1
        self.tried.set()
        now = self.last_sign = self._clock.monotonic()
        if self._streamed_for(now) >= HEALTHY_AFTER:
            self._backoff.reset()
        return self._backoff.next(limit)

    def _note_trouble(self, limit: Seconds) -> None:
        """Note how the server is. One that has come back is not left alone for as long as one that is away.

        It refuses everything until it knows who has which rights, and has lost the history that we ask for.
        """
        if self._troubled and limit == LONGEST_WAIT:
            self._backoff.reset()
        self._troubled = limit < LONGEST_WAIT

    def _streamed_for(self, now: Monotonic) -> Seconds:
        return 0.0 if self._streaming_since is None else now - self._streaming_since

    async def _list(self) -> tuple[int, tuple[V, ...]]:
        """Return all that there is, and the version of which it is: all pages are of the first one's."""
        records: list[V] = []
        version = 0
        async for page in list_pages(self._client, self._target.call(Verb.LIST)):
            self.last_sign = self._clock.monotonic()
            version = version or page.version
            decoded = (self._read_object(item) for item in page.items)
            records.extend(record for record in decoded if record is not None)
        return version, tuple(records)

    async def _follow(self) -> None:
        seconds = random.randint(*_STREAM_FOR)  # noqa: S311
        call = self._target.call(
            Verb.WATCH,
            watch="1",
            allowWatchBookmarks="true",
            resourceVersion=str(self._version),
            timeoutSeconds=str(seconds),
        )
        silence = SILENCE if self._bookmarks else seconds + 30.0
        async with self._client.stream(call, silence=silence) as lines:
            self._streaming_since = self.last_sign = self._clock.monotonic()
            self._note_problem("")
            await self._consume(call, lines)

    async def _consume(self, call: Call, lines: AsyncIterator[bytes]) -> None:
        count = 0
        async for line in lines:
            self.last_sign = self._clock.monotonic()
            # Not while a list is under way: it would look older than a stream that went on meanwhile, as it
            # does only where etcd was restored, and what the stream told would be dropped for good.
            async with self._listing:
                self._apply(call, read_answer(call, line, Event))
            count += 1
            if count % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)  # buffered lines come without a pause

    def _apply(self, call: Call, event: Event) -> None:
        match event.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                record = self._read_object(event.object)
                # What a list beside this stream has overtaken is old news.
                if record is not None and record.resource_version > self._version:
                    self._version = record.resource_version
                    (self._sink.remove if event.type == "DELETED" else self._sink.put)(record)
            case "BOOKMARK":
                self._bookmarks = True
                self._version = max(self._version, read_answer(call, event.object, Anything).metadata.version)
            case "ERROR":
                status = read_status(event.object)
                raise refusal(call, status.code if status else 500, {}, event.object)
            case _:
                log.warning("watch of %s: an event of type %r is not known", self._target, event.type)

    def _read_object(self, wire: Wire) -> V | None:
        try:
            return self._decode(wire)
        except msgspec.DecodeError as error:
            name = _name_in(wire)
            log.error("%s %s cannot be read and is left out: %s", self._target.resource, name, error)  # noqa: TRY400
            return None
        except Exception:
            # A fault of ours with one object must not end the watch of all others.
            log.exception("%s %s cannot be read and is left out", self._target.resource, _name_in(wire))
            return None

    def _note_problem(self, problem: str) -> None:
        if problem == self.problem:
            return
        if problem:
            log.warning("watch of %s: %s; trying on", self._target.resource, problem)
        else:
            log.info("watch of %s: works again", self._target)
        self.problem = problem


def _longest_wait(error: KubeError) -> Seconds:
    if isinstance(error, Unreachable):
        return LONGEST_WAIT_UNREACHABLE
    return _LONGEST_WAIT_TROUBLED if isinstance(error, Garbled | ServerFault | Throttled) else LONGEST_WAIT


def _name_in(wire: Wire) -> str:
    """Return the namespace and name of an object that is broken elsewhere."""
    try:
        metadata = Reader(read(wire, dict)).inner("metadata")
    except msgspec.DecodeError:
        return "(nameless)"
    return f"{metadata.text('namespace')}/{metadata.text('name')}"

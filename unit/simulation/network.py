"""What lies between a replica and the API server: each call has a fate; streams lag, stop, break and repeat.

A stream tells of a resource's changes in their order, as a real one does: each lags as it likes, so what
happened to a pod, a Service and a RayCluster is seen in any order.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import orjson

from rayctl.api.moment import Seconds
from rayctl.api.names import LABEL_CLUSTER
from rayctl.kube.client import CALL_TIMEOUT, Guard
from rayctl.kube.errors import KubeError, Unreachable
from rayctl.kube.resource import Call, Verb
from unit.fakes.objects import Change, Object, RefusalError
from unit.simulation.server import Server, refused

_WAY: Seconds = 0.005
_SLOW: Seconds = 4.0
_BEYOND_ALL_PATIENCE: Seconds = 45.0
_BOOKMARK_EVERY: Seconds = 60.0


class Fate(StrEnum):
    """What becomes of a call."""

    SERVED = "served"
    LOST = "lost on its way"
    UNANSWERED = "done, the answer is lost"
    SLOW = "done seconds later"
    ANSWERED_LATE = "done, answered seconds later"
    DONE_TOO_LATE = "done when its sender has given up"
    CONFLICT = "409"
    FORBIDDEN = "403"
    FAULT = "500"
    SENDER_DIES_BEFORE = "its sender dies before it is done"
    SENDER_DIES_AFTER = "its sender dies after it is done"


class Sender(StrEnum):
    """Who sent a call, when it is done."""

    WAITS = "waits for the answer, which will come"
    IN_DOUBT = "waits in vain, and will know that it does not know"
    GONE = "has given up, or is no more"


_REFUSALS = {
    Fate.CONFLICT: RefusalError(409, "Conflict", "the object has been modified"),
    Fate.FORBIDDEN: RefusalError(403, "Forbidden", "admission webhook says no"),
    Fate.FAULT: RefusalError(500, "InternalError", "etcd is busy"),
}


@dataclass
class Arming:
    """A fate that waits for calls of a verb and resource: ``skip`` of them are spared, ``times`` are not."""

    fate: Fate
    verb: Verb
    plural: str
    skip: int = 0
    times: int = 1


class Line:
    """A replica's connection: a KubeClient, as far as the operator needs one."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, armed: list[Arming]) -> None:
        self._server = server
        self._loop = loop
        self._armed = armed
        self.lags: dict[str, Seconds] = defaultdict(lambda: 2 * _WAY)
        """How far behind streams are, by resource."""
        self.arrived: Callable[[Call, Callable[[], bytes], Sender], bytes] = lambda call, act, sender: act()
        """Asked to have a call done; told what its sender will know of that."""
        self.on_death: Callable[[], None] = lambda: None
        self.is_dead = False
        self.outage: Callable[[Call], KubeError] | None = None
        """What all calls and streams end with while the API server is away; None: it is there."""
        self.outage_takes: Seconds = _WAY
        self.asked = 0
        """How many calls and streams have been begun."""
        self._streams: list[Stream] = []
        server.subscribers.append(self._tell)

    async def send(self, call: Call, *, timeout: Seconds = CALL_TIMEOUT, guard: Guard | None = None) -> bytes:  # noqa: ASYNC109
        """Return the answer to a call, or raise KubeError, as :class:`rayctl.kube.client.KubeClient` does."""
        if guard is not None:
            guard(call)
        await self._begin(call)
        fate = self._fate_of(call)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        if self.is_dead:
            return await answer
        if fate not in {Fate.LOST, Fate.SENDER_DIES_BEFORE}:
            there = {Fate.SLOW: _SLOW, Fate.DONE_TOO_LATE: _BEYOND_ALL_PATIENCE}.get(fate, _WAY)
            back = {Fate.ANSWERED_LATE: _SLOW, Fate.UNANSWERED: None}.get(fate, _WAY)
            self._loop.call_later(there, self._arrive, call, fate, answer, back)
        if fate in {Fate.SENDER_DIES_BEFORE, Fate.SENDER_DIES_AFTER}:
            self._loop.call_later(2 * _WAY, self.die)
        breaks = fate in {Fate.LOST, Fate.UNANSWERED}
        try:
            async with asyncio.timeout(3 * _WAY if breaks else timeout):
                return await answer
        except TimeoutError as error:
            raise Unreachable(call, "the connection broke" if breaks else "no answer") from error

    @asynccontextmanager
    async def stream(self, call: Call, *, silence: Seconds) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a watch, as :meth:`rayctl.kube.client.KubeClient.stream` does."""
        if self.is_dead:
            await asyncio.Event().wait()
        await self._begin(call)
        await asyncio.sleep(_WAY)
        stream = Stream(self._server, self._loop, call, lambda: self.lags[call.resource.plural])
        self._streams.append(stream)
        try:
            yield stream.lines(silence)
        finally:
            self._streams.remove(stream)
            stream.close()

    def go_away(self, outage: Callable[[Call], KubeError], takes: Seconds = _WAY) -> None:
        """Have the API server be away: streams break, and whatever is asked from now on ends so, after a while."""
        self.outage, self.outage_takes = outage, takes
        for stream in self._streams:
            stream.end(Unreachable(stream.call, "the stream broke"))

    def cut(self, plural: str) -> None:
        """Break the streams of a resource."""
        for stream in self._streams:
            if stream.plural == plural:
                stream.end(Unreachable(stream.call, "the stream broke"))

    def repeat(self, plural: str) -> None:
        """Have the streams of a resource tell again what they told."""
        for stream in self._streams:
            if stream.plural == plural:
                stream.repeat()

    def die(self) -> None:
        """Be the connection of a process that is no more."""
        if not self.is_dead:
            self.is_dead = True
            self._server.subscribers.remove(self._tell)
            self.on_death()

    async def _begin(self, call: Call) -> None:
        self.asked += 1
        outage = self.outage
        if outage is not None:
            await asyncio.sleep(self.outage_takes)
            raise outage(call)

    def _fate_of(self, call: Call) -> Fate:
        for arming in self._armed:
            if (arming.verb, arming.plural) == (call.verb, call.resource.plural) and arming.times:
                if arming.skip:
                    arming.skip -= 1
                    return Fate.SERVED
                arming.times -= 1
                return arming.fate
        return Fate.SERVED

    def _arrive(self, call: Call, fate: Fate, answer: asyncio.Future[bytes], back: Seconds | None) -> None:
        result: bytes | KubeError
        sender = Sender.GONE if answer.done() or self.is_dead else Sender.WAITS
        if sender is Sender.WAITS and back is None:
            sender = Sender.IN_DOUBT
        try:
            if fate in _REFUSALS:
                raise refused(call, _REFUSALS[fate])
            result = self.arrived(call, lambda: self._server.answer(call), sender)
        except KubeError as error:
            result = error
        if back is not None:
            self._loop.call_later(back, self._deliver, answer, result)

    def _deliver(self, answer: asyncio.Future[bytes], result: bytes | KubeError) -> None:
        if answer.done() or self.is_dead:
            return
        if isinstance(result, KubeError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def _tell(self, change: Change) -> None:
        for stream in self._streams:
            stream.tell(change)


class Stream:
    """An open watch of one resource."""

    def __init__(
        self, server: Server, loop: asyncio.AbstractEventLoop, call: Call, lag: Callable[[], Seconds]
    ) -> None:
        self.call = call
        self.plural = call.resource.plural
        self._server = server
        self._loop = loop
        self._lag = lag
        self._due = 0.0
        self._told: list[bytes] = []
        self._under_way: deque[bytes] = deque()
        self._queue: asyncio.Queue[bytes | KubeError | None] = asyncio.Queue()
        self._timers = [
            loop.call_later(float(call.query["timeoutSeconds"]), self.end, None),
            loop.call_later(_BOOKMARK_EVERY, self._bookmark),
        ]
        version = int(call.query["resourceVersion"])
        if version < server.objects.oldest - 1:
            self._put("ERROR", RefusalError(410, "Expired", f"too old resource version: {version}").status)
        for change in server.objects.history:
            if change.version > version:
                self.tell(change)

    async def lines(self, silence: Seconds) -> AsyncGenerator[bytes]:
        while True:
            try:
                async with asyncio.timeout(silence):
                    line = await self._queue.get()
            except TimeoutError as error:
                raise Unreachable(self.call, "the stream is silent") from error
            if line is None:
                return
            if isinstance(line, KubeError):
                raise line
            self._told.append(line)
            yield line

    def tell(self, change: Change) -> None:
        if change.place.plural != self.plural:
            return
        before, after = _selected(self.plural, change.before), _selected(self.plural, change.after)
        kind = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get(
            (before, after)
        )
        if kind is not None:
            self._put(kind, change.after or change.before or {})

    def repeat(self) -> None:
        for line in self._told[-5:]:
            self._queue.put_nowait(line)

    def end(self, why: KubeError | None) -> None:
        self._queue.put_nowait(why)

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _put(self, kind: str, document: Object) -> None:
        line = orjson.dumps({"type": kind, "object": document}) + b"\n"
        self._due = max(self._due, self._loop.time() + self._lag())  # in order, whatever the lag has become
        self._under_way.append(line)  # timers of one moment fire in any order
        self._timers.append(self._loop.call_at(self._due, self._deliver))

    def _deliver(self) -> None:
        self._queue.put_nowait(self._under_way.popleft())

    def _bookmark(self) -> None:
        self._put("BOOKMARK", {"metadata": {"resourceVersion": str(self._server.objects.version)}})
        self._timers.append(self._loop.call_later(_BOOKMARK_EVERY, self._bookmark))


def _selected(plural: str, document: Object | None) -> bool:
    if document is None:
        return False
    return plural == "rayclusters" or LABEL_CLUSTER in (document["metadata"].get("labels") or {})

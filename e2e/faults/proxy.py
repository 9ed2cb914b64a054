"""The line between one replica and the API server, and what may befall it. It speaks HTTP over TLS.

So it can lose an answer after the request took effect, answer in the server's place, and hold back a watch.
A request that its sender has given up is not forwarded any more, as on a line that was reset.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web

_PASSED_ON = ("Authorization", "User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_PASSED_BACK = ("Content-Type", "Content-Encoding", "Retry-After", "Warning")
_BYTES_A_SECOND = 20_000
"""Of a throttled line."""
_LONGEST_DELAY = 1.0


class Trouble(StrEnum):
    """What may befall a line."""

    CUT = "connection cut"
    SILENT = "connection silent"
    DELAYED = "connection delayed"
    THROTTLED = "connection throttled"
    ANSWERS_LOST = "answers lost after taking effect"
    SENT_TWICE = "writes sent twice"
    CONFLICT = "writes answered 409"
    GONE = "lists and watches answered 410"
    THROTTLING = "answered 429"
    ERROR = "answered 500"
    HTML = "answered 502 in HTML"
    WATCHES_CUT = "watches cut"
    WATCHES_STALLED = "watches stalled"


_REFUSALS = {
    Trouble.CONFLICT: (409, "Conflict", {}),
    Trouble.GONE: (410, "Expired", {}),
    Trouble.THROTTLING: (429, "TooManyRequests", {"Retry-After": "1"}),
    Trouble.ERROR: (500, "InternalError", {}),
}


@dataclass(frozen=True, slots=True)
class Ambush:
    """What waits at a write: it is sprung before the write is passed on, or before its answer is passed back."""

    spring: Callable[[], None]
    countdown: int
    """Writes that pass before."""
    after_effect: bool


class Line:
    """A proxy for one replica. ``port`` is known once it is served."""

    def __init__(self, server: str, session: aiohttp.ClientSession, rng: random.Random) -> None:
        self._server = server
        self._session = session
        self._rng = rng
        self._until: dict[Trouble, float] = {}
        self._ambushes: list[Ambush] = []
        # Cancelled handlers are what makes a request that was given up vanish.
        self._web = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self.port = 0

    def befall(self, trouble: Trouble, seconds: float) -> None:
        """Have something befall the line for a while."""
        self._until[trouble] = time.monotonic() + seconds
        if trouble in {Trouble.CUT, Trouble.WATCHES_CUT}:
            self._abort()

    def lie_in_wait(self, ambush: Ambush) -> None:
        """Have an ambush wait at a write."""
        self._ambushes.append(ambush)

    def heal(self) -> None:
        """Have the line be good again."""
        self._until.clear()
        self._ambushes.clear()

    @asynccontextmanager
    async def served(self, certificate: Path, key: Path) -> AsyncIterator[None]:
        """Listen on a port of loopback."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        runner = web.ServerRunner(self._web, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        try:
            await site.start()
            self.port = int(runner.addresses[0][1])
            yield
        finally:
            self._abort()
            await runner.cleanup()

    def _abort(self) -> None:
        for connection in list(self._web.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def _has(self, trouble: Trouble) -> bool:
        return time.monotonic() < self._until.get(trouble, 0.0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        is_write = request.method != "GET"
        if self._has(Trouble.CUT):
            return _reset(request)
        await self._while(Trouble.SILENT)
        if (refusal := self._refusal(is_write=is_write)) is not None:
            return refusal
        await self._slow(len(body))
        ambush = self._ambush(request.path) if is_write else None
        if ambush is not None and not ambush.after_effect:
            ambush.spring()
            await asyncio.sleep(0.05)  # a sender that was killed has hung up by then, and this is cancelled
        try:
            if is_write and self._has(Trouble.SENT_TWICE):
                async with self._ask(request, body):
                    pass
            async with self._ask(request, body) as answer:
                if request.query.get("watch"):
                    return await self._stream(request, answer)
                text = await answer.read()
                if ambush is not None and ambush.after_effect:
                    ambush.spring()
                if is_write and self._has(Trouble.ANSWERS_LOST):
                    return _reset(request)
                await self._slow(len(text))
                headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
                return web.Response(status=answer.status, body=text, headers=headers)
        except aiohttp.ClientError:
            return _reset(request)  # the API server is not there, or died over it

    def _ask(self, request: web.BaseRequest, body: bytes) -> aiohttp.client._RequestContextManager:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        url = self._server + request.raw_path
        return self._session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False
        )

    async def _stream(self, request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(
            status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]}
        )
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await self._while(Trouble.WATCHES_STALLED)
            await self._while(Trouble.SILENT)
            await self._slow(len(chunk))
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _while(self, trouble: Trouble) -> None:
        """Wait until a trouble is over, which may be lengthened meanwhile."""
        while (left := self._until.get(trouble, 0.0) - time.monotonic()) > 0:  # noqa: ASYNC110  # it may change
            await asyncio.sleep(min(left, 0.1))

    async def _slow(self, size: int) -> None:
        if self._has(Trouble.DELAYED):
            await asyncio.sleep(self._rng.uniform(0.05, _LONGEST_DELAY))
        if self._has(Trouble.THROTTLED):
            await asyncio.sleep(size / _BYTES_A_SECOND)

    def _refusal(self, *, is_write: bool) -> web.Response | None:
        if self._has(Trouble.HTML):
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        for trouble, (code, reason, headers) in _REFUSALS.items():
            fits = {Trouble.CONFLICT: is_write, Trouble.GONE: not is_write}.get(trouble, True)
            if fits and self._has(trouble):
                status = {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "status": "Failure",
                    "code": code,
                    "reason": reason,
                    "message": f"a fault of the bed: {trouble}",
                }
                return web.Response(
                    status=code,
                    body=orjson.dumps(status),
                    headers=headers,
                    content_type="application/json",
                )
        return None

    def _ambush(self, path: str) -> Ambush | None:
        """Return the ambush that this write runs into; renewals and Events are no steps of any work."""
        if "/leases" in path or "/events" in path:
            return None
        due = next((one for one in self._ambushes if one.countdown == 0), None)
        self._ambushes = [
            Ambush(one.spring, max(0, one.countdown - 1), one.after_effect)
            for one in self._ambushes
            if one is not due
        ]
        return due


def _reset(request: web.BaseRequest) -> web.Response:
    """Hang up. What is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)

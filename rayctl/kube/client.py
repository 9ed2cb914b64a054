"""Requests to the API server: one session, deadlines, Retry-After, typed errors, one observation per call.

Knows no resource in particular and no lease; who writes for the operator goes through
:mod:`rayctl.kube.writer`. ``trust_env`` stays off: with it each request costs two thread hops, and a
``.netrc`` can break them all.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, Protocol, Self, TypeVar
from weakref import WeakValueDictionary

import aiohttp
import orjson

from rayctl.api.moment import Seconds
from rayctl.clock import Clock
from rayctl.kube.backoff import Backoff
from rayctl.kube.config import Connection
from rayctl.kube.errors import Garbled, KubeError, Throttled, Unauthorized, Unreachable, refusal
from rayctl.kube.resource import Call, Verb

CALL_TIMEOUT: Seconds = 30.0
_CONNECT_TIMEOUT: Seconds = 5.0
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_FIRST_RETRY: Seconds = 0.5
_LONGEST_RETRY: Seconds = 8.0
_BUFFER = 2**21  # a line of a watch may be as long as etcd's limit allows: 1.5 MiB and some

T = TypeVar("T")

Guard = Callable[[Call], object]
"""Asked in the moment before a request leaves; raises what is to stop it."""


class OnCall(Protocol):
    """Told of each call when its answer (of a watch: its head) is there."""

    def __call__(self, verb: Verb, kind: str, code: int, seconds: Seconds) -> None:
        """Note a call. ``code`` is HTTP's, 0 where no answer came."""
        ...


def ignore_call(verb: Verb, kind: str, code: int, seconds: Seconds) -> None:
    """Note nothing."""


class KubeClient:
    """A session with the API server. Needs a running loop; :meth:`close` it, or use it with ``async with``.

    ``identity`` goes into the user agent, so that an audit log tells replicas apart. At most ``parallel``
    calls are under way at once, watches not counted, and at most ``share`` of them in one namespace, so that
    hanging webhooks there do not hold up the others.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        *,
        identity: str,
        on_call: OnCall = ignore_call,
        parallel: int = 64,
        share: int | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._on_call = on_call
        self._slots = asyncio.Semaphore(parallel)
        self._share = share or parallel
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=75, socket_factory=_keepalive_socket
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_ask_guard)
        tracing.on_request_chunk_sent.append(_ask_guard)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent(identity), "Accept": "application/json"},
            read_bufsize=_BUFFER,
            trace_configs=[tracing],
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; calls under way end as Unreachable."""
        await self._session.close()

    async def send(self, call: Call, *, timeout: Seconds = CALL_TIMEOUT, guard: Guard | None = None) -> bytes:  # noqa: ASYNC109
        """Return the answer's JSON, unread.

        What the server puts off (429, 503 with Retry-After) is asked again for as long as ``timeout`` lasts;
        credentials that it does not take are read anew once. aiohttp repeats what is idempotent (not POST and
        PATCH) once when a connection breaks before an answer. Nothing else is repeated.

        Raises:
            KubeError: see :mod:`rayctl.kube.errors`; whatever ``guard`` raises passes through.
        """
        ends = self._clock.monotonic() + timeout
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
        while True:
            try:
                return await self._within(ends, timeout, call, guard)
            except Throttled as error:
                wait = error.retry_after + backoff.next()
                if self._clock.monotonic() + wait >= ends:
                    raise
                await asyncio.sleep(wait)

    @asynccontextmanager
    async def stream(self, call: Call, *, silence: Seconds) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a watch and give its lines, until the server ends it; opened means that the server agreed.

        Raises:
            KubeError: as :meth:`send`; Unreachable also when nothing came for ``silence`` seconds.
        """
        answer = await self._open_stream(call, silence)
        try:
            yield _lines(call, answer)
        finally:
            # A stream is not ended politely: TLS would wait for the peer's good-bye, for up to 30 s.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
            answer.close()

    async def _within(self, ends: float, timeout: Seconds, call: Call, guard: Guard | None) -> bytes:  # noqa: ASYNC109
        try:
            async with (
                asyncio.timeout(max(ends - self._clock.monotonic(), 0.0)),
                self._slots_in(call.namespace),
                self._slots,
            ):
                return await self._logged_in(lambda: self._exchange(call, guard))
        except TimeoutError as error:
            raise Unreachable(call, f"no answer within {timeout:.1f} s") from error

    def _slots_in(self, namespace: str) -> asyncio.Semaphore:
        slots = self._shares.get(namespace)
        if slots is None:
            slots = self._shares[namespace] = asyncio.Semaphore(self._share)
        return slots

    async def _open_stream(self, call: Call, silence: Seconds) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                return await self._logged_in(lambda: self._begin_stream(call, silence))
        except TimeoutError as error:
            raise Unreachable(call, f"no answer within {CALL_TIMEOUT:.1f} s") from error

    async def _logged_in(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        except Unauthorized:
            await self._connection.log_in_again()
            return await ask()

    async def _exchange(self, call: Call, guard: Guard | None) -> bytes:
        began, code = self._clock.monotonic(), 0
        try:
            async with await self._request(
                call, aiohttp.ClientTimeout(sock_connect=_CONNECT_TIMEOUT), guard
            ) as answer:
                body = await answer.read()
                code = answer.status
                return _checked(call, answer, body)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, KubeError):  # the guard's, in the task that writes the body
                raise error.__cause__ from None
            raise Unreachable(call, _text(error)) from error
        finally:
            self._on_call(call.verb, call.kind, code, self._clock.monotonic() - began)

    async def _begin_stream(self, call: Call, silence: Seconds) -> aiohttp.ClientResponse:
        began, code = self._clock.monotonic(), 0
        limits = aiohttp.ClientTimeout(sock_connect=_CONNECT_TIMEOUT, sock_read=silence)
        try:
            answer = await self._request(call, limits, None)
            code = answer.status
            if code == 200:
                return answer
            async with answer:
                raise refusal(call, code, answer.headers, await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(call, _text(error)) from error
        finally:
            self._on_call(call.verb, call.kind, code, self._clock.monotonic() - began)

    async def _request(
        self, call: Call, limits: aiohttp.ClientTimeout, guard: Guard | None
    ) -> aiohttp.ClientResponse:
        # A list may be worth compressing; anything else costs the server more than it saves.
        headers = {"Accept-Encoding": "gzip" if call.verb is Verb.LIST else "identity"}
        if call.metadata_only:
            headers["Accept"] = _METADATA_ONLY
        if authorization := await self._connection.authorization():
            headers["Authorization"] = authorization
        data = None
        if call.body is not None:
            data = orjson.dumps(call.body)
            headers["Content-Type"] = call.content_type
        return await self._session.request(
            call.verb.method,
            self._connection.url + call.path,
            data=data,
            headers=headers,
            timeout=limits,
            allow_redirects=False,
            proxy=self._connection.proxy,
            ssl=self._connection.ssl or True,
            server_hostname=self._connection.server_name,
            trace_request_ctx=(guard, call),
        )


def user_agent(identity: str) -> str:
    """Return the User-Agent: what audit logs know us by."""
    return f"rayctl/{importlib.metadata.version('rayctl')} ({identity})"


async def _lines(call: Call, answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    try:
        while line := await answer.content.readline():
            yield line
    except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a line beyond all limits
        raise Unreachable(call, f"the stream broke: {_text(error)}") from error


def _checked(call: Call, answer: aiohttp.ClientResponse, body: bytes) -> bytes:
    if answer.status >= 300:
        raise refusal(call, answer.status, answer.headers, body)
    if answer.content_type != "application/json":
        raise Garbled(call, f"HTTP {answer.status} with {answer.content_type} where JSON was asked for")
    return body


async def _ask_guard(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _sent: aiohttp.TraceRequestHeadersSentParams | aiohttp.TraceRequestChunkSentParams,
) -> None:
    # aiohttp calls this when it has a connection, and again before a body is written, which goes out together
    # with the headers: a process that was stopped before either finds out here that its lease ran out.
    guard, call = context.trace_request_ctx
    if guard is not None:
        guard(call)


def _keepalive_socket(info: tuple[Any, ...]) -> socket.socket:
    # aiohttp leaves keep-alive off; without it a peer that vanished silently is never noticed.
    family, kind, protocol, *_ = info
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", 10),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 20_000),
    ):
        if hasattr(socket, option):  # Linux has all of them, a laptop's system perhaps not
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return sock


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__

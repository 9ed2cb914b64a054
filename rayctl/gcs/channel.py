"""One head's gRPC channel: calls with a deadline, the token with each, every failure as a :class:`GcsError`.

Bytes in, bytes out. A channel that gave no answer is given up and the next call opens another: gRPC's own
reconnecting waits up to two minutes between attempts and keeps a name's old addresses for half a minute, and
how often to try is the caller's decision.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

import grpc
import grpc.aio

from rayctl.api.moment import Seconds
from rayctl.clock import Clock
from rayctl.gcs.errors import (
    Garbled,
    GcsError,
    Refused,
    TooLarge,
    Unauthenticated,
    Unreachable,
    Unsupported,
    legible,
)

DEADLINE: Seconds = 3.0
"""Of each call. A GCS answers within some milliseconds, whatever the size of its cluster."""

MAX_ANSWER = 16 * 2**20
"""Bytes: twenty times the answer for 1,000 nodes with 1,000 shapes and 100 placement groups."""

_SERVICE = "/ray.rpc.autoscaler.AutoscalerStateService/"
_JOBS = "/ray.rpc.JobInfoGcsService/"
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", MAX_ANSWER),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


class Method(StrEnum):
    """The calls of the GCS that are made."""

    READ_STATE = "GetClusterResourceState"
    READ_STATUS = "GetClusterStatus"
    REPORT = "ReportAutoscalingState"
    REQUEST_CONSTRAINT = "RequestClusterResourceConstraint"
    DRAIN = "DrainNode"
    READ_JOBS = "GetAllJobInfo"

    @property
    def path(self) -> str:
        """Its full name."""
        return (_JOBS if self is Method.READ_JOBS else _SERVICE) + self.value


class OnCall(Protocol):
    """Told of each call when it has ended."""

    def __call__(self, method: Method, code: str, seconds: Seconds) -> None:
        """Note a call. ``code`` is gRPC's, by name: ``OK``, ``UNAVAILABLE``."""
        ...


def ignore_call(method: Method, code: str, seconds: Seconds) -> None:
    """Note nothing."""


class Token(Protocol):
    """A token that may change."""

    async def read(self) -> str:
        """Return it.

        Raises:
            Unauthenticated: it cannot be had.
        """
        ...

    def refused(self) -> None:
        """Note that the head did not take it."""
        ...


_Ask: TypeAlias = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@dataclass(slots=True)
class _Line:
    channel: grpc.aio.Channel
    users: int = 0


class Channel:
    """Makes calls of one head, in the loop that runs at the first."""

    def __init__(self, address: str, token: str | Token, clock: Clock, on_call: OnCall) -> None:
        self._address = address
        self._token = token
        self._clock = clock
        self._on_call = on_call
        self._line: _Line | None = None

    async def call(self, method: Method, request: bytes = b"") -> bytes:
        """Return the answer's bytes, at most ``MAX_ANSWER`` of them.

        Raises:
            GcsError: see :mod:`rayctl.gcs.errors`.
        """
        metadata = await self._metadata()
        if self._line is None:
            await self._knock(method)
        line = self._line = self._line or self._open()
        line.users += 1
        began, code = self._clock.monotonic(), "CANCELLED"
        try:
            ask: _Ask = line.channel.unary_unary(method.path)
            answer = await ask(request, timeout=DEADLINE, metadata=metadata)
            code = "OK"
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            failure = self._failure(method, error)
            if isinstance(failure, Unauthenticated) and not isinstance(self._token, str):
                self._token.refused()
            if isinstance(failure, Unreachable | Garbled) and self._line is line:
                self._line = None
            raise failure from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Unreachable(f"{self._told(method)}: the channel was closed meanwhile") from error
        else:
            return answer
        finally:
            line.users -= 1
            self._on_call(method, code, self._clock.monotonic() - began)
            if line is not self._line and not line.users:
                await line.channel.close()

    async def close(self) -> None:
        """Close the channel; calls under way end as Unreachable."""
        line, self._line = self._line, None
        if line is not None:
            await line.channel.close()

    async def _knock(self, method: Method) -> None:
        """See whether anybody listens: a channel to nobody costs ten times the CPU, and 30 KiB."""
        place, _, port = self._address.rpartition(":")
        host = place.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        began, code = self._clock.monotonic(), "UNAVAILABLE"
        try:
            with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as knocking:
                async with asyncio.timeout(DEADLINE):
                    await asyncio.get_running_loop().sock_connect(knocking, (host, int(port)))
            code = ""
        except TimeoutError as error:
            code = "DEADLINE_EXCEEDED"
            raise Unreachable(f"{self._told(method)}: no answer within {DEADLINE:.0f} s") from error
        except OSError as error:
            # asyncio puts its own words, with the address again, in the place of the system's.
            words = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise Unreachable(f"{self._told(method)}: {words}") from error
        finally:
            if code:
                self._on_call(method, code, self._clock.monotonic() - began)

    def _open(self) -> _Line:
        return _Line(grpc.aio.insecure_channel(self._address, options=_OPTIONS))

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        token = self._token if isinstance(self._token, str) else await self._token.read()
        token = token.strip()
        if not token:
            return ()
        if not (token.isascii() and token.isprintable()):
            raise Unauthenticated("the token holds characters that cannot be sent: is it binary?")
        return (("authorization", f"Bearer {token}"),)

    def _told(self, method: Method) -> str:
        return f"{method} at {self._address}"

    def _failure(self, method: Method, error: grpc.aio.AioRpcError) -> GcsError:
        code, words = error.code(), legible(error.details() or "")
        text = f"{self._told(method)}: {words or code.name}"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Unreachable(f"{self._told(method)}: no answer within {DEADLINE:.0f} s")
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in words:
            return TooLarge(text)
        if kind := _KINDS.get(code):
            return kind(text)
        return Refused(text, code.name, words)


_KINDS: Mapping[grpc.StatusCode, type[GcsError]] = {
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.CANCELLED: Unreachable,  # by a server that is going down
    grpc.StatusCode.UNKNOWN: Unreachable,  # gRPC's own word for a stream that broke; Ray says ABORTED
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNIMPLEMENTED: Unsupported,
    grpc.StatusCode.INTERNAL: Garbled,  # what came was no gRPC
}

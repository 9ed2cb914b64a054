"""``/healthz``, ``/readyz`` and ``/metrics``.

Healthy: the event loop answers and no watch is stuck. Ready: the caches hold what the API server has and
shows us. Both are true of a warm standby as of the leader; which of them a replica is, and which namespaces
it cannot see, is said below.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from rayctl.telemetry.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.Response]]
Check = Callable[[], str]
"""Returns what is wrong, or ''."""
Remarks = Callable[[], Iterable[str]]
"""Returns lines for people, to stand below what a check says."""


class PortTaken(Exception):  # noqa: N818
    """Somebody else listens on the port of the pages; another ``--health-port`` helps."""


class HealthServer:
    """Serves the three pages."""

    def __init__(
        self, port: int, *, healthy: Check, ready: Check, remarks: Remarks, metrics: Metrics
    ) -> None:
        self._port = port
        self._app = web.Application()
        self._app.router.add_get("/healthz", _answer(healthy, remarks))
        self._app.router.add_get("/readyz", _answer(ready, remarks))
        self._app.router.add_get("/metrics", _render(metrics))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Listen on all addresses, as the kubelet probes from outside the pod; yield the port.

        Raises:
            PortTaken: somebody else does.
        """
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            try:
                sock = _listening(self._port)
            except OSError as error:
                raise PortTaken(f"cannot listen on port {self._port}: {error.strerror}") from error
            await web.SockSite(runner, sock).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


def _listening(port: int) -> socket.socket:
    # One socket for IPv4 and IPv6: of two, each would be given a free port of its own.
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return socket.create_server(("", port), family=family, dualstack_ipv6=both)


def _answer(check: Check, remarks: Remarks) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        problem = check()
        lines = (problem or "ok", *remarks())
        return web.Response(text="".join(f"{line}\n" for line in lines), status=503 if problem else 200)

    return handler


def _render(metrics: Metrics) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        # Rendering thousands of series takes tens of milliseconds: not on the loop.
        body = await asyncio.to_thread(metrics.render)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return handler

"""``/healthz``, ``/readyz`` and ``/metrics``.

Healthy: the event loop answers and no watch is stuck. Ready: the caches hold what the API server has. Both
are true of a warm standby as of the leader.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from rayctl.telemetry.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.Response]]
Check = Callable[[], str]
"""Returns what is wrong, or ''."""


class PortTaken(Exception):  # noqa: N818
    """Somebody else listens on the port of the pages; another ``--health-port`` helps."""


class HealthServer:
    """Serves the three pages."""

    def __init__(self, port: int, healthy: Check, ready: Check, metrics: Metrics) -> None:
        self._port = port
        self._app = web.Application()
        self._app.router.add_get("/healthz", _answer(healthy))
        self._app.router.add_get("/readyz", _answer(ready))
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
            site = web.TCPSite(runner, port=self._port)
            try:
                await site.start()
            except OSError as error:
                raise PortTaken(f"cannot listen on port {self._port}: {error.strerror}") from error
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


def _answer(check: Check) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        problem = check()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    return handler


def _render(metrics: Metrics) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        # Rendering thousands of series takes tens of milliseconds: not on the loop.
        body = await asyncio.to_thread(metrics.render)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return handler

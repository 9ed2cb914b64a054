"""``/healthz``, ``/readyz`` and ``/metrics``.

Healthy: the event loop answers and no watch is stuck. Ready: the caches hold what the API server has. Both
are true of a warm standby as of the leader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from rayctl.telemetry.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.Response]]
Check = Callable[[], str]
"""Returns what is wrong, or ''."""


class HealthServer:
    """Serves the three pages until cancelled."""

    def __init__(self, port: int, healthy: Check, ready: Check, metrics: Metrics) -> None:
        self._port = port
        self._app = web.Application()
        self._app.router.add_get("/healthz", _answer(healthy))
        self._app.router.add_get("/readyz", _answer(ready))
        self._app.router.add_get("/metrics", _render(metrics))
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Where it listens, once it does."""

    async def run(self) -> None:
        """Listen on all addresses: the kubelet probes from outside the pod."""
        runner = web.AppRunner(self._app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, port=self._port, shutdown_timeout=1.0)
            await site.start()
            self.port.set_result(runner.addresses[0][1])
            await asyncio.Event().wait()
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

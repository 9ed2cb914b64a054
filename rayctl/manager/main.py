"""The composition root: builds all parts of the operator, starts them, stops them in order.

Watches, caches and pages run in every replica; the controller runs only while this one leads, behind the
barrier. A part that ends by itself ends the process: Kubernetes starts it anew, and nothing is lost with it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version

from rayctl.clock import SystemClock
from rayctl.core.election.candidate import Election
from rayctl.kube.cache import Cache
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.events import Events
from rayctl.kube.lease import LeaseStore
from rayctl.kube.secrets import Secrets
from rayctl.kube.terminations import Terminations, sign
from rayctl.kube.writer import Writer
from rayctl.loops.autoscaler import Autoscaler
from rayctl.loops.controller import Controller, Telemetry
from rayctl.loops.executor import Executor
from rayctl.loops.heads import Heads
from rayctl.loops.tokens import Connector
from rayctl.manager.health import HealthServer
from rayctl.manager.leadership import Leadership, identity_of
from rayctl.manager.settings import Settings, places
from rayctl.manager.signs import Signs
from rayctl.telemetry.metrics import Metrics
from rayctl.telemetry.traces import Traces, exported_traces

_log = logging.getLogger(__name__)

_CALLS = 64
"""That may be under way at once."""


async def run_operator(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Raises:
        NoConfiguration: there is no API server to talk to.
        PortTaken: the health port is another process's.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(_run(settings), name="operator")
    stopping = asyncio.create_task(stop.wait(), name="signals")
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        _log.info("told to stop: stopping work, then giving the lease away")
        running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        _log.info("stopped")


async def _run(settings: Settings) -> None:
    clock = SystemClock()
    metrics = Metrics()
    source = Source(settings.kubeconfig or None, settings.context or None)
    connection = await Connection.open(source, clock)
    where = places(settings, connection.namespace)
    identity = identity_of(
        settings.pod_name or socket.gethostname(), settings.pod_uid, clock.wall().strftime("%Y%m%dT%H%M%S.%f")
    )
    _log.info("watching %s of %s as %s", where, connection.url, identity)
    if settings.pod_uid:
        _sign(identity)
    client = KubeClient(
        connection, clock, identity=identity, on_call=metrics.api_call, parallel=_CALLS, share=_CALLS // 2
    )
    lease_client = KubeClient(connection, clock, identity=identity, on_call=metrics.api_call)
    async with client, lease_client:
        cache = Cache(client, where.watched, clock)
        metrics.watch_cache(cache)
        store = LeaseStore(lease_client, where.lease, settings.lease_name, clock)
        terminations = Terminations(client, where.pod, clock)
        leadership = Leadership(store, terminations, Election(identity, settings.terms), clock)
        writer = Writer(client, leadership.valid_until, clock, cache.read_cluster)
        events = Events(writer, clock, identity)
        traces = exported_traces(version("rayctl"), identity) if settings.traced else Traces()
        heads = Heads(Connector(Secrets(client), clock), clock)
        autoscaler = Autoscaler(clock)
        executor = Executor(writer, cache, heads, autoscaler, traces, settings.parallel_calls)
        telemetry = Telemetry(events, metrics, traces)
        controller = Controller(cache, heads, autoscaler, writer, executor, clock, telemetry)
        signs = Signs(writer, store, leadership, clock)
        lead = _leading(settings, where.pod, writer, signs, events, controller, metrics)
        health = HealthServer(
            settings.health_port,
            healthy=lambda: "" if cache.healthy() else "a watch is stuck",
            ready=lambda: "" if cache.synced else "the caches are being filled",
            remarks=lambda: _remarks(leadership, cache),
            metrics=metrics,
        )
        try:
            async with health.serving(), asyncio.TaskGroup() as group:
                group.create_task(cache.run(), name="cache")
                # A replica that cannot see the world must not lead it: another one perhaps can.
                await cache.wait_synced()
                group.create_task(leadership.run(lead, cache.catch_up), name="leadership")
        finally:
            await asyncio.to_thread(traces.close)


def _sign(identity: str) -> None:
    try:
        sign(identity)
    except OSError as error:
        _log.warning("a crash of this replica will be found by its lease alone: %s", error)


def _remarks(leadership: Leadership, cache: Cache) -> Iterator[str]:
    """Say who leads, and what of the watched namespaces cannot be seen."""
    yield "this replica leads" if leadership.is_leader else f"standby; {leadership.leader or 'nobody'} leads"
    yield from cache.problems


def _leading(
    settings: Settings,
    place: str,
    writer: Writer,
    signs: Signs,
    events: Events,
    controller: Controller,
    metrics: Metrics,
) -> Callable[[], Awaitable[None]]:
    """Return what a leader does until it is cancelled; ``place`` is the namespace of its pod."""
    pod = settings.pod_name if settings.pod_uid else ""

    async def lead() -> None:
        metrics.leading(leads=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(events.run(), name="events")
                group.create_task(controller.run(settings.concurrent_reconciles), name="controller")
                group.create_task(signs.show(place, pod), name="signs")
        finally:
            metrics.leading(leads=False)
            await writer.finish()

    return lead

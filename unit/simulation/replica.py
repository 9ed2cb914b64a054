"""A replica of the operator: the product's own parts, put together as its manager does, on a simulated line.

What is left out: the election (a test says who leads, and may have two lead at once), pages and traces.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import cast

from rayctl.api.moment import Monotonic
from rayctl.kube.cache import Cache
from rayctl.kube.client import KubeClient
from rayctl.kube.events import Events
from rayctl.kube.writer import Writer
from rayctl.loops.autoscaler import Autoscaler
from rayctl.loops.controller import Controller, Telemetry
from rayctl.loops.executor import Executor
from rayctl.loops.heads import Heads
from rayctl.telemetry.metrics import Metrics
from rayctl.telemetry.traces import Traces
from unit.simulation.network import Arming, Line
from unit.simulation.ray import Ray
from unit.simulation.server import NAMESPACE, Server, SimulatedClock

_NEVER, _ALWAYS = Monotonic(float("-inf")), Monotonic(float("inf"))


class Replica:
    """A process. It watches from its start; it leads when told so."""

    def __init__(
        self, name: str, server: Server, ray: Ray, loop: asyncio.AbstractEventLoop, armed: list[Arming]
    ) -> None:
        self.name = name
        self._loop = loop
        self.line = Line(server, loop, armed)
        self.line.on_death = self.die
        self.leads = False
        self.led_since = 0.0
        self.on_fault: Callable[[str], None] = lambda text: None
        self._valid_until = _NEVER
        self._tasks: list[asyncio.Task[None]] = []
        self._work: asyncio.Task[None] | None = None
        clock, traces = SimulatedClock(loop), Traces()
        client = cast(KubeClient, self.line)
        self.cache = Cache(client, (NAMESPACE,), clock)
        writer = Writer(client, lambda: self._valid_until, clock, self.cache.read_cluster)
        self._events = Events(writer, clock, name)
        heads = Heads(ray.connect, clock)
        autoscaler = Autoscaler(clock)
        executor = Executor(writer, self.cache, heads, autoscaler, traces, parallel=4)
        telemetry = Telemetry(self._events, Metrics(), traces)
        self.controller = Controller(self.cache, heads, autoscaler, writer, executor, clock, telemetry)
        self._start(self.cache.run())

    @property
    def is_dead(self) -> bool:
        return self.line.is_dead

    def lead(self) -> None:
        """Begin to lead: act once the cache is as new as this moment."""
        if not self.leads and not self.is_dead:
            self.leads, self.led_since, self._valid_until = True, self._loop.time(), _ALWAYS
            self._work = self._start(self._lead())

    def resign(self) -> None:
        """Lead no more: nothing is written any more, and what is under way is given up."""
        self.leads, self._valid_until = False, _NEVER
        if self._work is not None:
            self._work.cancel()
            self._work = None

    def die(self) -> None:
        """End at once: what is under way stays so, and no answer comes."""
        self.line.die()
        self.leads = False
        for task in self._tasks:
            task.cancel()

    async def ended(self) -> None:
        """Return when nothing of a dead replica runs any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _lead(self) -> None:
        await self.cache.catch_up()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run())
            group.create_task(self.controller.run(2))

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        task.add_done_callback(self._note_end)
        self._tasks.append(task)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_fault(f"{self.name} ended by itself: {error!r}")

"""One round: a namespace, replicas, a workload and a nemesis; then quiet; then the verdict.

A round knows nothing of the one before it, so that (seed, round) draws the same faults again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from e2e.cluster.interface import BedError, Component
from e2e.cluster.local import LocalCluster
from e2e.faults.checker import NOT_SETTLED, Violation, check
from e2e.faults.etcd import Recorder
from e2e.faults.forked import Make
from e2e.faults.ground import FAKE, Ground
from e2e.faults.hands import Hands
from e2e.faults.history import CLUSTERS, USER, Fault, History, requests_of
from e2e.faults.kubelets import second_look
from e2e.faults.nemesis import WEIGHTS, Kind, Nemesis, draw
from e2e.faults.proxy import Line
from e2e.faults.replicas import Replica, replicas
from e2e.faults.settled import Flaw, unsettled
from e2e.faults.workload import Workload
from e2e.operator_process import install_rights, kubeconfig_of
from rayctl.clock import SystemClock
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.errors import KubeError

REPLICAS = 3
_QUIET_FOR = 1.5
"""Seconds for which all is to be as it should: longer than what is written at most once a second."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do in a round."""

    seed: int
    number: int
    faults: int
    make: Make = Make.SOUND
    weights: Mapping[Kind, int] = field(default_factory=lambda: WEIGHTS)
    ground: Ground = FAKE

    @property
    def namespace(self) -> str:
        """The round's own."""
        return f"faults-{self.seed}-{self.number}"

    def dice(self, whose: str) -> random.Random:
        """Return dice of somebody's own: who else rolls, and when, makes no difference to them."""
        return random.Random(f"{self.seed}/{self.number}/{whose}")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a round."""

    plan: Plan
    counts: Mapping[str, int]
    violations: tuple[Violation, ...]
    judged: Mapping[str, int]
    history: History
    seconds: float
    quiet_after: float
    """Seconds from the last fault's end until all was as it should be."""


async def run_round(bed: LocalCluster, plan: Plan, folder: Path) -> Result:
    """Do all of a round. ``folder`` gets the replicas' logs."""
    began = time.monotonic()
    await asyncio.to_thread(install_rights, bed, plan.namespace)
    kubeconfig = await asyncio.to_thread(kubeconfig_of, bed, plan.namespace, folder)
    offset = bed.audit_log.stat().st_size
    async with AsyncExitStack() as stack:
        recorder = Recorder(bed.control_plane.etcd, plan.namespace)
        await stack.enter_async_context(_running(recorder.run(), recorder.began))
        await stack.enter_async_context(_running(_keep_plane(bed)))
        if plan.ground.is_played:
            kubelet = await stack.enter_async_context(_client(bed, "kubelet"))
            await stack.enter_async_context(_running(second_look(kubelet, plan.namespace, recorder)))
        lines = await stack.enter_async_context(_lines(bed, plan.dice("lines")))
        fleet = await stack.enter_async_context(replicas(lines, kubeconfig, plan.make, plan.dice("replicas")))
        user = await stack.enter_async_context(_client(bed, "workload"))
        admin = await stack.enter_async_context(_client(bed, "nemesis"))
        hands = Hands(admin, plan.namespace, bed.nodes())
        nemesis = Nemesis(bed, fleet, recorder, hands)
        workload = Workload(user, plan.namespace, plan.ground.size, plan.dice("user"))
        await _begin(workload, recorder, plan.ground.begin_within)
        await _storm(plan, nemesis, workload, recorder)
        await _heal(fleet, hands)
        quiet_after, left = await _quiet(recorder, plan.ground.quiet_within)
    history = History(
        tuple(recorder.changes),
        requests_of(_audit(bed.audit_log, offset), plan.namespace),
        tuple(nemesis.faults),
    )
    verdict = check(history)
    return Result(
        plan=plan,
        counts=nemesis.counts,
        violations=(*verdict.violations, *_unsettled(left, history)),
        judged=verdict.judged,
        history=history,
        seconds=time.monotonic() - began,
        quiet_after=quiet_after,
    )


async def _begin(workload: Workload, recorder: Recorder, within: float) -> None:
    """Have the clusters that nobody touches be there as they should."""
    await workload.begin()
    async with asyncio.timeout(within):
        while not workload.steady <= recorder.names(CLUSTERS) or unsettled(recorder.state):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _storm(plan: Plan, nemesis: Nemesis, workload: Workload, recorder: Recorder) -> None:
    deeds = nemesis.faults

    async def work() -> None:
        pace = plan.dice("pace")
        while True:
            await asyncio.sleep(pace.uniform(*plan.ground.between_deeds))
            if done := await workload.act(recorder.state):
                deeds.append(Fault(time.time(), USER + done))

    async def suffer() -> None:
        rng = plan.dice("nemesis")
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.faults):
                group.create_task(nemesis.inflict(draw(rng, plan.weights)))
                await asyncio.sleep(rng.uniform(*plan.ground.between_faults))

    async with asyncio.TaskGroup() as group:
        busy = group.create_task(work())
        await suffer()
        busy.cancel()


async def _heal(fleet: list[Replica], hands: Hands) -> None:
    for replica in fleet:
        replica.line.heal()
    while True:
        try:
            await hands.heal_nodes()
        except KubeError:
            await asyncio.sleep(0.2)
        else:
            return


async def _quiet(recorder: Recorder, within: float) -> tuple[float, tuple[Flaw, ...]]:
    """Wait until all is as it should be, and stays so; return after how long, and what is not."""
    began = since = time.monotonic()
    while (now := time.monotonic()) - began < within:
        if unsettled(recorder.state):
            since = now
        elif now - since > _QUIET_FOR:
            return since - began, ()
        await asyncio.sleep(0.1)
    return now - began, unsettled(recorder.state)


def _unsettled(left: tuple[Flaw, ...], history: History) -> Iterator[Violation]:
    """Give a violation for each cluster of which something is left."""
    last = history.changes[-1]
    for about in dict.fromkeys(flaw.about for flaw in left):
        what = "; ".join(flaw.what for flaw in left if flaw.about == about)
        yield Violation(NOT_SETTLED, what, last.revision, last.at, about)


def _audit(log: Path, offset: int) -> Iterator[Mapping[str, Any]]:
    with log.open("rb") as file:
        file.seek(offset)
        for line in file:
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # its writer was killed over it


async def _keep_plane(bed: LocalCluster) -> None:
    """Start again what ends because an API server died over its words, as a kubelet would.

    kube-scheduler does: "Scheduler cache is corrupted".
    """
    while True:
        for component in (Component.SCHEDULER, Component.CONTROLLER_MANAGER):
            if not bed.control_plane.runs(component):
                with contextlib.suppress(BedError):  # the API server is away; again in a moment
                    await asyncio.to_thread(bed.start, component)
        await asyncio.sleep(1)


@asynccontextmanager
async def _running(
    doing: Coroutine[Any, Any, None], begun: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Do something meanwhile, from when it has begun; an error of it is one of the round."""
    task = asyncio.create_task(doing)
    if begun is not None:
        await begun.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


@asynccontextmanager
async def _lines(bed: LocalCluster, rng: random.Random) -> AsyncIterator[list[Line]]:
    certificate, key = bed.issue("line")
    trust = ssl.create_default_context(cafile=str(certificate.with_name("ca.crt")))
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(REPLICAS):
            connector = aiohttp.TCPConnector(ssl=trust, limit=0)
            session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
            )
            await stack.enter_async_context(session)
            made.append(Line(bed.control_plane.server, session, rng))
            await stack.enter_async_context(made[-1].served(certificate, key))
        yield made


@asynccontextmanager
async def _client(bed: LocalCluster, who: str) -> AsyncIterator[KubeClient]:
    clock = SystemClock()
    connection = await Connection.open(Source(str(bed.kubeconfig)), clock)
    async with KubeClient(connection, clock, identity=who) as client:
        yield client

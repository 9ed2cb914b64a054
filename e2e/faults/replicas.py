"""The operator's replicas: processes behind a line each, started again when they end, as a kubelet would."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml

from e2e.faults.forked import Make, operate
from e2e.faults.proxy import Line

LEASE_SECONDS = 3
FLAGS = (f"--lease-duration={LEASE_SECONDS}", "--renew-deadline=2", "--retry-period=0.5")
"""Fast, so that much happens in little time; and long enough for two busy cores."""
_START_WITHIN = (0.05, 0.8)
_END_WITHIN = 20.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([operate.__module__])


class Replica:
    """One replica: always one process of it, or the next about to start."""

    def __init__(self, name: str, line: Line, kubeconfig: Path, make: Make, rng: random.Random) -> None:
        self.name = name
        self.line = line
        self._kubeconfig = kubeconfig
        self._make = make
        self._rng = rng
        self._process: _Process | None = None

    @property
    def alive(self) -> bool:
        """Whether a process of it is there."""
        return self._process is not None and self._process.alive

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that is there, if any."""
        if self._process is not None:
            self._process.send(number)

    async def pause(self, seconds: float) -> None:
        """Stop the process that is there, and have it go on later."""
        victim = self._process
        if victim is None:
            return
        victim.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            victim.send(signal.SIGCONT)

    async def run(self) -> None:
        """Keep a process of it running until cancelled."""
        log = self._kubeconfig.with_name(f"{self.name}.log")
        while True:
            self._process = _Process(self._make, self.name, self._kubeconfig, log, FLAGS)
            try:
                await self._process.ended.wait()
            finally:
                await self._process.close()
            await asyncio.sleep(self._rng.uniform(*_START_WITHIN))


class _Process:
    """An operator's process, forked."""

    def __init__(self, *arguments: object) -> None:
        self._process = _FORKS.Process(target=operate, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None, "it has been started"
        self._descriptor = os.pidfd_open(self._process.pid)
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._descriptor, self._end)

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    async def close(self) -> None:
        """End it as a kubelet would, and forget it."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_WITHIN):
                await self.ended.wait()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.ended.wait()
        await asyncio.to_thread(self._process.join)
        self._process.close()

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.ended.set()


@asynccontextmanager
async def replicas(
    lines: list[Line], kubeconfig: Path, make: Make, rng: random.Random
) -> AsyncIterator[list[Replica]]:
    """Run a replica behind each line."""
    async with AsyncExitStack() as stack:
        made = []
        for index, line in enumerate(lines):
            name = f"operator-{index}"
            made.append(Replica(name, line, _through(line, kubeconfig, name), make, rng))
            task = asyncio.create_task(made[-1].run(), name=name)
            stack.push_async_callback(_ended, task)
        yield made


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _through(line: Line, kubeconfig: Path, name: str) -> Path:
    """Write a kubeconfig that leads through a line."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.port}"
    path = kubeconfig.with_name(f"{name}.kubeconfig")
    path.write_text(yaml.safe_dump(config))
    return path

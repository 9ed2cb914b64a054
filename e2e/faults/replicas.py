"""The operator's replicas: processes behind a line each, started again when they end, as a kubelet would."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml

from e2e.faults.proxy import Line
from e2e.operator_process import Operator

LEASE_SECONDS = 3
FLAGS = (f"--lease-duration={LEASE_SECONDS}", "--renew-deadline=2", "--retry-period=0.5")
"""Fast, so that much happens in little time; and long enough for two busy cores."""
_LOOK_EVERY = 0.02
_START_WITHIN = (0.05, 0.8)


class Replica:
    """One replica: always one process of it, or the next about to start."""

    def __init__(self, name: str, line: Line, kubeconfig: Path, module: str, rng: random.Random) -> None:
        self.name = name
        self.line = line
        self.starts = 0
        self._kubeconfig = kubeconfig
        self._module = module
        self._rng = rng
        self._process: Operator | None = None

    @property
    def log(self) -> Path:
        """What all its processes have said."""
        return self._kubeconfig.parent / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether a process of it is there."""
        return self._process is not None and self._process.alive

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that is there, if any."""
        if self._process is not None and self._process.alive:
            self._process.send(number)

    async def pause(self, seconds: float) -> None:
        """Stop the process that is there, and have it go on later."""
        victim = self._process
        if victim is None or not victim.alive:
            return
        victim.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            if victim.alive:
                victim.send(signal.SIGCONT)

    async def run(self) -> None:
        """Keep a process of it running until cancelled."""
        try:
            while True:
                self.starts += 1
                self._process = Operator(self.name, self._kubeconfig, self.log, FLAGS, module=self._module)
                while self._process.alive:  # noqa: ASYNC110  # a process tells nobody of its end
                    await asyncio.sleep(_LOOK_EVERY)
                await asyncio.sleep(self._rng.uniform(*_START_WITHIN))
        finally:
            if self._process is not None:
                await asyncio.to_thread(self._process.stop)


@asynccontextmanager
async def replicas(
    lines: list[Line], kubeconfig: Path, module: str, rng: random.Random
) -> AsyncIterator[list[Replica]]:
    """Run a replica behind each line."""
    async with AsyncExitStack() as stack:
        made = []
        for index, line in enumerate(lines):
            name = f"operator-{index}"
            made.append(Replica(name, line, _through(line, kubeconfig, name), module, rng))
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

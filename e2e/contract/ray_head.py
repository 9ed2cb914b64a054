"""A real Ray head with workers, as processes on loopback, for the contract of gcs_cases.py.

Each node has a loopback address of its own, so that none is in another's way. Ray is the one of the
development environment, without its extras: no dashboard.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.contract.gcs_cases import HEAD_POD, HEAD_TYPE, WORKER_CPUS, WORKER_TYPE, a_client
from e2e.operator_process import free_port
from rayctl.api.moment import Seconds
from rayctl.core.autoscale.demand import NodeId, Selector, Strategy
from rayctl.gcs.errors import GcsError

HOST = "127.0.0.2"  # 127.0.0.1 Ray takes to mean the address that others reach this machine at
DRIVER = Path(__file__).parent.parent / "programs" / "gcs_driver.py"
_STORE = str(80 * 2**20)
_STARTED: Seconds = 120.0
_ENDED: Seconds = 15.0
_TRIES = 4  # a raylet gives its agents 15 s to start, and up where the machine is too busy


class RayHead:
    """Starts with :meth:`start` and ends, with all its workers, with :meth:`stop`."""

    def __init__(self) -> None:
        # Ray's sockets lie below it, and their paths must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="rc", dir="/tmp"))
        self._port = free_port()
        self._nodes: list[asyncio.subprocess.Process] = []
        self._driver: asyncio.subprocess.Process | None = None
        self.token = secrets.token_hex(32)

    @property
    def address(self) -> str:
        """Of the GCS."""
        return f"{HOST}:{self._port}"

    async def start(self) -> None:
        """Return when the head is a node of its cluster."""
        options = (
            "--head",
            f"--port={self._port}",
            "--include-dashboard=false",
            "--no-monitor",
            "--num-cpus=1",
        )
        await self._start_node(HEAD_POD, HEAD_TYPE, HOST, {"tier": "head"}, *options)

    async def stop(self) -> None:
        """Kill the driver, the workers and the head, and return when all that they started is gone."""
        if self._driver is not None:
            driver, self._driver = self._driver, None
            await _end(driver)
        nodes, self._nodes = self._nodes, []
        await asyncio.gather(*(_end(node) for node in nodes))
        async with asyncio.timeout(_ENDED):
            while self._kill_left():  # noqa: ASYNC110  processes tell nobody
                await asyncio.sleep(0.05)

    def clean(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def restart(self) -> None:
        """Kill the head with all its workers, and start another one on the same address."""
        await self.stop()
        await self.start()

    async def join(self, pod: str, labels: Mapping[str, str]) -> None:
        """Start a worker."""
        host = f"127.0.0.{len(self._nodes) + 2}"
        await self._start_node(
            pod, WORKER_TYPE, host, labels, f"--address={self.address}", f"--num-cpus={WORKER_CPUS}"
        )

    async def ask(self, count: int, *selectors: Selector) -> None:
        """Submit tasks that wait."""
        await self._tell("ask", count, [_written(selector) for selector in selectors])

    async def ask_gang(self, strategy: Strategy, *, tasks: int = 0) -> None:
        """Make a placement group that waits, and tasks inside it."""
        await self._tell("ask_gang", strategy, tasks)

    async def request(self, widgets: Sequence[int]) -> None:
        """Call ``request_resources``."""
        await self._tell("request", list(widgets))

    async def occupy(self, node: NodeId) -> None:
        """Run a task on a node."""
        await self._tell("occupy", node)

    async def withdraw(self) -> None:
        """Cancel it all."""
        if self._driver is not None:
            await self._tell("withdraw")

    def log(self) -> str:
        """Return the last lines of what the nodes and the driver printed."""
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)

    async def status(self) -> str:
        """Return what `ray status -v` prints."""
        process = await asyncio.create_subprocess_exec(
            *(_program("ray"), "status", "-v", f"--address={self.address}"),
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(_STARTED):
            printed, _ = await process.communicate()
        return printed.decode()

    async def _start_node(
        self, pod: str, kind: str, host: str, labels: Mapping[str, str], *options: str
    ) -> None:
        """Return when the node has joined."""
        for _ in range(_TRIES):
            process = await self._spawn_node(pod, kind, host, labels, *options)
            self._nodes.append(process)
            if await self._has_joined(pod, process):
                return
            await _end(process)
        raise AssertionError(f"{pod} did not start; {self.log()}")

    async def _has_joined(self, pod: str, process: asyncio.subprocess.Process) -> bool:
        async with a_client(self) as client:
            while process.returncode is None:
                with contextlib.suppress(GcsError):
                    if pod in {node.pod for node in (await client.read_state()).nodes if node.total}:
                        return True
                await asyncio.sleep(0.05)
        return False

    async def _spawn_node(
        self, pod: str, kind: str, host: str, labels: Mapping[str, str], *options: str
    ) -> asyncio.subprocess.Process:
        identity = {"RAY_CLOUD_INSTANCE_ID": pod, "RAY_NODE_TYPE_NAME": kind}
        common = (f"--node-ip-address={host}", f"--object-store-memory={_STORE}", "--disable-usage-stats")
        ports = ("--min-worker-port=0", "--max-worker-port=0")
        told = ",".join(f"{key}={value}" for key, value in labels.items())
        with (self._folder / f"{pod}.log").open("a") as log:
            return await asyncio.create_subprocess_exec(
                *(_program("ray"), "start", "--block", *options, *common, *ports),
                *((f"--labels={told}",) if told else ()),
                *((f"--temp-dir={self._folder}/r",) if "--head" in options else ()),
                env=self._environment() | identity,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _tell(self, *command: object) -> None:
        driver = self._driver or await self._start_driver()
        assert driver.stdin is not None
        assert driver.stdout is not None
        async with asyncio.timeout(_STARTED):
            driver.stdin.write(json.dumps(command).encode() + b"\n")
            await driver.stdin.drain()
            answer = await driver.stdout.readline()
        assert answer == b"done\n", f"the driver failed at {command}; {self.log()}"

    async def _start_driver(self) -> asyncio.subprocess.Process:
        with (self._folder / "driver.log").open("a") as log:
            driver = self._driver = await asyncio.create_subprocess_exec(
                *(sys.executable, str(DRIVER), self.address),
                env=self._environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert driver.stdout is not None
        async with asyncio.timeout(_STARTED):
            answer = await driver.stdout.readline()
        assert answer == b"ready\n", f"the driver did not start; {self.log()}"
        return driver

    def _kill_left(self) -> int:
        """Kill what has our token in its environment, which each process inherits; return how many there were."""
        left = 0
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # gone meanwhile, or another user's
                if self.token.encode() in (entry / "environ").read_bytes():
                    left += 1
                    os.kill(int(entry.name), signal.SIGKILL)
        return left

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return own | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_enable_autoscaler_v2": "1",
            "RAY_gcs_pull_resource_loads_period_milliseconds": "100",
            "RAY_USAGE_STATS_ENABLED": "0",
        }


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a process and those of its group: Ray's own, upon which the workers end too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    async with asyncio.timeout(_ENDED):
        await process.wait()


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _written(selector: Selector) -> dict[str, str]:
    """Return a selector as users write it: ``!b``, ``in(a,b)``."""
    written = {}
    for term in selector:
        values = ",".join(sorted(term.values))
        text = f"in({values})" if len(term.values) > 1 else values
        written[term.key] = text if term.is_in else f"!{text}"
    return written

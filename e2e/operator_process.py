"""Operators as processes of the tests' own, with the rights that `deploy/operator.yaml` gives."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from e2e.cluster import Cluster
from e2e.terminal import REPOSITORY

SERVICE_ACCOUNT = "ray-operator-serviceaccount"


def wait_for(what: str, look: Callable[[], bool], timeout: float = 30) -> None:
    """Wait until ``look`` is true, looking less and less often: each look may be a kubectl of its own.

    Raises:
        AssertionError: it is not within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = 0.05
    while not look():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(pause)
        pause = min(0.5, 1.3 * pause)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def make_namespace(cluster: Cluster, name: str) -> None:
    """Make a namespace, and wait until pods may be made in it: they need its service account."""
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")


def install_rights(cluster: Cluster, namespace: str) -> None:
    """Make the namespace and, in it, all of `deploy/operator.yaml` but the Deployment."""
    make_namespace(cluster, namespace)
    documents = yaml.safe_load_all((REPOSITORY / "deploy" / "operator.yaml").read_text())
    rights = [
        document for document in documents if document["kind"] in {"ServiceAccount", "Role", "RoleBinding"}
    ]
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=yaml.safe_dump_all(rights))


def kubeconfig_of(cluster: Cluster, namespace: str, into: Path, account: str = SERVICE_ACCOUNT) -> Path:
    """Write a kubeconfig with a token of the service account and nothing else."""
    token = cluster.kubectl("-n", namespace, "create", "token", account, "--duration=2h").stdout.strip()
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [{"name": account, "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = account
    config["contexts"][0]["context"]["namespace"] = namespace
    config["current-context"] = config["contexts"][0]["name"]
    path = into / f"{namespace}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


class Operator:
    """One running operator."""

    def __init__(
        self, name: str, kubeconfig: Path, log: Path, flags: tuple[str, ...], source: Path = REPOSITORY
    ) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rayctl", "operator", "--health-port", "0", *flags],
                cwd=source,
                env={
                    **os.environ,
                    "KUBECONFIG": str(kubeconfig),
                    "POD_NAME": name,
                    "PYTHONPATH": str(source),
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    def log(self, pattern: str = "") -> list[str]:
        """Return the lines of its log that match."""
        return [line for line in self._log.read_text().splitlines() if re.search(pattern, line)]

    def leads(self) -> bool:
        """Whether its last word on leadership is that it leads."""
        words = self.log(r"leading as|not leading any more")
        return bool(words) and "leading as" in words[-1]

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, timeout: float = 20) -> int:
        """Wait for its end and return its exit code."""
        return self._process.wait(timeout)

    def stop(self) -> None:
        """Make sure that it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def operators(
    kubeconfig: Path,
    folder: Path,
    *flags: str,
    count: int = 1,
    source: Path = REPOSITORY,
    await_leader: bool = True,
) -> Iterator[list[Operator]]:
    """Run ``count`` operators of the code below ``source``; yield them when one of them leads, or at once."""
    with ExitStack() as stack:
        running = []
        for index in range(count):
            name = f"operator-{index}"
            running.append(Operator(name, kubeconfig, folder / f"{name}.log", flags, source))
            stack.callback(running[-1].stop)
        if await_leader:
            wait_for("an operator that leads", lambda: any(one.leads() for one in running))
        yield running

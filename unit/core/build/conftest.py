"""Containers to run the script in."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.core.build.container import DAEMON, RAY, Container


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"ray": RAY, "raylet": DAEMON, "gcs_server": DAEMON}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    # A login shell sets PATH anew from /etc/profile, so only .bashrc can make the stand-ins be found.
    (tmp_path / ".bashrc").write_text(f'export PATH="{programs}:$PATH"\n')
    (tmp_path / "notes").touch()
    (tmp_path / "logs").mkdir()
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "NOTES": str(tmp_path / "notes"),
        "LOGS": str(tmp_path / "logs"),
        "RAY_HEAD_IP": "localhost",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "10",
        "DRAINS": "yes",
    }
    container = Container(tmp_path, environment=environment)
    yield container
    if container.process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(container.process.pid, signal.SIGKILL)
        container.process.communicate()


@pytest.fixture
def first_process(container: Container) -> Container:
    """A container whose script is the first process of a PID namespace: when it ends, so does all else."""
    wrapper = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("a PID namespace needs root")
    container.wrapper = wrapper
    return container


@pytest.fixture
def gcs() -> Iterator[socket.socket]:
    """A listening port of this machine, for a GCS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server

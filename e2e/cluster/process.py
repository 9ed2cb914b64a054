"""Starts, finds and ends a bed's processes; never ends one that is not the bed's own.

Each runs in a session of its own with its output in a log file, and carries the bed's marker in its
environment, which its children inherit: so leftovers are found even where a journal's line is missing.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from e2e.cluster.interface import BedError
from e2e.cluster.layout import MARKER, Layout
from e2e.cluster.state import Journal, Kind, Resource

POLL = 0.05  # seconds between looks at something that has no way to tell us


def started_at(pid: int) -> int:
    """The process' start in clock ticks after boot; 0 where it is gone, or dead and not yet reaped."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # reaps it where it is our own child
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def is_alive(process: Resource) -> bool:
    """Whether this very process still runs (not another that got its id)."""
    return process.pid > 0 and started_at(process.pid) == process.started


def start(
    layout: Layout, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Resource:
    """Start a program in the background and write it into the journal; its log is `<name>.log`."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    log = str(layout.logs / f"{name}.log")
    pid = os.posix_spawnp(
        arguments[0],
        list(arguments),
        {**os.environ, **(environment or {}), MARKER: str(layout.root)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    process = Resource(Kind.PROCESS, name, pid, started_at(pid))
    Journal(layout.journal).add(process)
    return process


def wait_until(
    ready: Callable[[], bool],
    what: str,
    seconds: float,
    process: Resource | None = None,
    log: Path | None = None,
) -> None:
    """Poll until `ready()`; raises `BedError` with the end of the log when time is up or the process dies."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process is not None and not is_alive(process):
            raise BedError(f"{what}: the process ended{_tail(log)}")
        if time.monotonic() > deadline:
            raise BedError(f"{what}: not so after {seconds:.0f} s{_tail(log)}")
        time.sleep(POLL)


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()[-12:]
    return f"; the last lines of {log}:\n    " + "\n    ".join(line[:400] for line in lines)


def end(processes: Iterable[Resource], seconds: float = 10) -> None:
    """Ask all processes to end, kill those that have not after `seconds`, return when all are gone."""
    processes = [p for p in processes if is_alive(p)]
    if seconds > 0:
        for process in processes:
            _signal(process, signal.SIGTERM)
        _wait_gone(processes, seconds)
    for process in processes:
        _signal(process, signal.SIGKILL)
    left = _wait_gone(processes, 10)
    if left:
        raise BedError(f"cannot be killed: {', '.join(f'{p.name} (process {p.pid})' for p in left)}")


def _wait_gone(processes: Sequence[Resource], seconds: float) -> list[Resource]:
    deadline = time.monotonic() + seconds
    while (left := [p for p in processes if is_alive(p)]) and time.monotonic() < deadline:
        time.sleep(POLL)
    return left


def _signal(process: Resource, number: signal.Signals) -> None:
    """Signal through a descriptor of the process: between look and signal its id cannot change hands."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            if is_alive(process):
                signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def marked_processes(layout: Layout) -> Iterator[Resource]:
    """All living processes that carry this bed's marker, among them the container shims."""
    marker = f"{MARKER}={layout.root}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            found = marker in (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # gone meanwhile, or another user's
            continue
        if found and (started := started_at(int(entry.name))):
            yield Resource(Kind.PROCESS, "marked", int(entry.name), started)


def command_line(pid: int) -> Sequence[bytes]:
    """The arguments of a process; none where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ()

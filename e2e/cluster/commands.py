"""Runs programs whose output is long: all of it goes to a log file, the essential lines to the terminal."""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from e2e.cluster.interface import BedError

_TAIL_LINES = 30


class CommandError(BedError):
    """A program failed. Carries what was run, its exit code, its last lines and where the rest is."""

    def __init__(self, command: Sequence[str], code: int, log: Path) -> None:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        super().__init__(f"{' '.join(command[:3])} … exited with {code}; its log is {log} and ends:\n{tail}")


def run_logged(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    tell: Callable[[str], None] | None = None,
    telling: re.Pattern[str] | None = None,
) -> None:
    """Run `command` with its whole output appended to `log`; pass lines that match `telling` to `tell`.

    Raises:
        CommandError: the exit code is not 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a") as sink,
        subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            sink.write(line)
            if tell is not None and telling is not None and telling.match(line):
                tell(line.rstrip())
    if process.returncode != 0:
        raise CommandError(command, process.returncode, log)

"""A terminal as a person would use it: commands are shown, run by a shell, their output is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class StepError(Exception):
    """A command of the walkthrough failed, or something did not come to be in time."""


class Terminal:
    """Types commands in the repository's root, with the cluster's kubectl on the PATH."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._started = time.monotonic()

    def heading(self, text: str) -> None:
        """Begin a chapter."""
        elapsed = time.monotonic() - self._started
        print(self._paint("1", f"\n# {text}") + self._paint("2", f"  [{elapsed:.0f} s]"), flush=True)

    def type(self, command: str) -> str:
        """Show a command, run it, print what it prints, and return that.

        Raises:
            StepError: it ended with another code than 0.
        """
        print(self._paint("36", f"$ {command}"), flush=True)
        process = subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=REPOSITORY,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                print(line, end="", flush=True)
        if process.returncode:
            raise StepError(f"`{command}` ended with {process.returncode}")
        return "".join(lines)

    def ask(self, command: str) -> str:
        """Run a command without showing it and return its standard output, stripped; warnings are no part of it."""
        run = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=REPOSITORY,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise StepError(f"`{command}` ended with {run.returncode}:\n{run.stderr}")
        return run.stdout.strip()

    def wait(self, what: str, look: Callable[[], str], timeout: float) -> None:
        """Wait until ``look`` returns ''; until then it returns what is missing, which is shown.

        Raises:
            StepError: it did not come to be within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        shown = ""
        while missing := look():
            if missing != shown:
                print(self._paint("2", f"  … waiting for {what}: {missing}"), flush=True)
                shown = missing
            if time.monotonic() > deadline:
                raise StepError(f"{what}: {missing} after {timeout:.0f} s")
            time.sleep(0.5)

    @contextmanager
    def forward(self, namespace: str, target: str, port: int) -> Iterator[str]:
        """Forward a free local port to ``target`` and yield its URL."""
        command = f"kubectl -n {namespace} port-forward {target} :{port}"
        print(self._paint("36", f"$ {command} &"), flush=True)
        process = subprocess.Popen(
            shlex.split(command),
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            print(line, end="", flush=True)
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise StepError(f"`{command}`: {line.strip()}")
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()
            process.communicate()

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

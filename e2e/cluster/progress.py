"""What the person at the terminal sees while the bed works: steps with their time, and a meter.

On a terminal the meter rewrites its line; elsewhere it prints a plain line at most every ten seconds.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

QUIET_INTERVAL = 10.0  # seconds between a meter's lines where they cannot be rewritten
TERMINAL_INTERVAL = 0.2


class Progress:
    """Prints to one stream; give it standard error where standard output is for a program to read."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._shown = time.monotonic()
        self._dirty = False

    def say(self, text: str) -> None:
        """Print a line of its own."""
        clear = "\r\033[K" if self._dirty else ""
        self._dirty = False
        print(clear + text, file=self._stream, flush=True)

    def meter(self, text: str) -> None:
        """Show how far a long step has come; most calls print nothing."""
        now = time.monotonic()
        if now - self._shown < (TERMINAL_INTERVAL if self._terminal else QUIET_INTERVAL):
            return
        self._shown = now
        if self._terminal:
            print(f"\r\033[K  {text}", end="", file=self._stream, flush=True)
            self._dirty = True
        else:
            print(f"  {text}", file=self._stream, flush=True)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Time what is inside and print one line when it is done."""
        begun = self._shown = time.monotonic()
        yield
        self.say(f"  {text:<58} {time.monotonic() - begun:5.1f} s")

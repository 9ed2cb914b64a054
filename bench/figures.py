"""Figures as people read them: percentiles, plain tables, and what else the machine had to do meanwhile."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterable, Sequence

from e2e.terminal import REPOSITORY
from rayctl.clock import SystemClock


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest of the values that so many percent of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table: the first column to the left, all others to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    body = [
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for line in lines
    ]
    return "\n".join([f"\n{title}", *body])


def circumstances() -> str:
    """Return date, cores and load: seconds of a busy machine are not those of an idle one."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{SystemClock().wall():%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {load} (1, 5, 15 min)"


def version() -> str:
    """Return the commit that is measured, and whether the operator's code differs from it."""
    commit = _git("rev-parse", "--short", "HEAD").strip()
    return f"commit {commit}{', rayctl/ changed since' if _git('status', '--porcelain', 'rayctl') else ''}"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def milliseconds(seconds: float) -> str:
    """Return a duration in ms."""
    return f"{seconds * 1000:.0f} ms"

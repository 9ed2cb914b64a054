"""What an operator's process has cost so far: CPU and memory from /proc, API calls from its own /metrics."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

_TICKS = os.sysconf("SC_CLK_TCK")
_COUNT = "rayctl_api_call_seconds_count"


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has used since it started."""

    cpu_seconds: float
    resident_mib: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Cost(Spent):
    """What an operator of ours has used since it started."""

    calls: Counter[str]
    """API calls by verb and resource in RBAC's words, and by the answer's code where that is not 2xx."""

    def calls_since(self, earlier: Cost) -> Counter[str]:
        """Return the calls made after ``earlier`` was taken."""
        return self.calls - earlier.calls


async def cost_of(pid: int, metrics_port: int) -> Cost:
    """Return the cost of an operator up to now; asking it for its metrics is part of what it spends."""
    calls = await _calls(metrics_port)
    used = spent(pid)
    return Cost(used.cpu_seconds, used.resident_mib, used.peak_mib, calls)


def spent(pid: int) -> Spent:
    """Return what any process has used up to now."""
    memory = _memory(pid)
    return Spent(_cpu_seconds(pid), memory["VmRSS"] / 1024, memory["VmHWM"] / 1024)


async def _calls(port: int) -> Counter[str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text = await answer.text()
    calls: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _COUNT:
                calls[_called(sample.labels)] += int(sample.value)
    return calls


def _called(labels: Mapping[str, str]) -> str:
    failed = "" if labels["code"].startswith("2") else f" (answer {labels['code']})"
    return f"{labels['verb']} {labels['resource']}{failed}"


def _cpu_seconds(pid: int) -> float:
    # After the last parenthesis: a program's name may contain blanks. See proc_pid_stat(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> dict[str, int]:
    """Return the sizes of /proc/PID/status in KiB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1:] == ["kB"]}

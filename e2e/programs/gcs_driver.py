"""A Ray driver that does what it is told on its standard input: `gcs_driver.py ADDRESS`.

A line is a JSON list: a command's name and its arguments. Each is answered with a line once it is done.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy


@ray.remote(num_cpus=0, max_retries=0)
def hold(sign: str = "") -> None:
    """Run until it is cancelled; make a file as a sign that it does."""
    if sign:
        Path(sign).touch()
    time.sleep(3600)


class Driver:
    """What was asked and not withdrawn."""

    def __init__(self) -> None:
        self._tasks: list[Any] = []
        self._groups: list[Any] = []

    def ask(self, count: int, selectors: list[dict[str, str]]) -> None:
        """Submit tasks of one widget; the second selector and the following are fallbacks."""
        options: dict[str, Any] = {"resources": {"widget": 1}}
        if selectors:
            options["label_selector"] = selectors[0]
            options["fallback_strategy"] = [{"label_selector": selector} for selector in selectors[1:]]
        self._tasks += [hold.options(**options).remote() for _ in range(count)]

    def ask_gang(self, strategy: str, tasks: int) -> None:
        """Make a placement group, and submit tasks inside it."""
        group = placement_group([{"widget": 1}] * 2, strategy=strategy)
        self._groups.append(group)
        inside = PlacementGroupSchedulingStrategy(placement_group=group)
        options: dict[str, Any] = {"resources": {"widget": 1}, "scheduling_strategy": inside}
        self._tasks += [hold.options(**options).remote() for _ in range(tasks)]

    def request(self, widgets: list[int]) -> None:
        """Call request_resources."""
        request_resources(bundles=[{"widget": number} for number in widgets])

    def occupy(self, node: str) -> None:
        """Run a task of one CPU on a node; a drain would turn away one that has not begun."""
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        with tempfile.TemporaryDirectory() as folder:
            sign = Path(folder) / "runs"
            self._tasks.append(hold.options(num_cpus=1, scheduling_strategy=there).remote(str(sign)))
            while not sign.exists():
                time.sleep(0.05)

    def withdraw(self) -> None:
        """End it all."""
        for task in self._tasks:
            ray.cancel(task, force=True)
        for task in self._tasks:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.get(task, timeout=20)
        for group in self._groups:
            remove_placement_group(group)
        self.request([])
        self._tasks.clear()
        self._groups.clear()


# Ray writes to standard output of its own accord, as what the cluster's autoscaler cannot provide.
answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
ray.init(
    address=sys.argv[1],
    _node_ip_address=sys.argv[1].partition(":")[0],
    log_to_driver=False,
    logging_level="ERROR",
    namespace="contract",
)
driver = Driver()
print("ready", file=answers, flush=True)
for line in sys.stdin:
    name, *arguments = json.loads(line)
    getattr(driver, name)(*arguments)
    print("done", file=answers, flush=True)

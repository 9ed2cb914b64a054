"""A launch that takes its time, to be in the middle of."""

from __future__ import annotations

import copy
import json
import signal
import time

from e2e.namespace import EXAMPLE, Namespace
from e2e.operator_process import Operator

WORKERS = 100
SLOWLY = "--parallel-calls=1"
"""An operator with this flag makes one pod at a time."""


def launch(space: Namespace, name: str) -> None:
    """Apply the example with so many workers."""
    document = copy.deepcopy(EXAMPLE)
    document["metadata"] = {"name": name}
    document["spec"]["maxWorkers"] = WORKERS
    for pod_type in document["spec"]["podTypes"]:
        del pod_type["podConfig"]["metadata"]["generateName"]
    document["spec"]["podTypes"][1].update(minWorkers=WORKERS, maxWorkers=WORKERS)
    space.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def has_workers(space: Namespace, name: str, workers: int) -> bool:
    """Whether a cluster has at least so many workers."""
    return space.count(name, "worker") >= workers


def stop_at(space: Namespace, name: str, workers: int, leader: Operator) -> int:
    """Let a leader launch at least so many workers, stop it with SIGSTOP, and return how many there are.

    It is stopped whenever they are counted: kubectl may take longer than all of the launch.
    """
    deadline = time.monotonic() + 30
    while True:
        leader.send(signal.SIGSTOP)
        there = space.count(name, "worker")
        if there >= workers:
            return there
        assert time.monotonic() < deadline, f"{there} of {workers} workers within 30 s"
        leader.send(signal.SIGCONT)
        time.sleep(0.1)

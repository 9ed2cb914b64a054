"""A launch that takes its time, to be in the middle of."""

from __future__ import annotations

import copy
import json

from e2e.namespace import EXAMPLE, Namespace

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

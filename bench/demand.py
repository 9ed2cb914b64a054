"""From a task's submission to the pod that is made for it, with real Ray on real nodes.

    python -m bench.demand [--tasks 10]

The program on the head and the operator read the same machine's clock: one says when it submitted, the
other's log when the pod's creation was decided.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import datetime
from pathlib import Path

from bench.figures import circumstances, milliseconds, percentile, table, version
from e2e.cluster import Profile, open_cluster
from e2e.cluster.image_recipes import Kind
from e2e.cluster.images import ensure
from e2e.lifecycle.life import Life, Ray
from e2e.operator_process import Operator, operators, wait_for

_PROGRAM = """
import time
print(time.time())
print(ray.get(ray.remote(num_cpus=1)(lambda: time.time()).remote()))
"""


def main() -> None:
    """Submit one task after another, each to a cluster without workers, and print what passed."""
    parser = argparse.ArgumentParser(prog="python -m bench.demand", description="task → pod")
    parser.add_argument("--tasks", type=int, default=10, help="default: %(default)s")
    flags = parser.parse_args()
    print(f"{version()}\n{circumstances()}", flush=True)
    with open_cluster(Profile.NODES) as cluster, tempfile.TemporaryDirectory(prefix="rayctl-bench-") as name:
        cluster.push_image(ensure(Kind.RAY))
        life = Life(cluster, "demand", Path(name))
        with operators(life.kubeconfig, life.folder) as running:
            ray = Ray(life, "one", workers=0, idleTimeoutMinutes=0.05)
            ray.start()
            waits = [_one(ray, running[0]) for _ in range(flags.tasks)]
    decided, done = zip(*waits, strict=True)
    rows = [
        (what, *(milliseconds(value) for value in (percentile(each, 50), percentile(each, 95), max(each))))
        for what, each in (("its worker's pod is being created", decided), ("it runs", done))
    ]
    print(table(f"{flags.tasks} tasks, from submission until", ("", "p50", "p95", "max"), rows))
    print(f"\nend: {circumstances()}")


def _one(ray: Ray, operator: Operator) -> tuple[float, float]:
    """Return the seconds from a task's submission to the decision for its pod, and to its run."""
    wait_for("no worker", lambda: not ray.live("worker"), 120)
    known = len(_creations(operator))
    submitted, ran = map(float, ray.python(_PROGRAM).split())
    return _creations(operator)[known] - submitted, ran - submitted


def _creations(operator: Operator) -> list[float]:
    lines = operator.log(r"Creating 1 worker of type small")
    stamps = (line.partition(":")[2].partition("\t")[0] for line in lines)
    moments = (datetime.strptime(f"{stamp}+0000", "%Y-%m-%d %H:%M:%S,%f%z") for stamp in stamps)
    return [moment.timestamp() for moment in moments]


if __name__ == "__main__":
    main()

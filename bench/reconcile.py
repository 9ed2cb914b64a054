"""One pass over a settled cluster of very many pods: nothing is to be done, and it should cost little.

    python -m bench.reconcile [--pods 1000] [--passes 50]

CPU time of the decision alone, as a controller makes it whenever anything of the cluster changes; beside it,
as a floor, what it costs to read that many pods out of one answer of the API server.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import msgspec

from bench.figures import circumstances, table, version
from rayctl.api.document import Document
from rayctl.api.names import Role
from rayctl.api.raycluster import RayCluster
from rayctl.core.autoscale.minimum import minimum
from rayctl.core.build.pod import pod_template
from rayctl.core.reconcile.decide import decide
from rayctl.kube.decode import pod_view
from unit.builders import a_cluster, a_pod
from unit.core.reconcile.passes import NOW, a_view, seen


def main() -> None:
    """Print the median of the passes."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.reconcile", description="one pass that does nothing"
    )
    parser.add_argument("--pods", type=int, default=1000, help="workers (default: %(default)s)")
    parser.add_argument("--passes", type=int, default=50, help="default: %(default)s")
    flags = parser.parse_args()
    print(f"{version()}\n{circumstances()}")
    cluster = a_cluster(workers=flags.pods)
    names = [f"example-cluster-ray-worker-{number:05}" for number in range(flags.pods)]
    workers = [a_pod(name, ordinal=number) for number, name in enumerate(names)]
    observed = seen(cluster, a_pod("h", head=True), *workers, ray=a_view("h", idle=tuple(names)))
    wanted = minimum(cluster)
    assert decide(cluster, observed, wanted, NOW).actions == (), "there is nothing to do"
    body = msgspec.json.encode(_a_pod_as_json(cluster))

    def passes() -> None:
        decide(cluster, observed, wanted, NOW)

    def reads() -> None:
        for _ in range(flags.pods):
            pod_view(body)

    spent, floor = (_milliseconds(work, flags.passes) for work in (passes, reads))
    rows = [
        ("a pass, ms of CPU", f"{spent:.2f}"),
        (f"reading {flags.pods} pods, ms of CPU", f"{floor:.2f}"),
        ("pass / reading", f"{spent / floor:.2f}"),
    ]
    print(table(f"{flags.pods} workers, nothing to do, median of {flags.passes}", ("", ""), rows))


def _a_pod_as_json(cluster: RayCluster) -> Document:
    manifest = pod_template(cluster, cluster.pod_types[-1], Role.WORKER).manifest(0, 0)
    metadata = manifest["metadata"]
    assert isinstance(metadata, dict)
    return manifest | {"metadata": metadata | {"uid": "u", "resourceVersion": "1"}, "status": {}}


def _milliseconds(work: Callable[[], None], times: int) -> float:
    """Return the median CPU time of some calls."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return median(spent) * 1e3


if __name__ == "__main__":
    main()

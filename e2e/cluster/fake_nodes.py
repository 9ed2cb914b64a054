"""Fake nodes by the thousand for a bed of profile `apiserver`: KWOK plays their kubelets.

Pods that the scheduler binds to them turn Running and Ready, and vanish when deleted; nothing is executed.
How, is said in kwok.yaml, KWOK's configuration.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.cluster import process
from e2e.cluster.layout import Layout
from e2e.cluster.readiness import Kubectl
from e2e.cluster.state import Facts, Journal

CONFIG = Path(__file__).parent / "kwok.yaml"
PROGRAM = "kwok"
LABEL = "rayctl-bed-fake-node"
ROOM: Mapping[str, str] = {"cpu": "16", "memory": "64Gi", "pods": "1000"}
LEASE_SECONDS = 40
READY_SECONDS = 120


def start_kwok(layout: Layout, facts: Facts) -> None:
    """Start KWOK unless it runs; it looks after nodes with our label only."""
    running = Journal(layout.journal).find_process(PROGRAM)
    if running is not None and process.is_alive(running):
        return
    arguments = [
        str(Path(facts.binaries) / PROGRAM),
        f"--kubeconfig={layout.kubeconfig}",
        f"--config={CONFIG}",
        f"--manage-nodes-with-label-selector={LABEL}",
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
        "--cidr=127.128.0.0/9",  # of the pods: nobody listens there, and nothing leaves the machine
    ]
    process.start(layout, PROGRAM, arguments)


def make_fake_nodes(cluster: Kubectl, layout: Layout, count: int) -> None:
    """See to it that `count` fake nodes are there and Ready."""
    kwok = Journal(layout.journal).find_process(PROGRAM)
    log = layout.logs / f"{PROGRAM}.log"
    nodes = [_fake_node(f"fake{number}") for number in range(1, count + 1)]
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=_listed(nodes), timeout=600)
    process.wait_until(
        lambda: _ready_count(cluster) >= count, f"{count} fake nodes are Ready", READY_SECONDS, kwok, log
    )


def _fake_node(name: str) -> Mapping[str, object]:
    labels = {LABEL: "true", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": ROOM, "capacity": ROOM},
    }


def _listed(items: Sequence[Mapping[str, object]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _ready_count(cluster: Kubectl) -> int:
    answer = cluster.kubectl("get", "nodes", "-l", LABEL, "--no-headers", check=False)
    return sum(line.split()[1] == "Ready" for line in answer.stdout.splitlines())

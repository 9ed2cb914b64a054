"""Gathers what explains a failed test: objects, container logs, the logs of components and nodes."""

import shutil
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

from e2e.cluster.interface import BedError
from e2e.cluster.layout import Layout
from e2e.cluster.readiness import Kubectl

QUESTIONS = {
    "pods.txt": ("get", "pods", "-A", "-o", "wide"),
    "pods.yaml": ("get", "pods", "-A", "-o", "yaml"),
    "pods-described.txt": ("describe", "pods", "-A"),
    "events.txt": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
    "nodes.txt": ("describe", "nodes"),
    "rayclusters.yaml": ("get", "rayclusters.cluster.ray.io", "-A", "-o", "yaml"),
    "leases.yaml": ("get", "leases", "-A", "-o", "yaml"),
}
SECONDS = 20  # for one question: a broken API server must not hold a failing test up


def gather_objects(cluster: Kubectl, into: Path) -> None:
    """Ask the API server what there is, and each pod for its logs; an answer that fails is written down too."""
    into.mkdir(parents=True, exist_ok=True)
    for file, question in QUESTIONS.items():
        (into / file).write_text(_ask(cluster, *question))
    pods = _ask(
        cluster,
        "get",
        "pods",
        "-A",
        "-o",
        'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}',
    )
    (into / "logs").mkdir(exist_ok=True)
    for line in pods.splitlines():
        match line.split():
            case [namespace, pod]:
                text = _ask(
                    cluster, "logs", "-n", namespace, pod, "--all-containers", "--prefix", "--tail=5000"
                )
                (into / "logs" / f"{namespace}.{pod}.log").write_text(text)


def gather_files(layout: Layout, into: Path) -> None:
    """Copy the logs of a local bed's components and nodes; needs no API server."""
    if layout.logs.exists():
        shutil.copytree(layout.logs, into / "components", dirs_exist_ok=True)
    for logs in layout.root.glob("nodes/*/pod-logs"):
        # Links lead to the files of restarted containers, which may be gone.
        target = into / "nodes" / logs.parent.name
        shutil.copytree(logs, target, symlinks=True, dirs_exist_ok=True)


def _ask(cluster: Kubectl, *question: str) -> str:
    try:
        answer: CompletedProcess[str] = cluster.kubectl(*question, check=False, timeout=SECONDS)
    except (TimeoutExpired, BedError) as error:
        return f"no answer: {error}\n"
    return answer.stdout + answer.stderr

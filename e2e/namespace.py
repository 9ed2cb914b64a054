"""A namespace of a test's own on a real API server without nodes: RayClusters in it, their pods, status, Events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import Cluster
from e2e.terminal import REPOSITORY

CRD = str(REPOSITORY / "crd" / "raycluster.yaml")
ESTABLISHED = (
    "wait",
    # With --for=condition=… kubectl gives up where there are no conditions yet.
    '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True',
    "crd/rayclusters.cluster.ray.io",
)
"""What to ask kubectl before the CRD is used that has just been applied."""
EXAMPLE = yaml.safe_load((REPOSITORY / "deploy" / "examples" / "example_cluster.yaml").read_text())


class Namespace:
    """A namespace, and what tests do there. ``kubeconfig`` is the operator's, ``folder`` is for its log."""

    def __init__(self, cluster: Cluster, name: str, folder: Path, kubeconfig: Path) -> None:
        self.cluster = cluster
        self.name = name
        self.folder = folder
        self.kubeconfig = kubeconfig

    def apply(self, name: str, **changes: Any) -> None:
        """Apply the example cluster under a name, with changes to its worker type."""
        document = json.loads(json.dumps(EXAMPLE))
        document["metadata"] = {"name": name}
        for pod_type in document["spec"]["podTypes"]:
            del pod_type["podConfig"]["metadata"]["generateName"]
        document["spec"]["podTypes"][1].update(changes)
        self.kubectl("apply", "-f", "-", stdin=json.dumps(document))

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in this namespace and return what it prints."""
        return self.cluster.kubectl("-n", self.name, *words, stdin=stdin, check=check).stdout

    def get(self, *words: str) -> Any:
        """Return what `kubectl get … -o json` answers."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def pods(self, cluster: str) -> list[dict[str, Any]]:
        """Return the pods of a Ray cluster that are not on their way out."""
        items = self.get("pods", "-l", f"ray-cluster-name={cluster}")["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def count(self, cluster: str, role: str) -> int:
        """Return how many pods of a role a Ray cluster has."""
        return sum(pod["metadata"]["labels"]["ray-node-type"] == role for pod in self.pods(cluster))

    def status(self, cluster: str) -> dict[str, Any]:
        """Return a RayCluster's status."""
        status: dict[str, Any] = self.get("rayclusters.cluster.ray.io", cluster).get("status", {})
        return status

    def condition(self, cluster: str, kind: str) -> dict[str, Any]:
        """Return one condition of a RayCluster, {} when it is not there."""
        conditions = self.status(cluster).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def report(self, pod: str, phase: str, *, ready: bool, ip: str = "10.0.0.1") -> None:
        """Write a pod's status as a kubelet would."""
        now = "2026-01-01T00:00:00Z"
        conditions = [
            {"type": kind, "status": str(ready), "lastTransitionTime": now}
            for kind in ("Ready", "ContainersReady")
        ]
        status = {"status": {"phase": phase, "podIP": ip, "conditions": conditions}}
        self.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps(status))

    def events(self, reason: str) -> list[dict[str, Any]]:
        """Return the Events of a reason."""
        return [event for event in self.get("events")["items"] if event["reason"] == reason]

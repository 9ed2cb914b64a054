"""A namespace on real nodes with an operator of its own, and what a test does there with a Ray cluster."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import yaml

from e2e.cluster import Cluster
from e2e.operator_process import install_rights, kubeconfig_of, wait_for
from e2e.terminal import REPOSITORY

CRD = str(REPOSITORY / "crd" / "raycluster.yaml")
IMAGE = "rayproject/ray:2.60.0"
SAID = "said: "
BEGIN = f"""\
import builtins, ray
print = lambda *said, **how: builtins.print({SAID!r}, *said, **how, flush=True)
ray.init("auto", log_to_driver=False, logging_level="ERROR")
"""
"""What each program begins with: Ray prints lines of its own, before and after what the program prints."""
READY_WITHIN = 180.0
"""Seconds: for Ray to start on a busy machine."""


def ray_pod(**container: Any) -> dict[str, Any]:
    """Return a small pod for Ray; keywords are fields of its container."""
    node = {
        "name": "ray-node",
        "image": IMAGE,
        "resources": {
            "requests": {"cpu": "300m", "memory": "512Mi"},
            "limits": {"memory": "2Gi"},
        },
    }
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [node | container]}}


def apart(kind: str = "") -> dict[str, object]:
    """Return an affinity that keeps a pod off the node of the cluster's DNS, and those of a type's pods."""
    host = "kubernetes.io/hostname"
    dns = {
        "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        "namespaces": ["kube-system"],
        "topologyKey": host,
    }
    others = {"labelSelector": {"matchLabels": {"ray-user-node-type": kind}}, "topologyKey": host}
    return {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [dns, others] if kind else [dns]
        }
    }


class Life:
    """One namespace; pods and Ray clusters in it by name."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.folder = folder
        cluster.kubectl("apply", "-f", CRD)
        install_rights(cluster, namespace)
        self.kubeconfig = kubeconfig_of(cluster, namespace, folder)

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace and return what it prints."""
        return self.cluster.kubectl("-n", self.namespace, *words, stdin=stdin, check=check).stdout

    def get(self, *words: str) -> Any:
        """Return what `kubectl get … -o json` answers."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def events(self, reason: str) -> list[str]:
        """Return the messages of the Events of a reason."""
        return [event["message"] for event in self.get("events")["items"] if event["reason"] == reason]


class Ray:
    """One Ray cluster: a head that runs no tasks, and one type of workers with 1 CPU each."""

    def __init__(self, life: Life, name: str, workers: int = 1, **spec: Any) -> None:
        self.life = life
        self.name = name
        self._numbers = count(1)
        head = {"name": "head", "rayResources": {"CPU": 0}, "podConfig": ray_pod()}
        small = {"name": "small", "minWorkers": workers, "rayResources": {"CPU": 1}, "podConfig": ray_pod()}
        self.document: dict[str, Any] = {
            "apiVersion": "cluster.ray.io/v1",
            "kind": "RayCluster",
            "metadata": {"name": name},
            "spec": {"headPodType": "head", "maxWorkers": 9, "podTypes": [head, small], **spec},
        }

    @property
    def small(self) -> dict[str, Any]:
        """The type of its workers, to be changed before :meth:`apply`."""
        found: dict[str, Any] = self.document["spec"]["podTypes"][1]
        return found

    @property
    def head_type(self) -> dict[str, Any]:
        """The head's type, to be changed before :meth:`apply`."""
        found: dict[str, Any] = self.document["spec"]["podTypes"][0]
        return found

    def apply(self) -> None:
        """Apply the document as it is now."""
        self.life.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(self.document))

    def start(self) -> None:
        """Apply it and wait until it runs."""
        self.apply()
        self.wait_running()

    def status(self) -> dict[str, Any]:
        """Return its status."""
        status: dict[str, Any] = self.life.get("rayclusters.cluster.ray.io", self.name).get("status", {})
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        """Return one of its conditions, {} when it is not there."""
        found = (one for one in self.status().get("conditions", []) if one["type"] == kind)
        return next(found, {})

    def pods(self, role: str = "") -> dict[str, dict[str, Any]]:
        """Return its pods by name, also those that are on their way out."""
        selector = f"ray-cluster-name={self.name}" + (f",ray-node-type={role}" if role else "")
        return {pod["metadata"]["name"]: pod for pod in self.life.get("pods", "-l", selector)["items"]}

    def live(self, role: str = "") -> dict[str, str]:
        """Return the ID of Ray's container of each pod that is not on its way out, '' while it has none."""
        return {
            name: (pod["status"].get("containerStatuses") or [{}])[0].get("containerID", "")
            for name, pod in self.pods(role).items()
            if "deletionTimestamp" not in pod["metadata"]
        }

    def types(self) -> Counter[str]:
        """Return how many workers of each type are not on their way out."""
        pods = (pod["metadata"] for pod in self.pods("worker").values())
        return Counter(pod["labels"]["ray-user-node-type"] for pod in pods if "deletionTimestamp" not in pod)

    def live_ready(self, role: str) -> int:
        """Return how many of its pods are ready and not on their way out."""
        pods = (pod for pod in self.pods(role).values() if "deletionTimestamp" not in pod["metadata"])
        conditions = (pod["status"].get("conditions", []) for pod in pods)
        return sum(
            {"Ready": "True"}.items() <= {c["type"]: c["status"] for c in of}.items() for of in conditions
        )

    def head(self) -> str:
        """Return the name of its head's pod."""
        (name,) = self.live("head")
        return name

    def wait_running(self) -> None:
        """Wait until it runs as its spec says."""
        wait_for(f"{self.name} runs", self.runs, READY_WITHIN)

    def runs(self) -> bool:
        """Whether it runs as its spec says."""
        resource = self.life.get("rayclusters.cluster.ray.io", self.name)
        status = resource.get("status", {})
        current = status.get("observedGeneration") == resource["metadata"]["generation"]
        return bool(current and status.get("phase") == "Running")

    def python(self, program: str) -> str:
        """Run a Python program on the head and return the last line that it prints."""
        words = ("exec", "-i", self.head(), "--", "python", "-")
        return last_line(self.life.kubectl(*words, stdin=BEGIN + program))

    def start_python(self, program: str) -> Program:
        """Start a Python program on the head."""
        words = ["kubectl", "-n", self.life.namespace, "exec", "-i", self.head(), "--", "python", "-"]
        with TemporaryFile("w+") as file:
            file.write(BEGIN + program)
            file.seek(0)
            printed = self.life.folder / f"{self.name}-{next(self._numbers)}.printed"
            with printed.open("wb") as sink:
                process = subprocess.Popen(
                    words,
                    env=dict(self.life.cluster.environment),
                    stdin=file,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                )
        return Program(process, printed)


class Program:
    """A program that runs on a head."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    def wait_until_it_says(self, words: str, timeout: float = 60) -> None:
        """Wait until it has printed ``words``, or has ended."""
        wait_for(
            f"the program says {words}",
            lambda: words in self.printed() or self._process.poll() is not None,
            timeout,
        )

    def printed(self) -> str:
        """Return what it has printed so far."""
        return self._output.read_text()

    def result(self, timeout: float = 120) -> str:
        """Wait for its end and return what it printed."""
        self._process.wait(timeout)
        return self.printed()

    def answer(self, timeout: float = 120) -> str:
        """Wait for its end and return the last line that it printed itself."""
        return last_line(self.result(timeout))


def last_line(printed: str) -> str:
    """Return the last line that a program printed itself, '' where there is none."""
    said = [line.removeprefix(SAID).strip() for line in printed.splitlines() if line.startswith(SAID)]
    return said[-1] if said else ""


def same_containers(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Return whether all of ``before`` still run, in the same containers."""
    return before.items() <= after.items()

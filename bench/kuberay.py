"""KubeRay, the competitor: its operator built from its Go module, and RayClusters as it takes them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.small_clusters import WORKERS, pod
from e2e.cluster import Cluster
from e2e.cluster.go import ensure_go
from e2e.cluster.interface import BedError
from e2e.cluster.layout import cache_directory
from e2e.cluster.progress import Progress
from e2e.operator_process import free_port, kubeconfig_of
from rayctl.api.document import Document, Json
from rayctl.kube.resource import Resource

MODULE = "github.com/ray-project/kuberay/ray-operator"
VERSION = "v1.6.2"
"""The newest that the module proxy gives out."""
RAYCLUSTERS = Resource("ray.io", "v1", "rayclusters")
TUNED = ("--reconcile-concurrency=10", "--qps=1000", "--burst=2000")
"""What its users raise for many clusters; as shipped it is one at a time, and 100 calls a second."""

_INIT_CONTAINERS = "ENABLE_INIT_CONTAINER_INJECTION"
"""Each of which asks for 200m CPU, so that fake nodes would be full before all pods are placed."""
_ACCOUNT = "kuberay-operator"
_HOME = "kuberay"


@dataclass(frozen=True, slots=True)
class KubeRay:
    """A program and its CRDs."""

    program: Path
    crds: Path

    def install(self, cluster: Cluster, folder: Path) -> Path:
        """Apply the CRDs, give a service account all rights, and return its kubeconfig."""
        cluster.kubectl(
            "create", "-f", str(self.crds)
        )  # `apply` would copy them into an annotation too small
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{RAYCLUSTERS}", "--timeout=60s")
        cluster.kubectl("create", "namespace", _HOME)
        cluster.kubectl("-n", _HOME, "create", "serviceaccount", _ACCOUNT)
        everything = ("--clusterrole=cluster-admin", f"--serviceaccount={_HOME}:{_ACCOUNT}")
        cluster.kubectl("create", "clusterrolebinding", _ACCOUNT, *everything)
        return kubeconfig_of(cluster, _HOME, folder, account=_ACCOUNT)

    @contextmanager
    def running(self, kubeconfig: Path, log: Path, flags: Sequence[str]) -> Iterator[int]:
        """Run the operator and yield its process ID."""
        addresses = [
            f"--{what}=127.0.0.1:{free_port()}" for what in ("metrics-addr", "health-probe-bind-address")
        ]
        command = [str(self.program), *addresses, f"--leader-election-namespace={_HOME}", *flags]
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), _INIT_CONTAINERS: "false"}
        with log.open("ab") as sink:
            process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


def user() -> str:
    """Return whom the API server takes its operator for."""
    return f"system:serviceaccount:{_HOME}:{_ACCOUNT}"


def document(name: str) -> Document:
    """Return a RayCluster of a head and three workers: the pods of :func:`bench.small_clusters.document`."""
    template: Json = {"spec": pod()["spec"]}
    workers: Json = {
        "groupName": "worker",
        "replicas": WORKERS,
        "minReplicas": WORKERS,
        "maxReplicas": WORKERS,
        "rayStartParams": {},
        "template": template,
    }
    spec: Document = {
        "headGroupSpec": {"rayStartParams": {}, "template": template},
        "workerGroupSpecs": [workers],
    }
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name}, "spec": spec}


def ensure_kuberay(progress: Progress) -> KubeRay:
    """Build the operator, unless it is there; some five minutes on two cores.

    Raises:
        BedError: the module cannot be had, or does not compile.
    """
    program = cache_directory() / "kuberay" / VERSION / "kuberay-operator"
    go = ensure_go(Path(__file__).parent.parent / "e2e" / "kubernetes" / "go.mod", progress)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    told = _run([str(go), "mod", "download", "-json", f"{MODULE}@{VERSION}"], environment, Path("/"))
    source = Path(json.loads(told)["Dir"])
    if not program.exists():
        draft = program.with_suffix(".draft")
        program.parent.mkdir(parents=True, exist_ok=True)
        with progress.step(f"build KubeRay {VERSION}; once, about five minutes on 2 cores"):
            _run(
                [str(go), "build", "-trimpath", "-buildvcs=false", "-o", str(draft), "."], environment, source
            )
        draft.replace(program)
    return KubeRay(program, source / "config" / "crd" / "bases")


def _run(command: Sequence[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BedError(f"{' '.join(command[:3])} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout

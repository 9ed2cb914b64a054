"""RayClusters for the tests of the CRD: one that is right, and ways to make it wrong or odd."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from e2e.terminal import REPOSITORY

EXAMPLES = REPOSITORY / "deploy" / "examples"
CORPUS = REPOSITORY.parent / "shared" / "corpus" / "legacy"

GONE = object()
"""As a value in :func:`changed`: the field is left out."""

LEGACY = """
apiVersion: cluster.ray.io/v1
kind: RayCluster
metadata:
  name: legacy
spec:
  maxWorkers: 4
  upscalingSpeed: 1.0
  idleTimeoutMinutes: 5
  headPodType: head
  workerDefaultPodType: small
  headStartRayCommands: [ray stop, "ulimit -n 65536; ray start --head --port=6379"]
  workerStartRayCommands: [ray stop, "ulimit -n 65536; ray start --address=$RAY_HEAD_IP:6379"]
  headServicePorts:
  - {name: client, port: 10002, targetPort: 10001}
  - {name: metrics, port: 9090, targetPort: metrics}
  podTypes:
  - name: head
    podConfig: &pod
      apiVersion: v1
      kind: Pod
      metadata: {generateName: legacy-ray-head-, labels: {team: a}}
      spec:
        restartPolicy: Never
        volumes: [{name: dshm, emptyDir: {medium: Memory}}]
        containers:
        - name: ray-node
          image: rayproject/ray:nightly
          imagePullPolicy: Always
          command: [/bin/bash, -c, --]
          args: ["trap : TERM INT; sleep infinity & wait;"]
          ports: [{containerPort: 6379}]
          volumeMounts: [{mountPath: /dev/shm, name: dshm}]
          resources: {requests: {cpu: 1000m, memory: 512Mi}, limits: {memory: 512Mi, nvidia.com/gpu: 1}}
  - name: small
    minWorkers: 2
    maxWorkers: 3
    rayResources: {Custom1: 1, GPU: 0}
    setupCommands: [pip install numpy]
    workerSetupCommands: [pip install numpy]
    podConfig: *pod
"""
"""All that the legacy CRDs knew, by our own hand: what is tested where real users' files are not at hand."""


def a_cluster() -> dict[str, Any]:
    """Return a small RayCluster that is right."""
    return {
        "apiVersion": "cluster.ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "demo"},
        "spec": {
            "headPodType": "head",
            "podTypes": [
                {"name": "head", "podConfig": _a_pod()},
                {"name": "cpu", "minWorkers": 1, "podConfig": _a_pod()},
            ],
        },
    }


def _a_pod() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "demo-"},
        "spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.60.0"}]},
    }


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy with one field set: ``spec.podTypes.1.name``; missing parents are made."""
    whole = copy.deepcopy(document)
    *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = whole
    for step in parents:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return whole


def accepted_files() -> Iterator[tuple[str, str]]:
    """Yield name and text of each RayCluster that must be taken as it is."""
    yield "all legacy fields", LEGACY
    page = (REPOSITORY / "docs" / "raycluster.md").read_text()
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL), start=1):
        yield f"docs/raycluster.md {number}", text
    for path in sorted(EXAMPLES.glob("*.yaml")):
        yield path.name, path.read_text()
    yield from _corpus()


def _corpus() -> Iterator[tuple[str, str]]:
    """Yield real users' files where they are at hand."""
    for path in sorted(Path(CORPUS).glob("*.yaml")):
        text = path.read_text()
        documents = [document for document in yaml.safe_load_all(text) if isinstance(document, dict)]
        if any(document.get("kind") == "RayCluster" for document in documents):
            yield path.name, text

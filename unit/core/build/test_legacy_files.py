"""Files as legacy operators took them are built; also the very files of users, where they are at hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rayctl.api.names import Role
from rayctl.api.raycluster import RayCluster, parse_cluster
from rayctl.core.build.pod import pod_template
from rayctl.core.build.service import head_service

REAL_FILES = Path(__file__).parents[4] / "shared/corpus/legacy"
SLEEP = "trap : TERM INT; sleep infinity & wait;"
FOLLOW = "trap : TERM INT; touch /tmp/raylogs; tail -f /tmp/raylogs; sleep infinity & wait;"


def in_the_manner_of(version: str) -> dict[str, Any]:
    """A RayCluster as the example files of that Ray version were written, in our own words."""
    early = version == "1.1"
    logs = " &> /tmp/raylogs" if version == "1.13" else ""

    def pod(prefix: str) -> dict[str, Any]:
        container = {
            "name": "ray-node",
            "image": "rayproject/ray:latest",
            "command": ["/bin/bash", "-c", "--"],
            "args": [FOLLOW if logs else SLEEP],
            "resources": {"requests": {"cpu": "1000m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}},
        }
        name = f"example-cluster-{prefix}" if early else prefix
        spec = {"restartPolicy": "Never", "containers": [container]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": name}, "spec": spec}

    options = "" if early else " --no-monitor"
    worker: dict[str, Any] = {
        "name": "worker-node",
        "minWorkers": 2,
        "maxWorkers": 3,
        "rayResources": {"foo": 1},
    }
    spec: dict[str, Any] = {
        "maxWorkers": 3,
        "headPodType": "head-node",
        "podTypes": [
            {"name": "head-node", "podConfig": pod("ray-head-")},
            {
                **worker,
                "podConfig": pod("ray-worker-"),
                **({"setupCommands": ["pip install x"]} if early else {}),
            },
        ],
        "headStartRayCommands": ["ray stop", f"ulimit -n 65536; ray start --head --port=6379{options}{logs}"],
        "workerStartRayCommands": [
            "ray stop",
            f"ulimit -n 65536; ray start --address=$RAY_HEAD_IP:6379{logs}",
        ],
    }
    if early:
        spec["workerDefaultPodType"] = "worker-node"
    return {"kind": "RayCluster", "metadata": {"name": "example-cluster"}, "spec": spec}


def documents() -> list[Any]:
    cases = [
        pytest.param(in_the_manner_of(version), id=f"as for Ray {version}")
        for version in ("1.1", "1.4", "1.13")
    ]
    for file in sorted(REAL_FILES.glob("*.yaml")):
        found = (each for each in yaml.safe_load_all(file.read_text()) if each)
        cases += [pytest.param(each, id=file.name) for each in found if each.get("kind") == "RayCluster"]
    return cases


def as_the_server_has_it(document: dict[str, Any]) -> RayCluster:
    metadata = {**document["metadata"], "namespace": "ray", "uid": "uid"}
    return parse_cluster({**document, "metadata": metadata})


@pytest.mark.parametrize("document", documents())
def test_each_pod_of_the_file_starts_ray(document: dict[str, Any]) -> None:
    cluster = as_the_server_has_it(document)

    for pod_type in cluster.pod_types:
        role = Role.HEAD if pod_type is cluster.head else Role.WORKER
        manifest: dict[str, Any] = pod_template(cluster, pod_type, role).manifest(0, 0)
        container = manifest["spec"]["containers"][0]
        words = " ".join(container["args"])

        assert "sleep infinity" not in words
        assert "tail -f" not in words
        assert "ray start" in container["args"][-1]
        assert ("--no-monitor" in words) == (role is Role.HEAD)
        assert manifest["metadata"]["name"].startswith(f"{cluster.key.name}-")
        assert not manifest["metadata"]["name"].startswith(f"{cluster.key.name}-{cluster.key.name}-")
        assert container["image"] == pod_type.pod["spec"]["containers"][0]["image"]  # type: ignore[index,call-overload]


@pytest.mark.parametrize("document", documents())
def test_its_service_leads_to_the_port_that_workers_ask(document: dict[str, Any]) -> None:
    manifest: dict[str, Any] = head_service(as_the_server_has_it(document))

    ports = {port["name"]: port["port"] for port in manifest["spec"]["ports"]}
    assert ports == {"client": 10001, "dashboard": 8265, "ray-serve": 8000, "gcs": 6379, "metrics": 8080}

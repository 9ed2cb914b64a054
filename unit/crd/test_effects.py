"""What the documentation says that an edit restarts is what it restarts."""

from typing import Any

import pytest

from crd.effects import EFFECTS, Effect
from rayctl.api.names import Role, TypeName
from rayctl.api.raycluster import RayCluster, parse_cluster
from rayctl.core.build.fingerprint import fingerprint
from rayctl.core.build.service import service_fingerprint
from unit.builders import a_cluster_document, a_pod_config

EDITS: dict[str, Any] = {
    "spec.maxWorkers": 7,
    "spec.upscalingSpeed": 3.0,
    "spec.idleTimeoutMinutes": 1,
    "spec.headServicePorts": [{"name": "extra", "port": 99, "targetPort": 99}],
    "spec.headService": {"type": "NodePort"},
    "spec.scaleStrategy": {"workersToDelete": ["one"]},
    "spec.auth": {"mode": "token", "secretName": "token"},
    "spec.upgradeStrategy": {"type": "Recreate"},
    "spec.drainTimeoutSeconds": 1,
    "spec.joinTimeoutSeconds": 1,
    "spec.ttlSecondsAfterIdle": 1,
    "spec.headSetupCommands": ["true"],
    "spec.workerSetupCommands": ["true"],
    "spec.headStartRayCommands": ["ray start --head"],
    "spec.workerStartRayCommands": ["ray start"],
    "spec.workerDefaultPodType": "x",
    "spec.podTypes[].minWorkers": 1,
    "spec.podTypes[].maxWorkers": 1,
    "spec.podTypes[].rayResources": {"CPU": 9},
    "spec.podTypes[].setupCommands": ["true"],
    "spec.podTypes[].workerSetupCommands": ["true"],
    "spec.podTypes[].labels": {"zone": "a"},
    "spec.podTypes[].numOfHosts": 4,
    "spec.podTypes[].priority": 3,
    "spec.podTypes[].idleTimeoutSeconds": 3,
    "spec.podTypes[].upgradeStrategy": {"type": "Recreate"},
    "spec.podTypes[].podConfig": a_pod_config(image="another"),
}
DECIDED_OTHERWISE = {"spec.headPodType", "spec.podTypes", "spec.suspend", "spec.podTypes[].name"}
"""By what there is, not by a digest: unit/core/reconcile holds the pass to these."""


def test_every_field_has_an_edit() -> None:
    assert EDITS.keys() | DECIDED_OTHERWISE == EFFECTS.keys()


@pytest.mark.parametrize("path", EDITS)
def test_an_edit_of(path: str) -> None:
    before, document = parse_cluster(a_cluster_document()), a_cluster_document()
    *_, field = path.split(".")
    (document["spec"]["podTypes"][1] if "[]" in path else document["spec"])[field] = EDITS[path]

    changed = changes(before, parse_cluster(document))

    assert (
        changed
        == {
            Effect.NOTHING: set(),
            Effect.SERVICE: {"service"},
            Effect.PODS: {"workers"},
            Effect.WORKERS: {"workers"},
            Effect.CLUSTER: {"head"},
        }[EFFECTS[path]]
    )


def changes(before: RayCluster, after: RayCluster) -> set[str]:
    """What of a cluster has another digest."""

    def digests(cluster: RayCluster) -> set[tuple[str, str]]:
        worker = cluster.find_type(TypeName("worker-node"))
        assert worker is not None
        return {
            ("head", fingerprint(cluster, cluster.head, Role.HEAD)),
            ("workers", fingerprint(cluster, worker, Role.WORKER)),
            ("service", service_fingerprint(cluster)),
        }

    return {what for what, _ in digests(before) - digests(after)}

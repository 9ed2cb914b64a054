"""The environment of a Ray pod's container 0: what Ray must know of its pod, and the operator of Ray.

Which variable does what, and in which process: Ray's C++ ``ray_config_def.h`` and Python's ``ray_constants``,
as measured with Ray 2.60 (docs/raycluster.md, "Environment").
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from rayctl.api.auth import TOKEN_KEY
from rayctl.api.document import Document, Reader
from rayctl.api.names import LABEL_HOST_INDEX, LABEL_SLICE, Role, head_service_name
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.core.build.command import for_kubelet
from rayctl.core.build.resources import TPU, offered_resources, override_text, wants

DRAIN_TIMEOUT = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"


def environment(cluster: RayCluster, pod_type: PodType, role: Role, drain_seconds: int) -> list[Document]:
    """Return our variables as entries of ``env``: they are to stand before the user's, who may refer to them.

    ``drain_seconds`` is how long a worker that is told to end waits for its running tasks.
    """
    variables = {
        "RAY_NODE_TYPE_NAME": pod_type.name,
        "RAY_OVERRIDE_RESOURCES": override_text(offered_resources(pod_type)),
        # Said outright, as Ray turns authentication on by itself where it finds a token.
        "RAY_AUTH_MODE": cluster.auth.mode.value,
        DRAIN_TIMEOUT: str(drain_seconds),
    }
    if pod_type.labels:
        # Unlike --labels it reaches Ray whatever command starts it.
        variables["RAY_OVERRIDE_LABELS"] = json.dumps(dict(sorted(pod_type.labels.items())))
    match role:
        case Role.HEAD:
            # Without it Ray keeps request_resources() from autoscalers that aren't its own.
            variables["RAY_enable_autoscaler_v2"] = "1"
            variables["RAY_gcs_pull_resource_loads_period_milliseconds"] = str(_pull_period(cluster))
        case Role.WORKER:
            variables["RAY_HEAD_IP"] = head_service_name(cluster.key.name)
    # The pod's name joins Ray's node with its pod. The pod itself knows it, so all of a type are alike.
    entries = [_of_the_pod("RAY_CLOUD_INSTANCE_ID", "metadata.name")]
    if secret := cluster.auth.token_secret:
        reference: Document = {"secretKeyRef": {"name": secret, "key": TOKEN_KEY}}
        entries.append({"name": "RAY_AUTH_TOKEN", "valueFrom": reference})
    if role is Role.WORKER and pod_type.hosts > 1:
        entries += _of_the_slice(cluster, pod_type)
    entries += [{"name": name, "value": for_kubelet(value)} for name, value in variables.items()]
    return entries


def _of_the_pod(name: str, path: str) -> Document:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _of_the_slice(cluster: RayCluster, pod_type: PodType) -> list[Document]:
    """Return what tells a host which one of which slice it is: for anyone, and where it has TPUs for Ray.

    Ray labels its nodes with the name of their TPU slice, and libtpu and JAX go by the worker's ID.
    """
    entries = [
        _of_the_pod("RAY_SLICE_INDEX", f"metadata.labels['{LABEL_SLICE}']"),
        _of_the_pod("RAY_HOST_INDEX", f"metadata.labels['{LABEL_HOST_INDEX}']"),
    ]
    if wants(pod_type, TPU):
        name = for_kubelet(f"{cluster.key.name}-{pod_type.name}")
        entries += [
            {"name": "TPU_NAME", "value": f"{name}-$(RAY_SLICE_INDEX)"},
            {"name": "TPU_WORKER_ID", "value": "$(RAY_HOST_INDEX)"},
        ]
    return entries


def find_variable(container: Reader, name: str) -> str | None:
    """Return the value that the user wrote for a variable, or None where there is none."""
    entries = (entry for entry in container.each("env") if entry.value.get("name") == name)
    return next((entry.text("value") for entry in entries if "value" in entry.value), None)


def _pull_period(cluster: RayCluster) -> int:
    """Return how often, in ms, the GCS asks the nodes for their demand: the more nodes, the more rarely.

    Demand is seen half a period late on average; a node costs the GCS about 0.1 % of a core at 250 ms.
    """
    workers = min(cluster.max_workers, sum(map(cluster.max_of, cluster.pod_types)))
    return 250 if workers <= 100 else 500 if workers <= 250 else 1000


def names(entries: Iterable[Reader]) -> frozenset[str]:
    """Return the names of the variables that a container's ``env`` sets."""
    return frozenset(entry.text("name") for entry in entries)

"""What all objects of a cluster have in common: whose they are, and the labels that people select on."""

from __future__ import annotations

from rayctl.api.document import Document
from rayctl.api.names import (
    API_VERSION,
    KIND,
    LABEL_CLUSTER,
    LABEL_COMPONENT,
    LABEL_NODE_NAME,
    LABEL_POD_TYPE,
    LABEL_ROLE,
    Role,
    head_service_name,
)
from rayctl.api.raycluster import PodType, RayCluster

_MAX_LABEL = 63


def owner_reference(cluster: RayCluster) -> Document:
    """Return the reference that lets Kubernetes delete an object with its cluster."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": cluster.key.name,
        "uid": cluster.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_labels(cluster: RayCluster, pod_type: PodType, role: Role) -> Document:
    """Return the labels of a pod, as the legacy operators set them."""
    name = cluster.key.name
    labels: Document = {
        LABEL_CLUSTER: name,
        LABEL_ROLE: role.value,
        LABEL_NODE_NAME: f"ray-{name}-{role}"[:_MAX_LABEL],
        LABEL_POD_TYPE: pod_type.name,
    }
    if role is Role.HEAD:
        labels[LABEL_COMPONENT] = head_service_name(name)
    return labels

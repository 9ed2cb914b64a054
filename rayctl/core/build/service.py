"""The Service in front of a head: how workers find the GCS, and people the client, dashboard and Serve."""

from __future__ import annotations

from rayctl.api.document import Document, Json
from rayctl.api.names import (
    ANNOTATION_FINGERPRINT,
    CLIENT_PORT,
    DASHBOARD_PORT,
    LABEL_CLUSTER,
    LABEL_COMPONENT,
    LABEL_HEAD_INCARNATION,
    METRICS_PORT,
    SERVE_PORT,
    head_service_name,
)
from rayctl.api.raycluster import RayCluster, ServicePort
from rayctl.core.build.fingerprint import digest
from rayctl.core.build.metadata import owner_reference
from rayctl.core.build.ray_start import gcs_port

_DEFAULTS = (
    ServicePort("client", CLIENT_PORT, CLIENT_PORT),
    ServicePort("dashboard", DASHBOARD_PORT, DASHBOARD_PORT),
    ServicePort("ray-serve", SERVE_PORT, SERVE_PORT),
)


def head_service(cluster: RayCluster, incarnation: int = 0) -> Document:
    """Return the manifest of the Service of the head of that incarnation, its fingerprint in annotations."""
    metadata, spec = _metadata(cluster), _spec(cluster, incarnation)
    metadata["annotations"] = {
        **cluster.head_service.annotations,
        ANNOTATION_FINGERPRINT: service_fingerprint(cluster, incarnation),
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def service_fingerprint(cluster: RayCluster, incarnation: int = 0) -> str:
    """Return what the annotation of an up-to-date Service says."""
    content = {"metadata": _metadata(cluster), "spec": _spec(cluster, incarnation)}
    if annotations := cluster.head_service.annotations:
        content["annotations"] = dict(annotations)
    return digest(content)


def service_ports(cluster: RayCluster) -> tuple[ServicePort, ...]:
    """Return the Service's ports: the defaults in their order, what the user adds, then ours.

    A user's port replaces the default of its name; a port of ours or a default one yields to a user's of the
    same number, since a Service can have it only once. The GCS's is there whatever a user calls his: workers
    need it.
    """
    users = {port.name: port for port in cluster.service_ports}
    taken = {port.port for port in users.values()}
    gcs = gcs_port(cluster)
    gcs_name = "ray-gcs" if "gcs" in users and gcs not in taken else "gcs"
    ours = (*_DEFAULTS, ServicePort(gcs_name, gcs, gcs), ServicePort("metrics", METRICS_PORT, METRICS_PORT))
    ports = {port.name: port for port in ours if port.name in users or port.port not in taken} | users
    own_names = {gcs_name, "metrics"} - users.keys()
    return (
        *(port for port in ports.values() if port.name not in own_names),
        *(port for port in ports.values() if port.name in own_names),
    )


def _metadata(cluster: RayCluster) -> Document:
    return {
        "name": head_service_name(cluster.key.name),
        "namespace": cluster.key.namespace,
        "labels": {LABEL_CLUSTER: cluster.key.name},
        "ownerReferences": [owner_reference(cluster)],
    }


def _spec(cluster: RayCluster, incarnation: int) -> Document:
    return {
        "type": cluster.head_service.type.value,
        "selector": {
            LABEL_COMPONENT: head_service_name(cluster.key.name),
            LABEL_HEAD_INCARNATION: str(incarnation),
        },
        # Workers need the GCS seconds before the head is ready, which waits for its own node.
        "publishNotReadyAddresses": True,
        "ports": [_port_document(port) for port in service_ports(cluster)],
    }


def _port_document(port: ServicePort) -> dict[str, Json]:
    return {"name": port.name, "port": port.port, "targetPort": port.target, "protocol": "TCP"}

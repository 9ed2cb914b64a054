"""Every name that Kubernetes sees of us: resource, labels, annotations, ports, pods.

Pod names are a function of what the pod is for, so that a create that is repeated, by whomever and for
whatever reason, meets the first one's pod instead of making a second (docs/adr/0003-deterministic-names.md).
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import NamedTuple, NewType

GROUP = "cluster.ray.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "RayCluster"
PLURAL = "rayclusters"
SINGULAR = "raycluster"

MANAGER = "rayctl"
"""Field manager of our writes and ``reportingComponent`` of our Events."""

# Labels that the legacy operators set and that people select on.
LABEL_CLUSTER = "ray-cluster-name"
LABEL_ROLE = "ray-node-type"
LABEL_NODE_NAME = "ray-node-name"
LABEL_POD_TYPE = "ray-user-node-type"
LABEL_COMPONENT = "cluster.ray.io/component"

LABEL_HEAD_INCARNATION = "cluster.ray.io/head-incarnation"
"""On the head: which one it is. The Service selects by it: an earlier head that hangs, or is about to end,
must not be taken for Ray by workers of the next."""

NODE_GROUP = "ray.io/node-group"
"""The label that Ray puts on each of its nodes from RAY_NODE_TYPE_NAME."""

LABEL_LEADER = "cluster.ray.io/leader"
"""On the operator's own pods: ``"true"`` on the one that leads."""

LABEL_SLICE = "cluster.ray.io/slice"
LABEL_HOST_INDEX = "cluster.ray.io/host-index"
"""On workers of a type of several hosts: the number of their slice among the type's, and theirs in it."""

ANNOTATION_HOSTS = "cluster.ray.io/hosts"
"""On the same: how many hosts their slice has, whatever the spec says by now."""

ANNOTATION_ORDINAL = "cluster.ray.io/ordinal"
ANNOTATION_INCARNATION = "cluster.ray.io/incarnation"
ANNOTATION_FINGERPRINT = "cluster.ray.io/fingerprint"
"""On pods: digest of the user's input for this type; on the Service: of the manifest that we applied."""

ANNOTATION_SESSION = "cluster.ray.io/session"
"""On workers: the life of the head that they were made for. Ray's state dies with its head's processes."""

ANNOTATION_RESTART = "cluster.ray.io/restart"
"""On pods: digest of the restart marks that their cluster had when they were made; '' where it had none."""

ANNOTATION_RESTARTED_AT = "cluster.ray.io/restartedAt"
"""On a RayCluster: a change of it restarts the whole cluster. On one of its pods: replace this pod."""
PREFIX_TYPE_RESTARTED_AT = "restarted-at.cluster.ray.io/"
"""On a RayCluster, with a pod type's name after it: a change restarts the pods of that type."""

GCS_PORT = 6379
CLIENT_PORT = 10001
DASHBOARD_PORT = 8265
SERVE_PORT = 8000
METRICS_PORT = 8080
AGENT_PORT = 52365

Uid = NewType("Uid", str)
TypeName = NewType("TypeName", str)
PodName = NewType("PodName", str)


class Role(StrEnum):
    """What a pod is in its Ray cluster; the value of the label ``ray-node-type``."""

    HEAD = "head"
    WORKER = "worker"


class ClusterKey(NamedTuple):
    """A RayCluster's namespace and name: what queues, caches and logs know it by."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class PodKind(NamedTuple):
    """What pods are alike in. The head's type may have workers besides."""

    role: Role
    pod_type: TypeName


class Slot(NamedTuple):
    """The place that a pod fills: role, type, and ordinal (from 0) among the pods of that role and type."""

    role: Role
    pod_type: TypeName
    ordinal: int

    @property
    def kind(self) -> PodKind:
        """Its role and type."""
        return PodKind(self.role, self.pod_type)


_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own for generated names: no vowels, hence no words
_SUFFIX_LENGTH = 5
_MAX_NAME = 63  # a pod's name is its host name


def pod_name(prefix: str, cluster: Uid, slot: Slot, incarnation: int) -> PodName:
    """Return the name of the pod that fills ``slot`` for the ``incarnation``-th time.

    ``prefix`` ends in ``-``; it is cut where the whole would exceed 63 characters. The suffix is five
    characters of a SHA-256 over the cluster's UID, role, type, ordinal and incarnation, so another cluster of
    the same name gives other names.
    """
    seed = "\x00".join((cluster, slot.role, slot.pod_type, str(slot.ordinal), str(incarnation)))
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
    suffix = ""
    for _ in range(_SUFFIX_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        suffix += _ALPHABET[digit]
    return PodName(prefix[: _MAX_NAME - _SUFFIX_LENGTH] + suffix)


def pod_name_prefix(cluster_name: str, role: Role, generate_name: str) -> str:
    """Return what a pod's name begins with: ``generateName``, after ``<cluster>-`` where it lacks that.

    Operators up to Ray 1.3 took generateName as it was, later ones always put the cluster's name in front;
    both kinds of files come out as their authors meant them.
    """
    own = f"{cluster_name}-"
    if not generate_name:
        return f"{own}ray-{role}-"
    return generate_name if generate_name.startswith(own) else own + generate_name


def head_service_name(cluster_name: str) -> str:
    """Return the name of the Service in front of the head; also the value of the head's component label."""
    return f"{cluster_name}-ray-head"

"""Pods of a type: made once as a template, stamped out as often as there are pods.

What the user wrote comes out as it was but for container 0, which starts Ray, and the metadata that make the
pod ours. Stamping shares all but the metadata, so manifests must not be changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from rayctl.api.document import Document, Json, Reader
from rayctl.api.names import (
    ANNOTATION_FINGERPRINT,
    ANNOTATION_HOSTS,
    ANNOTATION_INCARNATION,
    ANNOTATION_ORDINAL,
    ANNOTATION_RESTART,
    ANNOTATION_SESSION,
    LABEL_COMPONENT,
    LABEL_HEAD_INCARNATION,
    LABEL_HOST_INDEX,
    LABEL_SLICE,
    PodName,
    Role,
    Slot,
    TypeName,
    Uid,
    head_service_name,
    pod_name,
    pod_name_prefix,
)
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.core.build.command import ray_command
from rayctl.core.build.environment import DRAIN_TIMEOUT, environment, find_variable, names
from rayctl.core.build.fingerprint import fingerprint, restart_mark
from rayctl.core.build.metadata import owner_reference, pod_labels
from rayctl.core.build.ray_start import agent_port
from rayctl.core.build.ray_version import HEALTH_OF_ALL, image_version, is_older

_DRAIN_SECONDS = 30
_LONGEST_DRAIN = 86_400
_STOP_SECONDS = 15
"""What ending takes after the drain: up to 5 s for the raylet, 1 s for the GCS, more on a slow machine."""


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """All that the pods of one type and role have in common."""

    prefix: str
    fingerprint: str
    _cluster: Uid
    _role: Role
    _pod_type: TypeName
    _pod: Document
    _metadata: Document
    _annotations: Document
    _hosts: int

    def name(self, ordinal: int, incarnation: int) -> PodName:
        """Return the name of the pod that fills the ordinal's place for the ``incarnation``-th time."""
        return pod_name(self.prefix, self._cluster, Slot(self._role, self._pod_type, ordinal), incarnation)

    def manifest(self, ordinal: int, incarnation: int, session: str = "") -> Document:
        """Return the pod to create; ``session`` is the head's that a worker is made for.

        Parts of it are shared with other manifests: read only.
        """
        annotations = self._annotations | {
            ANNOTATION_ORDINAL: str(ordinal),
            ANNOTATION_INCARNATION: str(incarnation),
        }
        if session:
            annotations[ANNOTATION_SESSION] = session
        if self._hosts > 1:
            annotations[ANNOTATION_HOSTS] = str(self._hosts)
        metadata = self._metadata | {"name": self.name(ordinal, incarnation), "annotations": annotations}
        labels = self._metadata["labels"]
        if self._role is Role.HEAD and isinstance(labels, dict):
            metadata["labels"] = labels | {LABEL_HEAD_INCARNATION: str(incarnation)}
        elif self._hosts > 1 and isinstance(labels, dict):
            number, index = divmod(ordinal, self._hosts)
            metadata["labels"] = labels | {LABEL_SLICE: str(number), LABEL_HOST_INDEX: str(index)}
        return self._pod | {"metadata": metadata}


def pod_template(cluster: RayCluster, pod_type: PodType, role: Role) -> PodTemplate:
    """Return the template for the pods of a type in one role (a head's type may have workers as well)."""
    print_of_type = fingerprint(cluster, pod_type, role)
    pod = Reader(pod_type.pod)
    given = pod.inner("metadata")
    metadata = {key: value for key, value in given.value.items() if key != "generateName"}
    references = given.value.get("ownerReferences")
    metadata |= {
        "namespace": cluster.key.namespace,
        "labels": _labels(given.mapping("labels"), cluster, pod_type, role),
        "ownerReferences": [owner_reference(cluster), *(references if isinstance(references, list) else [])],
    }
    return PodTemplate(
        prefix=pod_name_prefix(cluster.key.name, role, pod_type.generate_name),
        fingerprint=print_of_type,
        _cluster=cluster.uid,
        _role=role,
        _pod_type=pod_type.name,
        _pod={"apiVersion": "v1", "kind": "Pod"} | pod_type.pod | {"spec": _spec(cluster, pod_type, role)},
        _metadata=metadata,
        _annotations=given.mapping("annotations")
        | {
            ANNOTATION_FINGERPRINT: print_of_type,
            ANNOTATION_RESTART: restart_mark(cluster, pod_type.name),
        },
        _hosts=pod_type.hosts if role is Role.WORKER else 1,
    )


def _labels(given: Document, cluster: RayCluster, pod_type: PodType, role: Role) -> Document:
    """Return the user's labels and ours. What the head's Service selects by is on no worker."""
    heads = head_service_name(cluster.key.name)
    kept = {key: value for key, value in given.items() if (key, value) != (LABEL_COMPONENT, heads)}
    return kept | pod_labels(cluster, pod_type, role)


def _spec(cluster: RayCluster, pod_type: PodType, role: Role) -> Document:
    spec = Reader(pod_type.pod).inner("spec")
    containers = spec.value.get("containers")
    first = spec.each("containers")[0]
    grace, drain = _seconds_to_end(spec, first)
    rest = containers[1:] if isinstance(containers, list) else []
    defaults: Document = {"restartPolicy": "Never", "terminationGracePeriodSeconds": grace}
    # Null is what a template leaves of an empty field.
    given = {key: value for key, value in spec.value.items() if value is not None or key not in defaults}
    return defaults | given | {"containers": [_container(cluster, pod_type, role, drain), *rest]}


def _container(cluster: RayCluster, pod_type: PodType, role: Role, drain_seconds: int) -> Document:
    container = Reader(pod_type.pod).inner("spec").each("containers")[0]
    given = container.value.get("env")
    users: list[Json] = given if isinstance(given, list) else []
    taken = names(container.each("env"))
    ours = environment(cluster, pod_type, role, drain_seconds)
    out = dict(container.value)
    out["env"] = [*(entry for entry in ours if entry["name"] not in taken), *users]
    probed = "readinessProbe" not in out and "startupProbe" not in out
    port = agent_port(cluster, role) if probed else None
    if command := ray_command(cluster, pod_type, role, port):
        out["command"], out["args"] = list(command.command), list(command.args)
    if port is not None:
        out |= _probes(port, pod_type, role)
    return out


def _probes(port: int, pod_type: PodType, role: Role) -> Document:
    """Return probes of Ray's agent, which asks the raylet and on the head the GCS, too, where it can.

    A readiness probe every second would cost the GCS of a thousand nodes a thousand calls a second. So a
    startup probe looks that often, and for as long as set-up may take: it never gives up. Once it
    succeeds, the kubelet asks the other one at once.
    """
    whole = role is Role.HEAD and not is_older(image_version(pod_type), HEALTH_OF_ALL)
    path = "/api/healthz" if whole else "/api/local_raylet_healthz"
    ask: Document = {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**ask, "periodSeconds": 1, "failureThreshold": 2**31 - 1},
        "readinessProbe": {**ask, "periodSeconds": 10, "failureThreshold": 3},
    }


def _seconds_to_end(spec: Reader, container: Reader) -> tuple[int, int]:
    """Return how long the pod has to end and how much of that is for tasks: the user's, or fitting."""
    try:
        given = Decimal(find_variable(container, DRAIN_TIMEOUT) or _DRAIN_SECONDS)
        # Compared first: a number of a million digits takes int() for ever.
        drain = int(given) if 0 <= given <= _LONGEST_DRAIN else _DRAIN_SECONDS
    except InvalidOperation:
        drain = _DRAIN_SECONDS
    match spec.value.get("terminationGracePeriodSeconds"):
        case int() as grace:  # a negative one counts as 1
            return grace, min(max(0, grace - _STOP_SECONDS), _LONGEST_DRAIN)
        case _:
            return drain + _STOP_SECONDS, drain

"""What is wrong with the names in a RayCluster: its own, its pod types', those of what they offer to Ray.

The CRD's rules say the same; objects that are older than those have only these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rayctl.api.document import Reader, shown
from rayctl.api.names import NODE_GROUP, TypeName, head_service_name

LONGEST_NAME = 63 - len(head_service_name(""))
"""Of a RayCluster: its head's Service is called after it, and has a DNS label for a name."""

MOST_RESOURCES = 256
"""Of a pod type; Ray is told of them in an environment variable, and Linux limits its length."""

MOST_LABELS = 64
"""Of a pod type's Ray nodes."""

_LONGEST_RESOURCE = 253
_CLUSTER = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_RULE = "write letters, digits, '-', '_' and '.', the first and last a letter or digit, 63 at most"


def check_cluster_name(metadata: Reader) -> None:
    """Note what is wrong with a RayCluster's name. The API server sees to it that there is one."""
    name = metadata.text("name")
    if name and (len(name) > LONGEST_NAME or not _CLUSTER.fullmatch(name)):
        metadata.wrong(
            "name",
            f"the head's Service would be called {shown(head_service_name(name))}, which no Service may be",
            f"make it anew under a name that begins with a letter, of a-z, 0-9 and '-', "
            f"{LONGEST_NAME} at most",
        )


def check_types(spec: Reader, head_type: TypeName, names: Sequence[TypeName]) -> None:
    """Note what is wrong with the names of ``spec.podTypes``, and with ``spec.headPodType``."""
    if not names:
        spec.wrong("podTypes", "there is no pod type", "add one for the head")
    known: set[TypeName] = set()
    for index, name in enumerate(names):
        path = f"podTypes[{index}].name"
        if not name:
            spec.wrong(path, "a pod type without a name", "give it one")
        elif name in known:
            spec.wrong(path, f"{shown(name)} is there already", "give each type a name of its own")
        elif not _LABEL_VALUE.fullmatch(name):
            spec.wrong(path, f"{shown(name)} cannot be a pod's label, which it becomes", _LABEL_RULE)
        known.add(name)
    if head_type not in known:
        have = ", ".join(name for name in names[:10] if _LABEL_VALUE.fullmatch(name)) or "none"
        spec.wrong(
            "headPodType", f"no pod type is called {shown(head_type)}", f"name one of spec.podTypes: {have}"
        )


def check_resource_names(pod_type: Reader) -> None:
    """Note what is wrong with the names in a pod type's ``rayResources``."""
    resources = pod_type.inner("rayResources")
    if len(resources.value) > MOST_RESOURCES:
        problem = f"{len(resources.value)} resources are more than the {MOST_RESOURCES} that there may be"
        pod_type.wrong("rayResources", problem, "name those that tasks ask for")
    for name in resources.value:
        if not name:
            resources.wrong('""', "a resource without a name", "give it a name")
        elif len(name) > _LONGEST_RESOURCE:
            resources.wrong(name, f"a name of more than {_LONGEST_RESOURCE} characters", "shorten it")


def check_node_labels(pod_type: Reader) -> None:
    """Note what is wrong with a pod type's ``labels``, which follow the rules of Kubernetes' labels."""
    labels = pod_type.inner("labels")
    if len(labels.value) > MOST_LABELS:
        problem = f"{len(labels.value)} labels are more than the {MOST_LABELS} that there may be"
        pod_type.wrong("labels", problem, "name those that tasks select by")
    for key, value in labels.value.items():
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_VALUE.fullmatch(name) or (slash and not _LABEL_PREFIX.fullmatch(prefix)):
            fix = f"{_LABEL_RULE}; in front of it may stand a domain and '/'"
            labels.wrong(shown(key), "it cannot be the name of a label", fix)
        elif key == NODE_GROUP:
            labels.wrong(key, "Ray's nodes have their pod type's name there", "take it away")
        elif isinstance(value, str) and value and not _LABEL_VALUE.fullmatch(value):
            labels.wrong(key, f"{shown(value)} cannot be a label's value", _LABEL_RULE)

"""The schema of ``podConfig``: a Pod of which little is said, so that all of it passes.

Kubernetes' own schema of a Pod is 100 times as long, and old on the day that Kubernetes has a new field.
Here only what every pod needs is declared, and what people mistype most; the rest is kept unread, and judged
by the API server when the pod is made.
"""

from __future__ import annotations

from crd.schema import Rule, words
from rayctl.api.document import Document

# A string must be a quantity; a bare number (cpu: 0.5) is one already, and 'pattern' does not look at it.
_QUANTITY: Document = {
    "x-kubernetes-preserve-unknown-fields": True,
    "pattern": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
}
_QUANTITIES: Document = {"type": "object", "additionalProperties": _QUANTITY}

_CONTAINER: Document = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "required": ["name", "image"],
    "properties": {
        "name": {"type": "string"},
        "image": {
            "description": "An image with Ray in it, such as rayproject/ray:2.60.0; the same Ray and Python "
            "version for all types.",
            "type": "string",
        },
        "resources": {
            "description": words("""
                What Ray offers is taken from the first container: CPUs and GPUs from the smaller of request
                and limit, rounded up; memory 70 % of the smaller, as 30 % are the object store's.
                rayResources wins.
            """),
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"limits": _QUANTITIES, "requests": _QUANTITIES},
        },
    },
}

_NOT_EMPTY = Rule(
    holds="self.size() > 0",
    message="there is no container; add one that has Ray in its image",
)

_SPEC: Document = {
    "description": "Every field of a Pod's spec; see: kubectl explain pod.spec",
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "required": ["containers"],
    "properties": {
        "containers": {
            "description": words("""
                Ray runs in the first one; others run beside it. The commands of the first are run before Ray
                starts, up to a keep-alive such as "sleep infinity", which is no longer needed.
            """),
            "type": "array",
            "items": _CONTAINER,
            "x-kubernetes-validations": [_NOT_EMPTY.document()],
        },
    },
}

_GENERATE_NAME = Rule(
    holds="!has(self.metadata) || !has(self.metadata.generateName) || "
    "('x' + self.metadata.generateName + 'x').matches("
    r"'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    message="the pods' names begin with it: only a-z, 0-9, '-' and '.' may be in it",
    at=".metadata.generateName",
)

POD: Document = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
    "required": ["apiVersion", "kind", "spec"],
    "properties": {
        "apiVersion": {"type": "string", "enum": ["v1"]},
        "kind": {"type": "string", "enum": ["Pod"]},
        "metadata": {
            "type": "object",
            "properties": {"generateName": {"type": "string", "maxLength": 253}},
        },
        "spec": _SPEC,
    },
    "x-kubernetes-validations": [_GENERATE_NAME.document()],
}

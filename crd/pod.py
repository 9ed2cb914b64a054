"""The schema of ``podConfig``: a Pod of which little is said, so that all of it passes.

Kubernetes' own schema of a Pod is 100 times as long, and old on the day that Kubernetes has a new field.
Here only what every pod needs is declared, and what people mistype most; the rest is kept unread, and judged
by the API server when the pod is made.
"""

from __future__ import annotations

from crd.schema import LABEL_LENGTH, Rule, words
from rayctl.api.document import Document
from rayctl.api.pod_rules import RESTART_POLICIES

_MOST_CONTAINERS = 50
"""No pod has so many; without a bound the API server refuses the rules as too dear."""

# A string must be a quantity; a bare number (cpu: 0.5) is one already, and 'pattern' does not look at it.
_QUANTITY: Document = {
    "x-kubernetes-preserve-unknown-fields": True,
    "pattern": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
}
_QUANTITIES: Document = {"type": "object", "nullable": True, "additionalProperties": _QUANTITY}

# Null is what a template leaves of an empty field; Kubernetes takes it for a field that isn't there.
_WORDS: Document = {"type": "array", "nullable": True, "items": {"type": "string"}}

_VARIABLE: Document = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "value": {"type": "string", "nullable": True},
    },
}


def _container(about_image: str = "", about_resources: str = "") -> Document:
    """Return the schema of a container, with words about two of its fields."""
    resources: Document = {
        "type": "object",
        "nullable": True,
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"limits": _QUANTITIES, "requests": _QUANTITIES},
    }
    return {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "required": ["name", "image"],
        "properties": {
            "name": {"type": "string", "maxLength": LABEL_LENGTH},
            "image": _about(about_image) | {"type": "string"},
            "command": _WORDS,
            "args": _WORDS,
            "env": {"type": "array", "nullable": True, "items": _VARIABLE},
            "resources": _about(about_resources) | resources,
        },
    }


def _about(text: str) -> Document:
    return {"description": words(text)} if text else {}


_NOT_EMPTY = Rule(
    holds="self.size() > 0",
    message="there is no container; add one that has Ray in its image",
)
_NAMES_DIFFER = Rule(
    holds="self.all(c, self.exists_one(d, d.name == c.name))",
    message="two containers have the same name; give each one a name of its own",
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
            "maxItems": _MOST_CONTAINERS,
            "items": _container(
                "An image with Ray in it, such as rayproject/ray:2.60.0; the same Ray and Python version for "
                "all types.",
                """What Ray offers is taken from the first container: CPUs and GPUs from the smaller of
                request and limit, rounded up; memory 70 % of the smaller, as 30 % are the object store's.
                rayResources wins.""",
            ),
            "x-kubernetes-validations": [_NOT_EMPTY.document(), _NAMES_DIFFER.document()],
        },
        "initContainers": {"type": "array", "nullable": True, "items": _container()},
        "nodeSelector": {"type": "object", "nullable": True, "additionalProperties": {"type": "string"}},
        "restartPolicy": {
            "description": words("""
                What becomes of a container that has ended. Never, where it is left out: a new pod takes the
                place of the old one.
            """),
            "type": "string",
            "nullable": True,
            "enum": [*RESTART_POLICIES, "", None],
        },
        "terminationGracePeriodSeconds": {
            "description": words("""
                How long the pod has to end once it was told to. All but 15 s of it is for tasks that run. 45
                where it is left out.
            """),
            "type": "integer",
            "format": "int64",
            "nullable": True,
        },
    },
}

# With a cluster's name and '-' before it, and more characters behind.
_GENERATE_NAME = Rule(
    holds="!has(self.metadata) || !has(self.metadata.generateName) || "
    "('x-' + self.metadata.generateName + 'x').matches("
    r"'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    message="the pods' names begin with it: a-z, 0-9, '-', and '.' between two of the others",
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

"""What a pod of a type offers to Ray: as its container 0 is sized, overruled by ``rayResources``.

The rules are those of the legacy operators from Ray 1.5 to 1.13 (docs/raycluster.md, "Resources"), handed to
``ray start`` in RAY_OVERRIDE_RESOURCES, which beats ``--num-cpus`` and the like.
"""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil, floor

from rayctl.api.document import Document, Reader
from rayctl.api.quantity import ResourceSet, parse_quantity
from rayctl.api.raycluster import PodType

_MEMORY_SHARE = Fraction(7, 10)
"""Of the container's memory; Ray's object store takes the other 30 %."""


TPU = "google.com/tpu"
"""What Kubernetes calls it."""


def offered_resources(pod_type: PodType) -> ResourceSet:
    """Return what a pod of this type offers, zeros included: Ray must not count the machine's CPUs instead.

    A size that cannot be read counts as absent: the API server will tell of it when it sees the pod.
    """
    sizes = _sizes(pod_type.pod)
    offered = {
        "CPU": ceil(sizes.get("cpu", Fraction(0))),
        "GPU": ceil(sum(amount for name, amount in sizes.items() if "gpu" in name)),
    }
    if "memory" in sizes:
        offered["memory"] = floor(sizes["memory"] * _MEMORY_SHARE)
    if TPU in sizes:
        offered["TPU"] = ceil(sizes[TPU])
    return offered | dict(pod_type.ray_resources or {})


def wants(pod_type: PodType, resource: str) -> bool:
    """Return whether a pod of this type asks Kubernetes for a resource, in its container 0."""
    return _sizes(pod_type.pod).get(resource, 0) > 0


def override_text(offered: ResourceSet) -> str:
    """Return the value of RAY_OVERRIDE_RESOURCES."""
    return json.dumps(dict(offered), sort_keys=True, separators=(",", ":"))


def _sizes(pod: Document) -> dict[str, Fraction]:
    """Return the smaller of request and limit of each resource of container 0 that has either."""
    containers = Reader(pod).inner("spec").each("containers")
    if not containers:
        return {}
    resources = containers[0].inner("resources")
    sizes: dict[str, Fraction] = {}
    for kind in ("requests", "limits"):
        for name, value in resources.mapping(kind).items():
            try:
                amount = parse_quantity(value)
            except ValueError:
                continue
            sizes[name] = min(amount, sizes.get(name, amount))
    return sizes

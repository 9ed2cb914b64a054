"""The workers that a cluster has without any demand: each type's ``minWorkers`` within the limits.

``maxWorkers`` below ``minWorkers`` is legal and wins, and the sum is cut at the cluster's ``maxWorkers`` in
the order of the spec: so the legacy operators did, and their example files say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from rayctl.api.names import TypeName
from rayctl.api.raycluster import RayCluster

Targets: TypeAlias = Mapping[TypeName, int]
"""How many workers each type shall have. The head is not among them."""


def minimum(cluster: RayCluster) -> Targets:
    """Return how many workers of each type are to run whether they are needed or not, in whole slices."""
    left = cluster.max_workers
    targets: dict[TypeName, int] = {}
    for pod_type in cluster.pod_types:
        hosts = pod_type.hosts
        slices = min(-(-pod_type.min_workers // hosts), min(cluster.max_of(pod_type), left) // hosts)
        targets[pod_type.name] = slices * hosts
        left -= slices * hosts
    return targets

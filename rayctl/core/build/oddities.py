"""What is legal in a spec and probably not meant: told as the message of the condition Accepted.

Nothing here is refused: files that work must go on working. Each text names the field, what is odd, and what
comes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rayctl.api.document import Reader, shown
from rayctl.api.names import (
    LABEL_CLUSTER,
    LABEL_COMPONENT,
    LABEL_NODE_NAME,
    LABEL_POD_TYPE,
    LABEL_ROLE,
    Role,
)
from rayctl.api.quantity import parse_quantity
from rayctl.api.raycluster import PodType, RayCluster
from rayctl.api.upgrade import UpgradeStrategy, UpgradeType
from rayctl.core.build.metadata import pod_labels
from rayctl.core.build.ray_start import gcs_port
from rayctl.core.build.ray_version import (
    OLDEST_SCALED,
    OLDEST_WITH_AGENT,
    Version,
    image_version,
    is_older,
    version_text,
)

_MOST = 20
"""Of one cluster: people read the first few."""

_OURS = (LABEL_CLUSTER, LABEL_ROLE, LABEL_NODE_NAME, LABEL_POD_TYPE, LABEL_COMPONENT)
_NOT_USED = ("name", "namespace")
_RAYS_OWN = {name.lower(): name for name in ("CPU", "GPU", "memory", "object_store_memory")}
_HEAD_NEEDS = Fraction(710 * 2**20)
"""Bytes that a head of Ray 2.60 with its dashboard takes (docs/raycluster.md)."""
_BARELY_IDLE = 60


def oddities(cluster: RayCluster) -> tuple[str, ...]:
    """Return what is odd in a spec, in the order of its fields; beyond some only that there is more."""
    found = [
        *_numbers(cluster),
        *_service(cluster),
        *_images(cluster),
        *(odd for index, kind in enumerate(cluster.pod_types) for odd in _pod_type(cluster, index, kind)),
    ]
    more = len(found) - _MOST
    return tuple(found) if more <= 0 else (*found[:_MOST], f"and {more} more")


def _numbers(cluster: RayCluster) -> Iterator[str]:
    total = sum(min(kind.min_workers, cluster.max_of(kind)) for kind in cluster.pod_types)
    if total > cluster.max_workers:
        most = cluster.max_workers
        yield f"spec.maxWorkers {most} is below the sum of all minWorkers, {total}: the maximum wins"
    if cluster.idle_seconds is not None and cluster.idle_seconds < _BARELY_IDLE:
        yield f"spec.ttlSecondsAfterIdle {cluster.idle_seconds}: it may be suspended before anyone connects"
    yield from _strategy("spec.upgradeStrategy", cluster.upgrade)


def _strategy(path: str, strategy: UpgradeStrategy) -> Iterator[str]:
    default = UpgradeStrategy(strategy.type)
    if strategy.type is not UpgradeType.ROLLING_UPDATE and strategy != default:
        yield f"{path}: maxUnavailable and maxSurge mean nothing to {strategy.type}"


def _service(cluster: RayCluster) -> Iterator[str]:
    gcs = gcs_port(cluster)
    ports = _container_ports(cluster.head)
    for index, port in enumerate(cluster.service_ports):
        path = f"spec.headServicePorts[{index}].targetPort"
        if port.port == gcs and port.target not in {gcs, ""} and ports.get(port.target) != gcs:
            yield f"{path} {shown(port.target)}: workers look for the head's GCS behind port {gcs}"
        elif isinstance(port.target, str) and port.target and port.target not in ports:
            yield f"{path} {shown(port.target)}: no container of the head's type has a port of that name"


def _container_ports(pod_type: PodType) -> dict[object, int | None]:
    spec = Reader(pod_type.pod).inner("spec")
    entries = (entry for container in spec.each("containers") for entry in container.each("ports"))
    return {entry.text("name"): entry.count("containerPort") for entry in entries}


def _images(cluster: RayCluster) -> Iterator[str]:
    """Ray's nodes must all be of one version: a worker of another one is turned away by the head."""
    versions: dict[Version, str] = {}
    for kind in cluster.pod_types:
        if (found := image_version(kind)) is not None:
            versions.setdefault(found, kind.name)
    if len(versions) > 1:
        which = ", ".join(f"{version_text(version)} ({name})" for version, name in versions.items())
        yield f"spec.podTypes: Ray's nodes must be of one version, and the images are of {which}"
    oldest = min(versions, default=OLDEST_SCALED)
    if oldest < OLDEST_SCALED:
        needed = version_text(OLDEST_SCALED)
        text = f"spec.podTypes: Ray {version_text(oldest)} is not autoscaled, that takes {needed}"
        if oldest < OLDEST_WITH_AGENT:
            text += "; its pods become ready only with a readinessProbe of your own"
        yield text


def _pod_type(cluster: RayCluster, index: int, kind: PodType) -> Iterator[str]:
    path = f"spec.podTypes[{index}]"
    most = cluster.max_of(kind)
    if kind.min_workers > most:
        yield f"{path}.minWorkers {kind.min_workers} is above maxWorkers {most}: the maximum wins"
    if most % kind.hosts:
        slices = "1 slice" if most // kind.hosts == 1 else f"{most // kind.hosts} slices"
        yield f"{path}.maxWorkers {most} has room for {slices} of {kind.hosts} hosts, the rest is never used"
    if kind.upgrade is not None:
        yield from _strategy(f"{path}.upgradeStrategy", kind.upgrade)
    for name in kind.ray_resources or ():
        own = _RAYS_OWN.get(name.lower(), name)
        if own != name:
            yield f"{path}.rayResources.{name}: a resource of yours; Ray's own is called {own}"
    yield from _metadata(cluster, f"{path}.podConfig.metadata", kind)
    yield from _spec(f"{path}.podConfig.spec", kind)
    if kind.name == cluster.head_type:
        yield from _head_memory(f"{path}.podConfig.spec.containers[0].resources.limits.memory", kind)


def _metadata(cluster: RayCluster, path: str, kind: PodType) -> Iterator[str]:
    metadata = Reader(kind.pod).inner("metadata")
    for key in _NOT_USED:
        if metadata.value.get(key):
            yield f"{path}.{key} is not used: the operator gives pods their names and its namespace"
    labels = metadata.mapping("labels")
    ours = [pod_labels(cluster, kind, role) for role in _roles(cluster, kind)]
    for key in _OURS:
        if any(key in made and labels.get(key, made[key]) != made[key] for made in ours):
            yield f"{path}.labels.{key} is not used: it is a label of the operator's"


def _roles(cluster: RayCluster, kind: PodType) -> tuple[Role, ...]:
    if kind.name != cluster.head_type:
        return (Role.WORKER,)
    return (Role.HEAD, Role.WORKER) if cluster.max_of(kind) else (Role.HEAD,)


def _spec(path: str, kind: PodType) -> Iterator[str]:
    spec = Reader(kind.pod).inner("spec")
    grace = spec.value.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        yield f"{path}.terminationGracePeriodSeconds {shown(grace)} counts as 1"
    for index, container in enumerate(spec.each("containers")):
        seen: set[str] = set()
        for entry in container.each("env"):
            name = entry.text("name")
            if name in seen:
                yield f"{path}.containers[{index}].env: {shown(name)} is there twice; the later one counts"
            seen.add(name)


def _head_memory(path: str, kind: PodType) -> Iterator[str]:
    container = _first_container(kind)
    limit = container.inner("resources").inner("limits").value.get("memory")
    if limit is None or is_older(image_version(kind), (2,)):
        return
    if parse_quantity(limit) < _HEAD_NEEDS:
        yield f"{path} {shown(limit)}: a head of Ray 2.60 takes some 710Mi, and is killed where it has less"


def _first_container(kind: PodType) -> Reader:
    return Reader(kind.pod).inner("spec").each("containers")[0]

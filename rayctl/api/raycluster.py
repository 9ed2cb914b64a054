"""The RayCluster as its users write it: the legacy fields, with their defaults filled in.

:func:`parse_cluster` is total over JSON: what cannot be understood ends in one SpecError that names every
field. The source of each default is the legacy operators' behaviour (docs/raycluster.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rayctl.api.auth import NO_AUTH, Auth, parse_auth
from rayctl.api.document import Document, Json, Reader, SpecError, shown
from rayctl.api.moment import Seconds
from rayctl.api.name_rules import check_cluster_name, check_node_labels, check_resource_names, check_types
from rayctl.api.names import ClusterKey, TypeName, Uid
from rayctl.api.pod_rules import check_arguments, check_pod
from rayctl.api.quantity import ResourceSet, parse_amount
from rayctl.api.restart import NO_MARKS, RestartMarks, parse_marks
from rayctl.api.service_rules import check_annotations, check_ports
from rayctl.api.upgrade import DEFAULT_UPGRADE, UpgradeStrategy, parse_strategy

DEFAULT_MAX_WORKERS = 2
DEFAULT_UPSCALING_SPEED = 1.0
DEFAULT_IDLE_MINUTES = 5.0
DEFAULT_DRAIN_SECONDS = 300
DEFAULT_JOIN_SECONDS = 600

_COMMANDS = ("headSetupCommands", "workerSetupCommands", "headStartRayCommands", "workerStartRayCommands")


@dataclass(frozen=True, slots=True)
class ServicePort:
    """An entry of ``spec.headServicePorts``. ``target`` is a port number, or the name of a container port."""

    name: str
    port: int
    target: int | str


class ServiceType(StrEnum):
    """Who can reach the head's Service."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


@dataclass(frozen=True, slots=True)
class HeadService:
    """``spec.headService``: what the Service in front of the head is like, its ports aside."""

    type: ServiceType = ServiceType.CLUSTER_IP
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScaleStrategy:
    """What is to become of workers beside what is asked for."""

    workers_to_delete: tuple[str, ...] = ()
    """Names of pods."""


NO_STRATEGY = ScaleStrategy()


@dataclass(frozen=True, slots=True)
class PodType:
    """An entry of ``spec.podTypes``: a shape of pod and how many workers may have it."""

    name: TypeName
    pod: Document
    """``podConfig`` as it was given: a Pod without a name. Never changed in place."""
    min_workers: int = 0
    max_workers: int | None = None
    """None: not given, so the cluster's, but 0 for the head's type (see :meth:`RayCluster.max_of`)."""
    ray_resources: ResourceSet | None = None
    """``rayResources``, zeros included; None where they are not given."""
    setup_commands: tuple[str, ...] = ()
    """``workerSetupCommands`` where given, else ``setupCommands``."""
    labels: Mapping[str, str] | None = None
    """Of its Ray nodes, for label selectors; None where they are not given."""
    hosts: int = 1
    """``numOfHosts``: workers that come and go as one, at least 1."""
    priority: int = 0
    """Types of a higher one are used up before those of a lower one are touched."""
    idle_seconds: int | None = None
    """``idleTimeoutSeconds``; None: the cluster's."""
    upgrade: UpgradeStrategy | None = None
    """None: the cluster's."""

    @property
    def generate_name(self) -> str:
        """The prefix that the user wants pod names to have, or ''."""
        metadata = self.pod.get("metadata")
        value = metadata.get("generateName") if isinstance(metadata, dict) else None
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class RayCluster:
    """A RayCluster that was understood: metadata that matters, and the spec with defaults."""

    key: ClusterKey
    uid: Uid
    generation: int
    head_type: TypeName
    pod_types: tuple[PodType, ...]
    max_workers: int = DEFAULT_MAX_WORKERS
    upscaling_speed: float = DEFAULT_UPSCALING_SPEED
    idle_timeout_minutes: float = DEFAULT_IDLE_MINUTES
    head_setup_commands: tuple[str, ...] = ()
    worker_setup_commands: tuple[str, ...] = ()
    head_start_commands: tuple[str, ...] | None = None
    """None: ours."""
    worker_start_commands: tuple[str, ...] | None = None
    service_ports: tuple[ServicePort, ...] = ()
    head_service: HeadService = HeadService()
    suspend: bool = False
    upgrade: UpgradeStrategy = DEFAULT_UPGRADE
    drain_seconds: int = DEFAULT_DRAIN_SECONDS
    """0: nothing is drained."""
    join_seconds: int = DEFAULT_JOIN_SECONDS
    """0: for ever."""
    idle_seconds: int | None = None
    """``ttlSecondsAfterIdle``; None: it stays."""
    auth: Auth = NO_AUTH
    scale: ScaleStrategy = NO_STRATEGY
    restarts: RestartMarks = NO_MARKS

    @property
    def head(self) -> PodType:
        """The type of the head's pod."""
        return next(pod_type for pod_type in self.pod_types if pod_type.name == self.head_type)

    def find_type(self, name: TypeName) -> PodType | None:
        """Return the pod type of that name, or None when the spec has it no more."""
        return next((pod_type for pod_type in self.pod_types if pod_type.name == name), None)

    def max_of(self, pod_type: PodType) -> int:
        """Return how many workers of a type there may be, the cluster's own limit not counted in."""
        if pod_type.max_workers is not None:
            return pod_type.max_workers
        return 0 if pod_type.name == self.head_type else self.max_workers

    def idle_timeout_of(self, pod_type: PodType) -> Seconds:
        """Return for how long a worker of a type has nothing to do before it goes."""
        own = pod_type.idle_seconds
        return self.idle_timeout_minutes * 60 if own is None else own

    def upgrade_of(self, pod_type: PodType) -> UpgradeStrategy:
        """Return how an edit of a type is rolled out."""
        return self.upgrade if pod_type.upgrade is None else pod_type.upgrade


def parse_cluster(document: Mapping[str, Json]) -> RayCluster:
    """Return the RayCluster that a document of the API describes.

    Raises:
        SpecError: something in it cannot be understood; carries every such field.
    """
    root = Reader(document)
    metadata, spec = root.inner("metadata"), root.inner("spec")
    pod_types = tuple(_pod_type(reader, metadata.text("name")) for reader in spec.each("podTypes"))
    head_type = TypeName(spec.text("headPodType"))
    check_cluster_name(metadata)
    check_types(spec, head_type, [pod_type.name for pod_type in pod_types])
    check_ports(spec)
    for key in _COMMANDS:
        check_arguments(spec, key)
    generation = metadata.value.get("generation")
    cluster = RayCluster(
        key=ClusterKey(metadata.text("namespace"), metadata.text("name")),
        uid=Uid(metadata.text("uid")),
        generation=generation if isinstance(generation, int) else 0,
        head_type=head_type,
        pod_types=pod_types,
        max_workers=_count(spec, "maxWorkers", DEFAULT_MAX_WORKERS),
        # 0 was accepted by the legacy operators and meant the default.
        upscaling_speed=spec.number("upscalingSpeed", DEFAULT_UPSCALING_SPEED) or DEFAULT_UPSCALING_SPEED,
        idle_timeout_minutes=spec.number("idleTimeoutMinutes", DEFAULT_IDLE_MINUTES),
        head_setup_commands=spec.texts("headSetupCommands") or (),
        worker_setup_commands=spec.texts("workerSetupCommands") or (),
        head_start_commands=spec.texts("headStartRayCommands"),
        worker_start_commands=spec.texts("workerStartRayCommands"),
        service_ports=tuple(_service_port(reader) for reader in spec.each("headServicePorts")),
        head_service=_head_service(spec.inner("headService")),
        suspend=spec.flag("suspend"),
        upgrade=parse_strategy(spec.inner("upgradeStrategy")),
        drain_seconds=_count(spec, "drainTimeoutSeconds", DEFAULT_DRAIN_SECONDS),
        join_seconds=_count(spec, "joinTimeoutSeconds", DEFAULT_JOIN_SECONDS),
        idle_seconds=spec.count("ttlSecondsAfterIdle"),
        auth=parse_auth(spec.inner("auth")),
        scale=ScaleStrategy(spec.inner("scaleStrategy").texts("workersToDelete") or ()),
        restarts=parse_marks(metadata),
    )
    if root.errors:
        raise SpecError(tuple(root.errors))
    return cluster


def _pod_type(reader: Reader, cluster: str) -> PodType:
    pod = reader.mapping("podConfig")
    containers = Reader(pod, reader.at("podConfig"), reader.errors).inner("spec").each("containers")
    if not containers:
        reader.wrong(
            "podConfig.spec.containers", "there is no container", "add one that has Ray in its image"
        )
    check_pod(reader, cluster)
    check_resource_names(reader)
    check_node_labels(reader)
    check_arguments(reader, "setupCommands")
    check_arguments(reader, "workerSetupCommands")
    setup = reader.texts("setupCommands")
    strategy = reader.inner("upgradeStrategy")
    worker_setup = reader.texts("workerSetupCommands")
    return PodType(
        name=TypeName(reader.text("name")),
        pod=pod,
        min_workers=reader.count("minWorkers") or 0,
        max_workers=reader.count("maxWorkers"),
        ray_resources=_ray_resources(reader) if "rayResources" in reader.value else None,
        setup_commands=(setup or ()) if worker_setup is None else worker_setup,
        labels=reader.strings("labels") if "labels" in reader.value else None,
        hosts=_hosts(reader),
        priority=reader.count("priority") or 0,
        idle_seconds=reader.count("idleTimeoutSeconds"),
        upgrade=parse_strategy(strategy) if "upgradeStrategy" in reader.value else None,
    )


def _count(reader: Reader, key: str, default: int) -> int:
    given = reader.count(key)
    return default if given is None else given


def _hosts(reader: Reader) -> int:
    hosts = _count(reader, "numOfHosts", 1)
    if hosts < 1:
        reader.wrong("numOfHosts", "a slice of no hosts is nothing", "write 1 or more, or leave it out")
    return max(1, hosts)


def _head_service(reader: Reader) -> HeadService:
    check_annotations(reader)
    text = reader.text("type", ServiceType.CLUSTER_IP)
    try:
        kind = ServiceType(text)
    except ValueError:
        reader.wrong("type", f"{shown(text)} is no type of Service", f"write one of {', '.join(ServiceType)}")
        kind = ServiceType.CLUSTER_IP
    return HeadService(kind, reader.strings("annotations"))


def _ray_resources(reader: Reader) -> ResourceSet:
    given = reader.inner("rayResources")
    amounts: dict[str, int] = {}
    for name, value in given.value.items():
        try:
            amounts[name] = parse_amount(value)
        except ValueError as error:
            given.wrong(name, str(error), "write a number such as 2")
    return amounts


def _service_port(reader: Reader) -> ServicePort:
    target = reader.value.get("targetPort")
    if isinstance(target, bool) or not isinstance(target, (int, str)):
        reader.wrong("targetPort", "neither a port number nor a port's name", "write the container's port")
        target = 0
    return ServicePort(reader.text("name"), reader.count("port") or 0, target)

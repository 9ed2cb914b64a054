"""Bytes of the API to the slim records of :mod:`rayctl.api.observed`.

Only the fields that are read are named; msgspec skips the rest at about 900 MB/s. Strings that many records
share are interned. Lists and mappings may be null: Go writes its empty ones so.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from rayctl.api import names
from rayctl.api.document import Document, SpecError
from rayctl.api.names import ClusterKey, PodName, Role, TypeName, Uid
from rayctl.api.observed import ClusterView, PodView, ServiceView
from rayctl.api.pod_rules import MAX_DEPTH
from rayctl.api.raycluster import RayCluster, parse_cluster
from rayctl.api.status import parse_status
from rayctl.kube.nesting import cut

Wire = bytes | msgspec.Raw
"""One JSON object as it came."""

_MAX_MESSAGE = 256

_DEEPEST = 2 * MAX_DEPTH
"""Levels: so many that a pod which was cut is still deeper than it may be, and is refused for it."""


class _Struct(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Go's JSON names."""


class Owner(_Struct, frozen=True):
    """An entry of metadata.ownerReferences."""

    uid: str = ""
    controller: bool | None = None


class Meta(_Struct, frozen=True):
    """metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None

    @property
    def version(self) -> int:
        """The resource version as a number: its order is documented since Kubernetes 1.35, and older."""
        return int(self.resource_version) if self.resource_version.isdecimal() else 0

    @property
    def owner(self) -> Uid:
        """UID of the controlling owner, or ''."""
        return Uid(next((ref.uid for ref in self.owner_references or () if ref.controller), ""))


class ListMeta(_Struct, frozen=True):
    """metadata of a list."""

    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class Page(_Struct, frozen=True):
    """One page of a list, its items unread."""

    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None


class Event(_Struct, frozen=True):
    """One line of a watch, its object unread: what it is depends on ``type``."""

    type: str
    object: msgspec.Raw


class Anything(_Struct, frozen=True):
    """An object of which only the metadata is read."""

    metadata: Meta = Meta()


class _Cluster(_Struct, frozen=True):
    """A RayCluster, its spec unread."""

    metadata: Meta = Meta()
    status: Any = None


class _Detail(_Struct, frozen=True):
    reason: str = ""
    message: str = ""
    exit_code: int = 0


class _Running(_Struct, frozen=True):
    started_at: datetime | None = None


class _ContainerState(_Struct, frozen=True):
    running: _Running | None = None
    waiting: _Detail | None = None
    terminated: _Detail | None = None


class _ContainerStatus(_Struct, frozen=True):
    name: str = ""
    restart_count: int = 0
    state: _ContainerState | None = None


class _Condition(_Struct, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class _Container(_Struct, frozen=True):
    name: str = ""


class _PodSpec(_Struct, frozen=True):
    node_name: str = ""
    scheduler_name: str = ""
    containers: list[_Container] | None = None


class _PodStatus(_Struct, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: list[_Condition] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    container_statuses: list[_ContainerStatus] | None = None


class _Pod(_Struct, frozen=True):
    metadata: Meta = Meta()
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()


T = TypeVar("T")


def read(body: Wire, kind: type[T]) -> T:
    """Return JSON as a record of that type; what no decoder can follow of it counts as null.

    Raises:
        msgspec.DecodeError: it isn't one.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        return msgspec.json.decode(cut(bytes(body), _DEEPEST), type=kind)


def pod_view(body: Wire) -> PodView:
    """Return a pod. One whose role label is gone or odd counts as a worker, so that it stays in sight."""
    pod = read(body, _Pod)
    meta, status = pod.metadata, pod.status
    labels, annotations = meta.labels or {}, meta.annotations or {}
    conditions = {condition.type: condition for condition in status.conditions or ()}
    reason, message = _why_not_running(status, conditions)
    ray = _status_of_ray(pod)
    ready = conditions.get("Ready")
    return PodView(
        key=_cluster_of(meta),
        owner=Uid(sys.intern(meta.owner)),
        name=PodName(meta.name),
        uid=Uid(meta.uid),
        resource_version=meta.version,
        role=Role.HEAD if labels.get(names.LABEL_ROLE) == Role.HEAD else Role.WORKER,
        pod_type=TypeName(sys.intern(labels.get(names.LABEL_POD_TYPE, ""))),
        ordinal=_count(annotations.get(names.ANNOTATION_ORDINAL, ""), -1),
        incarnation=_count(annotations.get(names.ANNOTATION_INCARNATION, ""), 0),
        slice=sys.intern(labels.get(names.LABEL_SLICE, "")),
        hosts=_count(annotations.get(names.ANNOTATION_HOSTS, ""), 1),
        fingerprint=sys.intern(annotations.get(names.ANNOTATION_FINGERPRINT, "")),
        session=sys.intern(annotations.get(names.ANNOTATION_SESSION, "")),
        restart=_interned(annotations.get(names.ANNOTATION_RESTART)),
        asked_to_go=bool(annotations.get(names.ANNOTATION_RESTARTED_AT)),
        phase=sys.intern(status.phase or "Pending"),
        ready=_is_true(ready),
        ready_changed=_seconds(ready.last_transition_time if ready else None),
        scheduled=bool(pod.spec.node_name) or _is_true(conditions.get("PodScheduled")),
        has_own_scheduler=pod.spec.scheduler_name not in _DEFAULT_SCHEDULER,
        deleting=meta.deletion_timestamp is not None,
        ends_by=_seconds(meta.deletion_timestamp),
        created=_seconds(meta.creation_timestamp),
        started=_started(ray),
        node=sys.intern(pod.spec.node_name),
        ip=status.pod_ip,
        restarts=ray.restart_count if ray else 0,
        reason=sys.intern(reason),
        message=message[:_MAX_MESSAGE],
    )


def service_view(body: Wire) -> ServiceView:
    """Return a Service."""
    meta = read(body, Anything).metadata
    return ServiceView(
        key=_cluster_of(meta),
        owner=meta.owner,
        name=meta.name,
        uid=Uid(meta.uid),
        resource_version=meta.version,
        fingerprint=(meta.annotations or {}).get(names.ANNOTATION_FINGERPRINT, ""),
        deleting=meta.deletion_timestamp is not None,
    )


class ClusterReader:
    """Reads RayClusters. A spec is understood once, however often the status beside it changes.

    What was understood is kept for as long as somebody else holds it. Whoever holds what was read last is
    given its spec again where the next one cannot be understood.
    """

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[str, int, int], RayCluster | SpecError] = WeakValueDictionary()
        self._last: WeakValueDictionary[str, RayCluster] = WeakValueDictionary()

    def __call__(self, body: Wire) -> ClusterView:
        """Return a RayCluster, or what is wrong with it."""
        found = read(body, _Cluster)
        meta = found.metadata
        # A change of the spec is another generation; of the metadata only these two are read.
        marks = hash((*(meta.labels or {}).items(), None, *(meta.annotations or {}).items()))
        spec = self._known.get((meta.uid, meta.generation, marks))
        if spec is None:
            spec = self._known[meta.uid, meta.generation, marks] = _parse(read(body, dict))
        refused: SpecError | None = None
        if isinstance(spec, RayCluster):
            self._last[meta.uid] = spec
        elif meta.uid in self._last:
            refused, spec = spec, self._last[meta.uid]
        return ClusterView(
            key=ClusterKey(sys.intern(meta.namespace), sys.intern(meta.name)),
            uid=Uid(meta.uid),
            resource_version=meta.version,
            generation=meta.generation,
            deleting=meta.deletion_timestamp is not None,
            spec=spec,
            status=parse_status(found.status if isinstance(found.status, dict) else {}),
            refused=refused,
        )


def cluster_view(body: Wire) -> ClusterView:
    """Return a RayCluster, or what is wrong with it."""
    return ClusterReader()(body)


def _parse(document: Document) -> RayCluster | SpecError:
    try:
        return parse_cluster(document)
    except SpecError as error:
        return error.with_traceback(None)  # whose frames would hold the document


def _cluster_of(meta: Meta) -> ClusterKey:
    name = (meta.labels or {}).get(names.LABEL_CLUSTER, "")
    return ClusterKey(sys.intern(meta.namespace), sys.intern(name))


def _status_of_ray(pod: _Pod) -> _ContainerStatus | None:
    """Return the status of container 0, Ray's; a sidecar's restart is nothing to Ray."""
    first = pod.spec.containers[0].name if pod.spec.containers else ""
    statuses = pod.status.container_statuses or ()
    return next((status for status in statuses if status.name == first), None)


def _started(container: _ContainerStatus | None) -> float:
    running = container.state.running if container and container.state else None
    return _seconds(running.started_at if running else None)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _interned(text: str | None) -> str | None:
    return None if text is None else sys.intern(text)


def _count(text: str, default: int) -> int:
    # Anyone may write annotations: text of any length, which int() would refuse.
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else default


def _is_true(condition: _Condition | None) -> bool:
    return condition is not None and condition.status == "True"


def _why_not_running(status: _PodStatus, conditions: dict[str, _Condition]) -> tuple[str, str]:
    """Return reason and message of what is most in the way: the pod's end, a container's, the scheduler's."""
    if status.phase == "Failed" and status.reason:  # Evicted, NodeLost, OutOfcpu …
        return status.reason, status.message
    containers = (*(status.init_container_statuses or ()), *(status.container_statuses or ()))
    states = [container.state for container in containers if container.state]
    waiting = [state.waiting for state in states if state.waiting and state.waiting.reason not in _UNDER_WAY]
    ended = [state.terminated for state in states if state.terminated and state.terminated.exit_code]
    scheduled = conditions.get("PodScheduled")
    if waiting:  # ImagePullBackOff, CrashLoopBackOff, CreateContainerConfigError …
        return waiting[0].reason, waiting[0].message
    if ended:  # Error, OOMKilled …
        code = f"exit code {ended[0].exit_code}"
        return ended[0].reason, f"{code}: {ended[0].message}" if ended[0].message else code
    if scheduled and scheduled.status == "False":  # Unschedulable, SchedulingGated
        return scheduled.reason, scheduled.message
    return status.reason, status.message


_MAX_DIGITS = 9
_DEFAULT_SCHEDULER = frozenset({"", "default-scheduler"})
_UNDER_WAY = frozenset({"", "ContainerCreating", "PodInitializing"})

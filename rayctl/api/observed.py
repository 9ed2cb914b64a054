"""What is seen of the world: the slim records that the cache holds, one a pod, a Service, a RayCluster.

They are msgspec Structs without garbage-collector tracking: 50,000 pods take about 50 MB
and a full collection does not walk them. Times are seconds since the epoch, UTC.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rayctl.api.document import SpecError
from rayctl.api.names import ClusterKey, PodName, Role, Slot, TypeName, Uid
from rayctl.api.raycluster import RayCluster
from rayctl.api.status import RayClusterStatus


class PodView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A pod of a Ray cluster, as far as any decision needs to know it."""

    key: ClusterKey
    """The cluster that its label names."""
    owner: Uid
    """UID of its controlling owner, or ''. The label may name a cluster that is not this pod's owner."""
    name: PodName
    uid: Uid
    resource_version: int
    role: Role
    pod_type: TypeName
    ordinal: int = -1
    """-1: not ours, or from an operator that did not count."""
    incarnation: int = 0
    slice: str = ""
    """Which slice of its type it is a host of; '' where it comes and goes alone."""
    hosts: int = 1
    """How many hosts that slice has."""
    fingerprint: str = ""
    session: str = ""
    """On a worker: the head's session that it was made for; '' where that is not known."""
    restart: str | None = None
    """The restart mark that it was made under; None where it is not known."""
    asked_to_go: bool = False
    """Whether somebody annotated it to be replaced."""
    phase: str = "Pending"
    """Kubernetes' word: Pending, Running, Succeeded, Failed, Unknown."""
    ready: bool = False
    ready_changed: float = 0.0
    """When ``ready`` last changed; 0: never told."""
    scheduled: bool = False
    has_own_scheduler: bool = False
    """Whether it is for another scheduler than Kubernetes' default one."""
    deleting: bool = False
    ends_by: float = 0.0
    """When its time to end is over; 0 where it isn't deleting."""
    created: float = 0.0
    started: float = 0.0
    """When Ray's container was started; 0 while it doesn't run."""
    node: str = ""
    ip: str = ""
    restarts: int = 0
    reason: str = ""
    """Why it isn't running, in Kubernetes' CamelCase (``Unschedulable``, ``ImagePullBackOff`` …), or ''."""
    message: str = ""
    """The server's words for ``reason``, cut to 256 characters."""

    @property
    def finished(self) -> bool:
        """Whether its containers ended for good."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def slot(self) -> Slot:
        """The place that it fills."""
        return Slot(self.role, self.pod_type, self.ordinal)


class ServiceView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The Service in front of a head."""

    key: ClusterKey
    owner: Uid
    name: str
    uid: Uid
    resource_version: int
    fingerprint: str = ""
    deleting: bool = False


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """A RayCluster as the API has it: understood, or with what is wrong with it."""

    key: ClusterKey
    uid: Uid
    resource_version: int
    generation: int
    deleting: bool
    spec: RayCluster | SpecError
    """The last one that could be understood; where none is known, what is wrong with the one that it has."""
    status: RayClusterStatus
    """The status that is stored, whoever wrote it; an empty one where there is none."""
    refused: SpecError | None = None
    """What is wrong with the spec that it has, where ``spec`` is one before it."""


View: TypeAlias = PodView | ServiceView | ClusterView

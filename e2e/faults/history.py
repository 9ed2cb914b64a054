"""What happened, as values: each state of each object in etcd's own order, each finished request, each fault.

The states are etcd's watch from the first to the last revision, which no death of an API server interrupts;
the requests are the API server's audit log. Revisions order what was stored, and tie a state to the request
that made it. Times are those of the one machine's clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from rayctl.api import names

PODS, CLUSTERS, LEASES, SERVICES = "pods", names.PLURAL, "leases", "services"

_REPLICA = re.compile(r"rayctl/\S+ \((operator-[^)]*)\)")
"""The user agent of a replica; what is in the brackets is the identity that it writes into the Lease."""
_ENDED = frozenset({"Failed", "Succeeded"})


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, as far as the checker looks at it."""

    uid: str
    name: str
    owner: str
    """UID; '' where it has none."""
    role: str
    pod_type: str
    ordinal: str
    image: str
    marks: tuple[tuple[str, str], ...] = ()
    """Labels and annotations."""
    leaving: bool = False
    ended: bool = False
    ready: bool = False
    waits: bool = False
    """Whether it has a node, whose kubelet has yet to say that it is ready: at first, or anew."""

    @property
    def live(self) -> bool:
        """Whether it counts: neither on its way out nor at its end."""
        return not self.leaving and not self.ended


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A RayCluster: what was asked for and what its status says."""

    uid: str
    name: str
    generation: int
    spec: Mapping[str, Any]
    marks: tuple[tuple[str, str], ...] = ()
    """Labels and annotations."""
    leaving: bool = False
    status: Mapping[str, Any] | None = None

    def wanted(self) -> Mapping[tuple[str, str], int]:
        """Return how many pods there are to be by role and type. Types have a fixed size here."""
        spec = self.spec
        if self.leaving or spec.get("suspend"):
            return {}
        head = spec["headPodType"]
        workers = {
            ("worker", kind["name"]): kind.get("minWorkers", 0)
            for kind in spec["podTypes"]
            if kind["name"] != head
        }
        return {("head", head): 1, **workers}

    def image_of(self, name: str) -> str:
        """Return the image that pods of a type are to have."""
        pods = (kind["podConfig"]["spec"] for kind in self.spec["podTypes"] if kind["name"] == name)
        return next((str(pod["containers"][0]["image"]) for pod in pods), "")


@dataclass(frozen=True, slots=True)
class Lease:
    """The record that replicas fight for."""

    holder: str
    duration: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service with the label of a RayCluster."""

    uid: str
    name: str
    owner: str


Thing: TypeAlias = Pod | RayCluster | Lease | Service


@dataclass(frozen=True, slots=True)
class Change:
    """One revision of one object."""

    revision: int
    at: float
    """When the watch told of it, which is after it was stored."""
    key: tuple[str, str]
    """Resource and name; all is in one namespace."""
    before: Thing | None
    after: Thing | None
    """None: it is gone."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the API server has finished, by its audit log."""

    agent: str
    """The user agent."""
    verb: str
    resource: str
    """With the subresource, if any: ``rayclusters/status``."""
    name: str
    received: float
    completed: float
    code: int
    revision: int = 0
    """Of the object in the answer; 0 where there is none."""

    @property
    def replica(self) -> str:
        """The identity of the replica that sent it, or '' where none did."""
        return replica_of(self.agent)

    @property
    def effective(self) -> bool:
        """Whether it is a write that the server took."""
        return self.verb in {"create", "update", "patch", "delete", "deletecollection"} and self.code < 300


USER = "user: "
"""What begins that which the workload did."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the nemesis did, or the workload: for people who read a violation."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class History:
    """All of a round, each in its order."""

    changes: tuple[Change, ...]
    requests: tuple[Request, ...]
    faults: tuple[Fault, ...] = ()


def replica_of(agent: str) -> str:
    """Return the identity that a replica's user agent carries, or ''."""
    match = _REPLICA.match(agent)
    return match[1] if match else ""


def thing(resource: str, document: Mapping[str, Any]) -> Thing | None:
    """Return an object as far as the checker looks at it; None where it is not of its concern."""
    meta = document["metadata"]
    match resource:
        case "pods" if names.LABEL_CLUSTER in meta.get("labels", {}):
            return _pod(document)
        case "services" if names.LABEL_CLUSTER in meta.get("labels", {}):
            return Service(meta["uid"], meta["name"], _owner(meta))
        case names.PLURAL:
            return RayCluster(
                meta["uid"],
                meta["name"],
                meta.get("generation", 0),
                document["spec"],
                _marks(meta),
                "deletionTimestamp" in meta,
                document.get("status"),
            )
        case "leases":
            spec = document.get("spec", {})
            return Lease(spec.get("holderIdentity") or "", float(spec.get("leaseDurationSeconds") or 0))
    return None


def _pod(document: Mapping[str, Any]) -> Pod:
    meta, status = document["metadata"], document.get("status", {})
    labels = meta["labels"]
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
    return Pod(
        uid=meta["uid"],
        name=meta["name"],
        owner=_owner(meta),
        role=labels.get(names.LABEL_ROLE, ""),
        pod_type=labels.get(names.LABEL_POD_TYPE, ""),
        ordinal=meta.get("annotations", {}).get(names.ANNOTATION_ORDINAL, ""),
        image=document["spec"]["containers"][0]["image"],
        marks=_marks(meta),
        leaving="deletionTimestamp" in meta,
        ended=status.get("phase") in _ENDED,
        waits="nodeName" in document["spec"] and status.get("phase") not in _ENDED and not ready,
        ready=ready,
    )


def _owner(meta: Mapping[str, Any]) -> str:
    return next((str(owner["uid"]) for owner in meta.get("ownerReferences", ())), "")


def _marks(meta: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**meta.get("labels", {}), **meta.get("annotations", {})}.items()))


def request(event: Mapping[str, Any]) -> Request:
    """Return a request of an audit event (audit.k8s.io/v1) of stage ResponseComplete or Panic."""
    target = event.get("objectRef", {})
    answer = event.get("responseObject") or {}
    meta = answer.get("metadata", {})
    resource, sub = target.get("resource", ""), target.get("subresource", "")
    version = str(meta.get("resourceVersion", "")) if answer.get("kind") != "Status" else ""
    return Request(
        agent=event.get("userAgent", ""),
        verb=event["verb"],
        resource=f"{resource}/{sub}" if sub else resource,
        name=target.get("name") or meta.get("name", ""),
        received=_seconds(event["requestReceivedTimestamp"]),
        completed=_seconds(event["stageTimestamp"]),
        code=event.get("responseStatus", {}).get("code", 0),
        revision=int(version) if version.isdecimal() else 0,
    )


def requests_of(events: Iterable[Mapping[str, Any]], namespace: str) -> tuple[Request, ...]:
    """Return the requests to one namespace, in the order in which they came."""
    mine = (event for event in events if event.get("objectRef", {}).get("namespace") == namespace)
    return tuple(sorted(map(request, mine), key=lambda one: one.received))


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()

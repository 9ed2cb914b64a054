"""The Lease on the wire: coordination.k8s.io/v1 to and from :class:`rayctl.core.election.lease.Lease`.

Wants a client of its own, so that a renewal never waits behind other calls. What others wrote into the object
(labels, annotations, other fields of the spec) goes back as it came.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from rayctl.api.document import Document
from rayctl.api.moment import Monotonic, Seconds
from rayctl.clock import Clock
from rayctl.core.election.events import Seen
from rayctl.core.election.lease import Lease
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import Meta, Wire, read
from rayctl.kube.errors import Garbled, NotFound
from rayctl.kube.listing import Target
from rayctl.kube.resource import LEASES, Call, Verb
from rayctl.kube.watch import Watch

_API_VERSION = f"{LEASES.group}/{LEASES.version}"
_KIND = "Lease"
_MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"  # Go's MicroTime wants all six digits, also when they are zeros


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: Meta = Meta()
    spec: _Spec = _Spec()


class StoredLease(msgspec.Struct, frozen=True):
    """A Lease as it was stored, with the whole object that it is part of."""

    lease: Lease
    document: Document

    @property
    def resource_version(self) -> int:
        """The object's version."""
        return self.lease.resource_version


class LeaseStore:
    """Reads, writes and watches one Lease."""

    def __init__(self, client: KubeClient, namespace: str, name: str, clock: Clock) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._newest: StoredLease | None = None

    def __str__(self) -> str:
        return f"Lease {self._namespace}/{self._name}"

    @property
    def reference(self) -> Document:
        """What refers to the Lease, as it was last seen, in an Event."""
        metadata = {} if self._newest is None else _inner(self._newest.document, "metadata")
        return {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "namespace": self._namespace,
            "name": self._name,
            "uid": metadata.get("uid"),
        }

    async def read(self, timeout: Seconds) -> Lease | None:  # noqa: ASYNC109
        """Return the Lease by a consistent read, or None when there is none."""
        call = self._call(Verb.GET, name=self._name)
        try:
            answer = await self._client.send(call, timeout=timeout)
        except NotFound:
            self._newest = None
            return None
        self._newest = None  # a read is true even where it goes back
        return self._take(call, answer)

    async def write(self, lease: Lease, timeout: Seconds) -> Lease:  # noqa: ASYNC109
        """Store a Lease if the stored one's version is still ``lease``'s (0: if there is none); return it.

        Raises:
            AlreadyExists, Conflict, NotFound: the stored one is another.
            KubeError: no good answer; it may have been stored all the same.
        """
        if lease.resource_version == 0:
            call = self._call(Verb.CREATE, body=self._document(lease, None))
        else:
            call = self._call(Verb.UPDATE, name=self._name, body=self._document(lease, self._newest))
        return self._take(call, await self._client.send(call, timeout=timeout))

    async def watch(self, on_seen: Callable[[Seen], None]) -> None:
        """Tell of each change of the Lease until cancelled."""
        target = Target(resource=LEASES, namespace=self._namespace, fields=f"metadata.name={self._name}")
        sink = _Sink(self._clock, self._keep, on_seen)
        await Watch(self._client, target, stored_lease, sink, self._clock).run()

    def _call(self, verb: Verb, *, name: str = "", body: Document | None = None) -> Call:
        return Call(verb=verb, resource=LEASES, namespace=self._namespace, name=name, body=body)

    def _take(self, call: Call, answer: Wire) -> Lease:
        try:
            stored = stored_lease(answer)
        except msgspec.DecodeError as error:
            raise Garbled(call, f"the answer is broken: {error}") from error
        self._keep(stored)
        return stored.lease

    def _keep(self, stored: StoredLease) -> None:
        if self._newest is None or stored.resource_version > self._newest.resource_version:
            self._newest = stored

    def _document(self, lease: Lease, base: StoredLease | None) -> Document:
        document: Document = {"apiVersion": _API_VERSION, "kind": _KIND}
        metadata: Document = {"namespace": self._namespace, "name": self._name}
        spec: Document = {}
        if base is not None:
            document = copy.deepcopy(base.document)
            metadata, spec = _inner(document, "metadata"), _inner(document, "spec")
            metadata.pop("managedFields", None)
        if lease.resource_version:
            # An optimistic lock on what the election knows, which may be older than our copy: then refused.
            metadata["resourceVersion"] = str(lease.resource_version)
        spec |= {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": max(1, int(lease.duration)),
            "acquireTime": _time(lease.acquired),
            "renewTime": _time(lease.renewed),
            "leaseTransitions": lease.transitions,
        }
        return document | {"metadata": metadata, "spec": spec}


class _Sink:
    """Where the watch's records go: to the election, with the time of their arrival."""

    def __init__(
        self, clock: Clock, keep: Callable[[StoredLease], None], on_seen: Callable[[Seen], None]
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._on_seen = on_seen

    def clear(self) -> None:
        """Tell nothing: the list that follows does."""

    def replace(self, records: tuple[StoredLease, ...], version: int) -> None:
        for stored in records:
            self.put(stored)
        if not records:
            self._tell(None, version)

    def put(self, record: StoredLease) -> None:
        self._keep(record)
        self._tell(record.lease, record.resource_version)

    def remove(self, record: StoredLease) -> None:
        self._tell(None, record.resource_version)

    def _tell(self, lease: Lease | None, version: int) -> None:
        now: Monotonic = self._clock.monotonic()
        self._on_seen(Seen(lease, version, now, consistent=False))


def stored_lease(body: Wire) -> StoredLease:
    """Return a Lease as it came."""
    parsed = read(body, _Object)
    spec = parsed.spec
    lease = Lease(
        holder=spec.holder_identity or "",
        duration=spec.lease_duration_seconds or 0,
        acquired=spec.acquire_time,
        renewed=spec.renew_time,
        transitions=spec.lease_transitions or 0,
        resource_version=parsed.metadata.version,
    )
    return StoredLease(lease, read(body, dict))


def _inner(document: Document, key: str) -> Document:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime(_MICRO_TIME)

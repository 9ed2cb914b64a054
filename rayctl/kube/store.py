"""Records of one resource, by name and by the cluster that they belong to.

Tells the key of each cluster of which something changed; a new resource version alone is no change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from rayctl.api.names import ClusterKey
from rayctl.api.observed import ClusterView, PodView, ServiceView

V = TypeVar("V", PodView, ServiceView, ClusterView)


class Store(Generic[V]):
    """All records of a resource, of whatever namespaces are watched."""

    def __init__(self, on_change: Callable[[ClusterKey], None]) -> None:
        self._on_change = on_change
        self._records: dict[tuple[str, str], V] = {}
        self._by_cluster: dict[ClusterKey, dict[str, V]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def find(self, namespace: str, name: str) -> V | None:
        """Return a record, or None when there is none of that name."""
        return self._records.get((namespace, name))

    def list_of(self, key: ClusterKey) -> tuple[V, ...]:
        """Return the records of a cluster, in no particular order."""
        return tuple(self._by_cluster.get(key, {}).values())

    def list_all(self) -> tuple[V, ...]:
        """Return all records."""
        return tuple(self._records.values())

    def versions(self, namespace: str) -> dict[str, int]:
        """Return the resource version of each record of a namespace ('': of all), by UID."""
        return {
            record.uid: record.resource_version
            for record in self._records.values()
            if namespace in {"", record.key.namespace}
        }

    def put(self, record: V) -> None:
        """Hold a record, in place of an older one of its name; that may have been another cluster's."""
        name = _name(record)
        before = self._records.get((record.key.namespace, name))
        if before is not None and before.resource_version > record.resource_version:
            return  # an own write's answer was quicker than the stream
        if before is not None and before.key != record.key:
            self.remove(before)
            before = None
        self._records[record.key.namespace, name] = record
        self._by_cluster.setdefault(record.key, {})[name] = record
        if before is None or not _same(before, record):
            self._on_change(record.key)

    def remove(self, record: V) -> None:
        """Hold no record of that name any more, unless it is newer: a namesake that we made ourselves."""
        name = _name(record)
        before = self._records.get((record.key.namespace, name))
        if before is None or before.resource_version > record.resource_version:
            return
        del self._records[record.key.namespace, name]
        siblings = self._by_cluster[before.key]
        del siblings[name]
        if not siblings:
            del self._by_cluster[before.key]
        self._on_change(before.key)

    def clear(self, namespace: str) -> None:
        """Hold no record of a namespace ('': of any)."""
        for record in self.list_all():
            if namespace in {"", record.key.namespace}:
                self.remove(record)

    def replace(self, namespace: str, records: tuple[V, ...], version: int) -> None:
        """Hold these records of a namespace ('': of all), and others of it only if newer than ``version``."""
        present = {(record.key.namespace, _name(record)) for record in records}
        gone = [
            record
            for place, record in self._records.items()
            if place not in present and namespace in {"", place[0]} and record.resource_version <= version
        ]
        for record in gone:
            self.remove(record)
        for record in records:
            self.put(record)


@dataclass(frozen=True, slots=True)
class Scope(Generic[V]):
    """The part of a store that one watch fills: a :class:`rayctl.kube.watch.Sink`."""

    store: Store[V]
    namespace: str

    def clear(self) -> None:
        """Hold nothing of the namespace."""
        self.store.clear(self.namespace)

    def replace(self, records: tuple[V, ...], version: int) -> None:
        """Hold these, and others of the namespace only if newer."""
        self.store.replace(self.namespace, records, version)

    def put(self, record: V) -> None:
        """Hold this one."""
        self.store.put(record)

    def remove(self, record: V) -> None:
        """Hold this one no more."""
        self.store.remove(record)

    def versions(self) -> dict[str, int]:
        """Return the resource version of each of the namespace's records, by UID."""
        return self.store.versions(self.namespace)


def _name(record: PodView | ServiceView | ClusterView) -> str:
    return record.key.name if isinstance(record, ClusterView) else record.name


def _same(before: V, record: V) -> bool:
    return msgspec.structs.replace(record, resource_version=before.resource_version) == before

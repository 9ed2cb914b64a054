"""Prometheus metrics of the operator, by name. Children are kept: a metric costs a third of a microsecond."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Holdings(Protocol):
    """A cache, as far as it is measured."""

    @property
    def restarts(self) -> int:
        """How many times a watch has ended, of all watches."""

    def sight(self) -> Mapping[str, bool]:
        """Return of each namespace that is watched ('': all of them) whether it is seen as it is now."""

    def sizes(self) -> Mapping[str, int]:
        """Return how many records are held, by resource."""


class Metrics:
    """All instruments of one process, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._reconcile = Histogram(
            "rayctl_reconcile_seconds",
            "Duration of a reconcile of one cluster",
            buckets=_SECONDS,
            registry=registry,
        )
        self._queue = Gauge("rayctl_queue_depth", "Clusters that wait for a reconcile", registry=registry)
        self._calls = Histogram(
            "rayctl_api_call_seconds",
            "Duration of calls to the API server",
            ["verb", "resource", "code"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._leader = Gauge("rayctl_leader", "1 while this replica leads", registry=registry)
        self._transitions = Counter(
            "rayctl_leader_transitions", "Times that this replica began or ceased to lead", registry=registry
        )

    def reconcile(self) -> AbstractContextManager[object]:
        """Return a context that times one reconcile."""
        return self._reconcile.time()

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Read the queue's depth from a function whenever somebody asks."""
        self._queue.set_function(depth)

    def watch_cache(self, cache: Holdings) -> None:
        """Read what the cache holds whenever somebody asks."""
        self._registry.register(_Cached(cache))

    def api_call(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Count a call to the API server; code 0: there was no answer."""
        self._calls.labels(verb, kind, str(code)).observe(seconds)

    def leading(self, *, leads: bool) -> None:
        """Say whether this replica leads now."""
        self._leader.set(1 if leads else 0)
        self._transitions.inc()

    def render(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Cached(Collector):
    def __init__(self, cache: Holdings) -> None:
        self._cache = cache

    def collect(self) -> Iterable[Metric]:
        held = GaugeMetricFamily("rayctl_cached_objects", "Objects held in memory", labels=["resource"])
        for resource, size in self._cache.sizes().items():
            held.add_metric([resource], size)
        yield held
        seen = GaugeMetricFamily(
            "rayctl_namespace_in_sight",
            "1 while a watched namespace ('*': all of them) is seen, 0 while it cannot be listed or watched",
            labels=["namespace"],
        )
        for namespace, in_sight in self._cache.sight().items():
            seen.add_metric([namespace or "*"], in_sight)
        yield seen
        yield CounterMetricFamily("rayctl_watch_restarts", "Times that a watch ended", self._cache.restarts)

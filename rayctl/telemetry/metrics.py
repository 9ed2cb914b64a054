"""Prometheus metrics of the operator, by name. Children are kept: a metric costs a third of a microsecond."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


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

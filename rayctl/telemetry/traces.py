"""Traces that tell why something happened: a pass that acts is one trace, each thing it does a span of it.

Passes with nothing to do make no span. The OpenTelemetry SDK is loaded only where an OTLP endpoint is set
(the ``OTEL_*`` variables, which its exporter reads by itself); without one a span costs a function call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rayctl.api.names import MANAGER

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

NAMESPACE = "k8s.namespace.name"
POD = "k8s.pod.name"
CLUSTER = "ray.cluster.name"
POD_TYPE = "ray.pod_type"
WHY = "rayctl.why"


class Traces:
    """Makes spans with a provider, or none without."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(MANAGER) if provider else None

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        """Time what is inside, below the span that is open; an exception that passes marks it failed."""
        if self._tracer is None:
            yield
            return
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield

    def close(self) -> None:
        """Send what has not been sent."""
        if self._provider is not None:
            self._provider.shutdown()


def exported_traces(version: str, instance: str) -> Traces:
    """Return traces that go where the ``OTEL_*`` variables say, by OTLP over HTTP, in batches."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(
        {"service.name": MANAGER, "service.version": version, "service.instance.id": instance}
    )
    provider = TracerProvider(resource=resource)
    # A burst of thousands of pods must not lose spans: the default queue holds 2,048.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=32_768))
    return Traces(provider)

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rayctl.telemetry.traces import CLUSTER, POD, Traces


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(spans: InMemorySpanExporter) -> Traces:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Traces(provider)


def test_what_a_pass_does_is_below_the_pass(traces: Traces, spans: InMemorySpanExporter) -> None:
    with traces.span("reconcile", {CLUSTER: "one"}), traces.span("create pod", {POD: "one-ray-head-x"}):
        pass

    inner, outer = spans.get_finished_spans()
    assert (outer.name, inner.name) == ("reconcile", "create pod")
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert dict(inner.attributes or {}) == {POD: "one-ray-head-x"}


def test_a_failure_is_marked_and_passes(traces: Traces, spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="no"), traces.span("create pod", {}):
        raise ValueError("no")

    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok


def test_without_a_provider_nothing_is_made_and_the_sdk_is_not_loaded() -> None:
    code = (
        "import sys; from rayctl.telemetry.traces import Traces; t = Traces(); "
        "t.span('x', {}).__enter__(); t.close(); sys.exit(any(m.startswith('opentelemetry') for m in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

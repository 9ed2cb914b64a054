"""The pages that the kubelet and Prometheus ask for."""

import aiohttp
import pytest

from rayctl.manager.health import HealthServer, PortTaken
from rayctl.telemetry.metrics import Metrics


class Held:
    """A cache that holds three pods."""

    restarts = 4

    def sizes(self) -> dict[str, int]:
        return {"pods": 3}

    def sight(self) -> dict[str, bool]:
        return {"ray": True, "blue": False}


async def test_what_is_wrong_is_told_with_a_code_that_probes_understand() -> None:
    metrics = Metrics()
    metrics.watch_cache(Held())
    server = HealthServer(
        0,
        healthy=lambda: "",
        ready=lambda: "the caches are being filled",
        remarks=lambda: ["standby", "namespace blue is left out"],
        metrics=metrics,
    )

    async with server.serving() as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        pages = {}
        for page in ("/healthz", "/readyz", "/metrics"):
            async with session.get(page) as answer:
                pages[page] = answer.status, await answer.text()

    assert pages["/healthz"] == (200, "ok\nstandby\nnamespace blue is left out\n")
    assert pages["/readyz"] == (
        503,
        "the caches are being filled\nstandby\nnamespace blue is left out\n",
    )
    assert 'rayctl_cached_objects{resource="pods"} 3.0' in pages["/metrics"][1]
    assert "rayctl_watch_restarts_total 4.0" in pages["/metrics"][1]
    assert 'rayctl_namespace_in_sight{namespace="ray"} 1.0' in pages["/metrics"][1]
    assert 'rayctl_namespace_in_sight{namespace="blue"} 0.0' in pages["/metrics"][1]


async def test_a_port_that_is_taken_is_told_by_its_number() -> None:
    first = HealthServer(0, healthy=str, ready=str, remarks=list, metrics=Metrics())

    async with first.serving() as port:
        second = HealthServer(port, healthy=str, ready=str, remarks=list, metrics=Metrics())
        with pytest.raises(PortTaken, match=f"cannot listen on port {port}: .*in use"):
            async with second.serving():
                pass

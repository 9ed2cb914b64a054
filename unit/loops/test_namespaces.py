"""The controller over several namespaces: what it does not see whole, it does not touch."""

import pytest

from rayctl.kube import watch as watch_module
from unit.builders import a_cluster_document
from unit.fakes.apiserver import FakeApiServer, answer
from unit.fakes.objects import Place
from unit.loops.conftest import World
from unit.waiting import comes_true

WRITES = {"create", "update", "patch", "delete"}


@pytest.fixture
def namespaces() -> tuple[str, ...]:
    return ("ray", "blue")


@pytest.fixture(autouse=True)
def half_blind(server: FakeApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A RayCluster of the same name in each namespace; the pods of one namespace cannot be listed."""
    monkeypatch.setattr(watch_module, "FIRST_WAIT", 0.05)
    for namespace in ("ray", "blue"):
        server.objects.create(Place("rayclusters", namespace), a_cluster_document(2, name="one"))
    refusal = answer(403, "Forbidden", 'User "x" cannot list resource "pods"')
    server.fail("list", "pods", refusal, times=10**6, only=lambda asked: asked.namespace == "blue")


def writes_in(server: FakeApiServer, namespace: str) -> list[str]:
    return [asked.plural for asked in server.asked if asked.verb in WRITES and asked.namespace == namespace]


async def test_where_pods_are_not_seen_none_are_made_until_they_are(
    server: FakeApiServer, world: World
) -> None:
    await comes_true(lambda: len(server.objects.list_of("pods", "ray")) == 3)
    await comes_true(lambda: world.status("one"))
    place = Place("rayclusters", "blue", "one")
    server.objects.merge(place, {"spec": {"idleTimeoutMinutes": 1}})
    await comes_true(lambda: server.count("list", "pods") >= 4)
    early = writes_in(server, "blue")

    server.heal()
    await comes_true(lambda: server.objects.get(place).get("status"))

    assert early == []
    assert len(server.objects.list_of("pods", "blue")) == 3
    assert writes_in(server, "blue").count("pods") == 3

"""The Lease on the wire; what both API servers must do with it is in e2e/contract/cases.py."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from rayctl.clock import SystemClock
from rayctl.core.election.lease import Lease
from rayctl.kube.client import KubeClient
from rayctl.kube.errors import Conflict, Garbled
from rayctl.kube.lease import LeaseStore, stored_lease
from unit.fakes.apiserver import FakeApiServer
from unit.fakes.objects import Place

PLACE = Place("leases", "ray", "ray-operator")


def a_store(client: KubeClient) -> LeaseStore:
    return LeaseStore(client, "ray", "ray-operator", SystemClock())


def test_a_lease_of_another_elector_is_read() -> None:
    body = orjson.dumps(
        {
            "metadata": {"name": "ray-operator", "resourceVersion": "42"},
            "spec": {
                "holderIdentity": "someone",
                "leaseDurationSeconds": 15,
                "acquireTime": "2026-01-01T12:00:00.000000Z",
                "renewTime": "2026-01-01T12:00:01.500000Z",
                "leaseTransitions": 3,
            },
        }
    )
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert stored_lease(body).lease == Lease(
        "someone", 15, noon, noon.replace(second=1, microsecond=500_000), 3, 42
    )


@pytest.mark.parametrize("spec", [{}, {"holderIdentity": None, "leaseDurationSeconds": None}])
def test_a_lease_without_fields_is_free(spec: dict[str, Any]) -> None:
    body = orjson.dumps({"metadata": {"resourceVersion": "1"}, "spec": spec})

    assert stored_lease(body).lease == Lease("", 0, None, None, 0, 1)


async def test_times_are_written_with_all_six_digits(server: FakeApiServer, client: KubeClient) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    await a_store(client).write(Lease("me", 15, noon, noon, 0, 0), 5)

    spec = server.objects.get(PLACE)["spec"]
    assert (spec["acquireTime"], spec["renewTime"]) == ("2026-01-01T12:00:00.000000Z",) * 2


async def test_a_version_that_is_known_is_always_asked_for(server: FakeApiServer, client: KubeClient) -> None:
    await a_store(client).write(Lease("other", 15, None, None, 0, 0), 5)
    stranger = a_store(client)  # has read nothing, so it has no copy to send back

    with pytest.raises(Conflict, match="has been modified"):
        await stranger.write(Lease("me", 15, None, None, 0, 3), 5)

    assert server.objects.get(PLACE)["spec"]["holderIdentity"] == "other"


async def test_an_answer_that_is_no_lease_is_garbled(server: FakeApiServer, client: KubeClient) -> None:
    document = {"metadata": {"name": "ray-operator"}, "spec": {"leaseDurationSeconds": 5}}
    server.objects.create(PLACE, document)
    server.objects.get(PLACE)["spec"]["leaseDurationSeconds"] = "five"

    with pytest.raises(Garbled):
        await a_store(client).read(5)

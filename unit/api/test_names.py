import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.names import (
    ClusterKey,
    Role,
    Slot,
    TypeName,
    Uid,
    head_service_name,
    pod_name,
    pod_name_prefix,
)

SLOT = Slot(Role.WORKER, TypeName("worker-node"), 0)
UIDS = st.uuids().map(str).map(Uid)


@pytest.mark.parametrize(
    ("generate_name", "prefix"),
    [
        pytest.param("", "example-cluster-ray-worker-", id="none"),
        pytest.param("example-cluster-ray-worker-", "example-cluster-ray-worker-", id="Ray 1.3 and before"),
        pytest.param("ray-worker-", "example-cluster-ray-worker-", id="Ray 1.4 and later"),
        pytest.param(
            "example-cluster2-gpu-", "example-cluster-example-cluster2-gpu-", id="of another cluster"
        ),
    ],
)
def test_a_pods_name_begins_with_its_clusters(generate_name: str, prefix: str) -> None:
    assert pod_name_prefix("example-cluster", Role.WORKER, generate_name) == prefix


def test_a_name_is_the_same_whoever_makes_it() -> None:
    # Pinned: an operator of another version must meet the pod that this one made.
    assert pod_name("example-cluster-ray-worker-", Uid("u"), SLOT, 0) == "example-cluster-ray-worker-rn4tn"


@given(UIDS, st.integers(0, 10**6), st.integers(0, 100))
def test_a_name_is_a_host_name_with_its_whole_suffix(uid: Uid, ordinal: int, incarnation: int) -> None:
    slot = SLOT._replace(ordinal=ordinal)

    name = pod_name("a" * 70 + "-", uid, slot, incarnation)

    assert len(name) == 63
    assert re.fullmatch(r"a{58}[bcdfghjklmnpqrstvwxz2456789]{5}", name)


@pytest.mark.parametrize(
    ("uid", "slot", "incarnation"),
    [
        pytest.param("other", SLOT, 0, id="another cluster of that name"),
        pytest.param("u", SLOT._replace(role=Role.HEAD), 0, id="another role"),
        pytest.param("u", SLOT._replace(pod_type=TypeName("gpu")), 0, id="another type"),
        pytest.param("u", SLOT._replace(ordinal=1), 0, id="another place"),
        pytest.param("u", SLOT, 1, id="another time"),
    ],
)
def test_another_pod_has_another_name(uid: str, slot: Slot, incarnation: int) -> None:
    assert pod_name("p-", Uid(uid), slot, incarnation) != pod_name("p-", Uid("u"), SLOT, 0)


def test_the_parts_of_the_digest_cannot_run_together() -> None:
    one = pod_name("p-", Uid("u"), Slot(Role.WORKER, TypeName("a1"), 1), 0)
    other = pod_name("p-", Uid("u"), Slot(Role.WORKER, TypeName("a"), 11), 0)

    assert one != other


def test_a_key_reads_as_kubectl_writes_it() -> None:
    assert str(ClusterKey("ray", "example-cluster")) == "ray/example-cluster"


def test_the_service_is_named_after_the_cluster() -> None:
    assert head_service_name("example-cluster") == "example-cluster-ray-head"

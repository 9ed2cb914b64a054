"""Which programs a bed builds, with which Go, and when a node counts as Ready."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.binaries import MODULE, kubernetes_version, programs_directory, targets_of
from e2e.cluster.go import PACKAGE, parse_version, wanted_version
from e2e.cluster.interface import BedError
from e2e.cluster.node import index_of
from e2e.cluster.node_config import reserved_cpus
from e2e.cluster.readiness import ready_nodes, renewed_leases

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def test_the_version_is_read_from_go_mod() -> None:
    assert kubernetes_version("require (\n\tk8s.io/kubernetes v1.37.2\n\tk8s.io/kube v9.9.9\n)") == "v1.37.2"


def test_a_go_mod_without_kubernetes_is_refused() -> None:
    with pytest.raises(ValueError, match="does not require"):
        kubernetes_version("require k8s.io/kubernetesque v1.0.0")


def test_the_go_that_is_installed_where_there_is_none_is_new_enough() -> None:
    assert parse_version(PACKAGE) >= wanted_version((MODULE / "go.mod").read_text())


@pytest.mark.parametrize(
    ("older", "newer"),
    [("go1.9.1", "go1.26.0"), ("go1.26", "go1.26.1"), ("go1.26.8", "go1.27rc1"), ("", "go1.2")],
)
def test_go_versions_compare_by_number(older: str, newer: str) -> None:
    assert parse_version(older) < parse_version(newer)


@pytest.mark.parametrize(
    ("programs", "files"),
    [
        (["etcd", "kubelet"], ["kubernetes"]),
        (["kubectl", "coredns"], ["kubectl", "coredns"]),
        ([], []),
    ],
)
def test_only_what_is_needed_is_built(programs: list[str], files: list[str]) -> None:
    assert [target.file for target in targets_of(programs)] == files


def test_other_assets_give_another_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    built = programs_directory()

    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert programs_directory() != built
    assert programs_directory().parent == built.parent


@pytest.mark.parametrize(("machine", "reserved"), [(1, 0), (2, 0), (16, 14)])
def test_a_node_offers_two_processors_of_any_machine(machine: int, reserved: int) -> None:
    assert reserved_cpus(machine) == reserved


@pytest.mark.parametrize("name", ["node", "host1", "1", "nodeone", ""])
def test_a_name_that_is_no_node_is_refused(name: str) -> None:
    with pytest.raises(BedError, match="no node of this bed"):
        index_of(name)


def a_node(*, ready: str = "True", at: str = "2026-11-24T12:00:00Z") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": at}
    return {"metadata": {"name": "node1"}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("node", "since", "expected"),
    [
        pytest.param(a_node(), None, {"node1"}, id="Ready, whenever it was said"),
        pytest.param(a_node(), NOON, {"node1"}, id="said in the same second"),
        pytest.param(a_node(at="2026-11-24T11:59:59Z"), NOON, set(), id="said before the node was killed"),
        pytest.param(a_node(ready="False"), None, set(), id="not Ready"),
        pytest.param(a_node(ready="Unknown"), None, set(), id="not heard of"),
        pytest.param({"metadata": {"name": "node1"}}, None, set(), id="just registered, without a status"),
    ],
)
def test_a_node_is_ready_by_fresh_word_only(
    node: dict[str, Any], since: dt.datetime | None, expected: set[str]
) -> None:
    assert ready_nodes([node], since) == expected


def test_a_lease_renewed_before_the_cable_was_plugged_in_does_not_count() -> None:
    leases = [
        {"metadata": {"name": "node1"}, "spec": {"renewTime": "2026-11-24T11:59:59.999999Z"}},
        {"metadata": {"name": "node2"}, "spec": {"renewTime": "2026-11-24T12:00:00.000001Z"}},
    ]

    assert renewed_leases(leases, NOON) == {"node2"}

"""An edit that is wrong leaves the cluster that runs as it is, says all that is wrong, and is forgotten once mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Cluster
from e2e.namespace import CRD, Namespace
from e2e.operator_process import Operator, install_rights, kubeconfig_of, operators, wait_for

pytestmark = pytest.mark.apiserver

NAME = "wrong-edit"


@pytest.fixture
def space(apiserver_cluster: Cluster, tmp_path: Path) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    apiserver_cluster.kubectl("apply", "-f", CRD)
    install_rights(apiserver_cluster, NAME)
    yield Namespace(apiserver_cluster, NAME, tmp_path, kubeconfig_of(apiserver_cluster, NAME, tmp_path))
    apiserver_cluster.kubectl("delete", "namespace", NAME, "--wait=false")


@pytest.fixture
def operator(space: Namespace) -> Iterator[Operator]:
    """One operator that leads there."""
    with operators(space.kubeconfig, space.folder) as running:
        yield running[0]


def uids(space: Namespace) -> set[str]:
    return {pod["metadata"]["uid"] for pod in space.pods("one")}


def patch(space: Namespace, **spec: Any) -> None:
    body = json.dumps({"spec": spec})
    space.kubectl("patch", "rayclusters.cluster.ray.io", "one", "--type=merge", "-p", body)


def test_what_runs_goes_on_and_all_that_is_wrong_is_said_at_once(
    space: Namespace, operator: Operator
) -> None:
    space.apply("one")
    wait_for("three pods", lambda: len(space.pods("one")) == 3)
    before = uids(space)
    annotations = {"no annotation": "x"}

    patch(space, headSetupCommands=["a\0b"], headService={"annotations": annotations})
    wait_for("a refusal", lambda: space.condition("one", "Accepted").get("status") == "False")
    refused, phase, during = space.condition("one", "Accepted"), space.status("one")["phase"], uids(space)
    patch(space, headSetupCommands=None, headService=None)
    wait_for("the end of it", lambda: space.condition("one", "Accepted").get("status") == "True")

    assert refused["reason"] == "InvalidSpec"
    assert "spec.headSetupCommands[0]: there is a NUL character in it; take it away" in refused["message"]
    assert "spec.headService.annotations.no annotation: no name of an annotation;" in refused["message"]
    assert phase == "Error"
    assert before == during == uids(space)
    assert space.status("one")["phase"] != "Error"
    assert [event["message"] for event in space.events("InvalidSpec")] == [refused["message"]]
    assert len(operator.log("NUL character")) <= 2  # the refusal, and the phase with its reason

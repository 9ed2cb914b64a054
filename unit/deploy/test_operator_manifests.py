"""deploy/operator.yaml and deploy/operator-pod.yaml: alike where they must be, safe, and what the code expects."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayctl.kube.terminations import MESSAGE
from rayctl.manager.settings import add_flags

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = ("operator.yaml", "operator-pod.yaml")


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def find(name: str, kind: str) -> dict[str, Any]:
    return next(document for document in documents(name) if document["kind"] == kind)


def pod_of(name: str) -> dict[str, Any]:
    """Return metadata and spec of the pod that a file makes."""
    if name == "operator-pod.yaml":
        return find(name, "Pod")
    template: dict[str, Any] = find(name, "Deployment")["spec"]["template"]
    return template


def test_the_names_are_the_seeds_and_so_is_the_order() -> None:
    made = [(document["kind"], document["metadata"]["name"]) for document in documents("operator-pod.yaml")]

    assert made == [
        ("ServiceAccount", "ray-operator-serviceaccount"),
        ("Role", "ray-operator-role"),
        ("RoleBinding", "ray-operator-rolebinding"),
        ("Pod", "ray-operator-pod"),
    ]


def test_both_files_give_the_same_rights_in_the_same_words() -> None:
    shared = [(DEPLOY / name).read_text().split("\n---\n") for name in FILES]

    without_head = [[parts[0].partition("apiVersion")[2], *parts[1:3]] for parts in shared]
    assert without_head[0] == without_head[1]


def test_both_files_run_the_same_pod() -> None:
    pods = [pod_of(name) for name in FILES]

    for pod in pods:
        for only_of_several in ("topologySpreadConstraints", "tolerations"):
            pod["spec"].pop(only_of_several, None)
    assert pods[0]["spec"] == pods[1]["spec"]
    assert pods[0]["metadata"]["labels"] == pods[1]["metadata"]["labels"] == {"component": "ray-operator"}


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_a_namespace(name: str) -> None:
    assert not [document for document in documents(name) if "namespace" in document["metadata"]]


@pytest.mark.parametrize("name", FILES)
def test_each_right_has_its_reason_beside_it(name: str) -> None:
    lines = (DEPLOY / name).read_text().splitlines()

    rules = [number for number, line in enumerate(lines) if line.startswith("- apiGroups:")]
    bare = [lines[number + 1] for number in rules if not lines[number - 1].lstrip().startswith("#")]

    assert bare == ["  resources: [leases]"], "the second rule on leases is explained by the first"


def test_the_named_lease_is_the_one_that_the_operator_takes() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    flags = parser.parse_args([])
    rules = find("operator.yaml", "Role")["rules"]

    named = [rule["resourceNames"] for rule in rules if "resourceNames" in rule]

    assert named == [[flags.lease_name]]


@pytest.mark.parametrize("name", FILES)
def test_the_kubelet_finds_a_replicas_name_where_it_looks_for_it(name: str) -> None:
    container = pod_of(name)["spec"]["containers"][0]

    assert container.get("terminationMessagePath", "/dev/termination-log") == str(MESSAGE)
    assert {"POD_NAME", "POD_UID"} <= {variable["name"] for variable in container["env"]}


@pytest.mark.parametrize("name", FILES)
def test_the_probes_ask_the_port_that_the_operator_listens_on(name: str) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    container = pod_of(name)["spec"]["containers"][0]

    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")}

    assert {ports[probe] for probe in probes} == {parser.parse_args([]).health_port}


def test_replicas_are_replaced_one_by_one_and_their_labels_are_selected() -> None:
    deployment = find("operator.yaml", "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        deployment["selector"],
        find("operator.yaml", "PodDisruptionBudget")["spec"]["selector"],
        deployment["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"],
    ]

    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert find("operator.yaml", "PodDisruptionBudget")["spec"]["minAvailable"] == 1
    spread = deployment["template"]["spec"]["topologySpreadConstraints"][0]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert all(selector == {"matchLabels": labels} for selector in selectors)

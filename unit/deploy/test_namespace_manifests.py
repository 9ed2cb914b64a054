"""The manifests for several namespaces and for all: the rights and the pod of deploy/operator.yaml, no more, no less."""

import argparse
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayctl.manager.places import ALL
from rayctl.manager.settings import add_flags, settings_from

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
EVERYWHERE = "operator-all-namespaces.yaml"
IN_ONE = "namespace-role.yaml"
Right = tuple[str, str, str, str]


def find(name: str, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / name).read_text())
    found: dict[str, Any] = next(document for document in documents if document["kind"] == kind)
    return found


def rights(name: str, kind: str) -> set[Right]:
    """Return what a role grants: group, resource, name of the object or '', verb."""
    return {
        (group, resource, named, verb)
        for rule in find(name, kind)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for named in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def test_for_all_namespaces_the_rights_are_those_of_one_and_each_is_given_once() -> None:
    everywhere, at_home = rights(EVERYWHERE, "ClusterRole"), rights(EVERYWHERE, "Role")

    assert everywhere | at_home == rights("operator.yaml", "Role")
    assert not everywhere & at_home


def test_what_only_concerns_the_operator_itself_is_granted_in_its_namespace_alone() -> None:
    at_home = rights(EVERYWHERE, "Role")

    assert {right for right in at_home if right[1] != "leases"} == {("", "pods", "", "patch")}


def test_one_more_namespace_has_the_rights_that_all_have_in_the_same_words() -> None:
    words = [
        (DEPLOY / name).read_text().partition("\nrules:")[2].partition("---")[0]
        for name in (EVERYWHERE, IN_ONE)
    ]

    assert words[0] == words[1] != ""
    assert rights(IN_ONE, "Role") == rights(EVERYWHERE, "ClusterRole")


@pytest.mark.parametrize(
    ("name", "kind", "role"),
    [
        pytest.param(EVERYWHERE, "ClusterRoleBinding", "ClusterRole", id="all namespaces"),
        pytest.param(EVERYWHERE, "RoleBinding", "Role", id="the operator's namespace"),
        pytest.param(IN_ONE, "RoleBinding", "Role", id="one more namespace"),
    ],
)
def test_the_rights_are_the_operators(name: str, kind: str, role: str) -> None:
    binding = find(name, kind)
    (subject,) = binding["subjects"]

    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == (
        role,
        find(name, role)["metadata"]["name"],
    )
    assert (subject["kind"], subject["name"]) == ("ServiceAccount", "ray-operator-serviceaccount")
    assert subject["namespace"]


def test_all_that_lives_in_a_namespace_names_that_of_the_operator() -> None:
    namespaces = set()
    for document in yaml.safe_load_all((DEPLOY / EVERYWHERE).read_text()):
        if document["kind"] not in {"Namespace", "ClusterRole", "ClusterRoleBinding"}:
            namespaces.add(document["metadata"]["namespace"])
        namespaces |= {subject["namespace"] for subject in document.get("subjects", [])}

    assert namespaces == {find(EVERYWHERE, "Namespace")["metadata"]["name"]}


@pytest.mark.parametrize("kind", ["Deployment", "PodDisruptionBudget", "ServiceAccount"])
def test_all_else_is_as_for_one_namespace(kind: str) -> None:
    one, every = find("operator.yaml", kind), find(EVERYWHERE, kind)

    del every["metadata"]["namespace"]
    if kind == "Deployment":
        for document in (one, every):
            del document["spec"]["template"]["spec"]["containers"][0]["args"]
    assert every == one


def watched(deployment: dict[str, Any]) -> tuple[str, ...]:
    """Return what a Deployment's arguments have the operator watch."""
    command, *flags = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    parser = argparse.ArgumentParser()
    add_flags(parser)
    assert command == "operator"
    return settings_from(parser.parse_args(flags), {}).namespaces


def test_the_operator_is_told_to_watch_all_namespaces() -> None:
    assert watched(find(EVERYWHERE, "Deployment")) == ALL


def commands_in(document: str) -> list[str]:
    """Return what docs say to pipe into kubectl."""
    text = (REPOSITORY / "docs" / document).read_text()
    return re.findall(r"^\$ (sed .*) \| kubectl", text, flags=re.MULTILINE)


def test_the_commands_of_the_docs_change_what_they_say() -> None:
    operator, role, token = (
        subprocess.run(["bash", "-c", command], cwd=REPOSITORY, capture_output=True, check=True).stdout
        for command in commands_in("operations.md")
    )
    deployment = next(part for part in yaml.safe_load_all(operator) if part["kind"] == "Deployment")
    bindings = [
        next(part for part in yaml.safe_load_all(given) if part["kind"] == "RoleBinding")
        for given in (role, token)
    ]

    assert watched(deployment) == ("ray", "blue", "green")
    assert [one["subjects"][0]["namespace"] for one in bindings] == ["platform", "ray-operator"]


def test_the_arguments_in_a_manifests_comment_watch_what_it_says() -> None:
    (said,) = re.findall(r"`args: (\[.*\])`", (DEPLOY / IN_ONE).read_text())
    _, *flags = yaml.safe_load(said)
    parser = argparse.ArgumentParser()
    add_flags(parser)

    assert settings_from(parser.parse_args(flags), {}).namespaces == ("ray", "blue")


@pytest.mark.parametrize("name", [EVERYWHERE, IN_ONE])
def test_each_right_has_its_reason_beside_it(name: str) -> None:
    lines = (DEPLOY / name).read_text().splitlines()

    rules = [number for number, line in enumerate(lines) if line.startswith("- apiGroups:")]
    bare = [lines[number + 1] for number in rules if not lines[number - 1].lstrip().startswith("#")]

    assert set(bare) <= {"  resources: [leases]"}, "the second rule on leases is explained by the first"


def test_a_token_is_read_by_a_right_to_one_secret_by_name_that_nobody_has_unasked() -> None:
    assert {(group, resource, verb) for group, resource, _, verb in rights("token-role.yaml", "Role")} == {
        ("", "secrets", "get")
    }
    assert all(named for _, _, named, _ in rights("token-role.yaml", "Role"))
    for name, kind in ((EVERYWHERE, "ClusterRole"), (IN_ONE, "Role"), ("operator.yaml", "Role")):
        assert "secrets" not in {resource for _, resource, _, _ in rights(name, kind)}

"""What the head's Service is refused for: what the API server would not take of it."""

from typing import Any

import pytest

from rayctl.api.document import SpecError
from rayctl.api.raycluster import parse_cluster
from unit.builders import a_cluster_document


def errors_of(**spec: Any) -> list[str]:
    try:
        parse_cluster(a_cluster_document(**spec))
    except SpecError as error:
        return [str(field) for field in error.fields]
    return []


def port(name: str = "web", number: Any = 80, target: Any = 80) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": target}


@pytest.mark.parametrize(
    ("ports", "error"),
    [
        pytest.param(
            [port(number=0)],
            "[0].port: 0 is no port; write a number from 1 to 65535",
            id="port 0",
        ),
        pytest.param(
            [{"name": "web", "targetPort": 80}],
            "[0].port: nothing is no port; write a number from 1 to 65535",
            id="no port",
        ),
        pytest.param(
            [port("a"), port("b")],
            "[1].port: 80 is there already; give each port a number of its own",
            id="a number twice",
        ),
        pytest.param(
            [port("a", 1), port("a", 2)],
            "[1].name: 'a' is there already; give each port a name of its own",
            id="a name twice",
        ),
        pytest.param(
            [port("Ray_Serve")],
            "[0].name: 'Ray_Serve' is no name of a Service's port; "
            "write a-z, 0-9 and '-', the first and last no '-', 63 at most",
            id="a name that is none",
        ),
        pytest.param(
            [port(target=70000)],
            "[0].targetPort: 70000 is no port; write a number from 1 to 65535",
            id="a target that is no port",
        ),
        pytest.param(
            [port(target="8000")],
            "[0].targetPort: '8000' is a number in quotes; take the quotes away",
            id="a target in quotes",
        ),
        pytest.param(
            [port(target="Web_Port")],
            "[0].targetPort: 'Web_Port' is no port's name; "
            "write the name as the container's ports have it: a-z, 0-9 and '-', 15 at most",
            id="a target that is no name",
        ),
    ],
)
def test_a_port_that_no_service_may_have_is_refused_in_words(ports: Any, error: str) -> None:
    assert errors_of(headServicePorts=ports) == [f"spec.headServicePorts{error}"]


@pytest.mark.parametrize("target", [1, 65535, "web", "8080-tcp", "a" * 15, ""])
def test_a_target_is_a_port_or_its_name(target: Any) -> None:
    assert errors_of(headServicePorts=[port(target=target)]) == []


@pytest.mark.parametrize("target", ["a" * 16, "-a", "a-", "a--b", "a b", "1-2", "a\n"])
def test_what_is_neither_is_refused(target: str) -> None:
    (error,) = errors_of(headServicePorts=[port(target=target)])

    assert error.startswith("spec.headServicePorts[0].targetPort: ")


@pytest.mark.parametrize("key", ["a", "a.b_c-d", "example.com/internal", "x" * 63, "A"])
def test_an_annotation_has_a_qualified_name(key: str) -> None:
    assert errors_of(headService={"annotations": {key: "x"}}) == []


@pytest.mark.parametrize("key", ["", "a b", "/a", "a/", "a/b/c", "Example.com/a", "x" * 64, "a\n"])
def test_another_name_is_refused(key: str) -> None:
    (error,) = errors_of(headService={"annotations": {key: "x"}})

    assert error.startswith("spec.headService.annotations.")
    assert error.endswith(": no name of an annotation; write such as example.com/internal")


def test_more_annotations_than_kubernetes_keeps_are_refused() -> None:
    assert errors_of(headService={"annotations": {"a": "x" * 262_144}}) == [
        "spec.headService.annotations: together more than 262144 bytes; Kubernetes keeps no more: shorten them"
    ]

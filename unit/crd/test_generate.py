"""The generated files are what the types give, and what the types' own code reads and writes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from crd.generate import CRD_FILE, REFERENCE_FILE, ROOT, custom_resource_definition, differences, generated
from rayctl.api.document import Json
from rayctl.api.names import TypeName
from rayctl.api.raycluster import parse_cluster
from rayctl.api.status import Condition, HeadStatus, RayClusterStatus, TypeStatus, status_document


def schema(*path: str) -> dict[str, Any]:
    node: Any = custom_resource_definition()
    node = node["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in path:
        node = node["items"] if step == "[]" else node["properties"][step]
    return dict(node)


class Seen(dict[str, Json]):
    """A document that notes which of its fields are asked for."""

    def __init__(self, **fields: Json) -> None:
        super().__init__(fields)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


def test_the_files_are_up_to_date() -> None:
    assert differences(ROOT) == ""


@pytest.mark.parametrize("name", [CRD_FILE, REFERENCE_FILE])
def test_a_change_by_hand_is_found(name: str, tmp_path: Path) -> None:
    for path, text in generated(ROOT).items():
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
    assert differences(tmp_path) == ""
    with (tmp_path / name).open("a") as file:
        file.write("by hand\n")

    found = differences(tmp_path)

    assert "-by hand\n" in found
    assert name in found


def test_the_crd_stays_small() -> None:
    assert (ROOT / CRD_FILE).stat().st_size < 40_000


def test_what_the_parser_reads_is_what_the_schema_has() -> None:
    pod: dict[str, Json] = {"spec": {"containers": [{"name": "ray", "image": "ray"}]}}
    port = Seen(name="client", port=1, targetPort=2)
    own_strategy, strategy, service = Seen(), Seen(), Seen()
    kind = Seen(name="head", podConfig=pod, upgradeStrategy=own_strategy)
    spec = Seen(
        headPodType="head",
        podTypes=[kind],
        headServicePorts=[port],
        headService=service,
        upgradeStrategy=strategy,
    )

    parse_cluster({"metadata": {"name": "demo"}, "spec": spec})

    assert spec.asked == schema("spec")["properties"].keys() - {"workerDefaultPodType"}
    assert kind.asked == schema("spec", "podTypes", "[]")["properties"].keys()
    assert service.asked == schema("spec", "headService")["properties"].keys()
    assert strategy.asked == own_strategy.asked == schema("spec", "upgradeStrategy")["properties"].keys()
    assert port.asked == schema("spec", "headServicePorts", "[]")["properties"].keys()


def test_what_the_operator_writes_is_what_the_schema_has() -> None:
    condition = Condition("HeadReady", None, "Why", "words", 1, datetime(2026, 1, 2, tzinfo=UTC))
    document: Any = status_document(
        RayClusterStatus(
            phase="Running",
            head=HeadStatus(ready=True),
            pod_types=(TypeStatus(TypeName("cpu"), 1, 2, 2, 1, 3),),
            conditions=(condition,),
        )
    )

    jsonschema.validate(document, schema("status"))
    assert document.keys() == schema("status")["properties"].keys()
    assert document["head"].keys() == schema("status", "head")["properties"].keys()
    assert document["podTypes"][0].keys() == schema("status", "podTypes", "[]")["properties"].keys()
    assert document["conditions"][0].keys() == schema("status", "conditions", "[]")["properties"].keys()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(("spec",), id="spec"),
        pytest.param(("spec", "podTypes", "[]"), id="pod type"),
        pytest.param(("spec", "headServicePorts", "[]"), id="port"),
        pytest.param(("spec", "headService"), id="Service"),
        pytest.param(("spec", "upgradeStrategy"), id="strategy"),
        pytest.param(("status",), id="status"),
        pytest.param(("status", "head"), id="head"),
        pytest.param(("status", "podTypes", "[]"), id="type's status"),
        pytest.param(("status", "conditions", "[]"), id="condition"),
    ],
)
def test_each_field_is_explained_in_a_sentence(path: tuple[str, ...]) -> None:
    mute = [
        name
        for name, field in schema(*path)["properties"].items()
        if len(field["description"]) < 12 or not field["description"].endswith((".", "6379", "HeadReady"))
    ]

    assert mute == []


def test_only_what_has_no_default_is_required() -> None:
    assert schema("spec")["required"] == ["headPodType", "podTypes"]
    assert schema("spec", "podTypes", "[]")["required"] == ["name", "podConfig"]
    assert schema("spec", "headServicePorts", "[]")["required"] == ["name", "port", "targetPort"]
    assert "required" not in schema("spec", "headService")
    assert "required" not in schema("spec", "upgradeStrategy")


def test_no_default_is_written_into_the_schema() -> None:
    """A default in the schema would be stored in each object, and a later operator's could not take its place."""
    assert "default" not in str(list(_keys(custom_resource_definition())))


def _keys(node: Any) -> Any:
    match node:
        case dict():
            for key, value in node.items():
                yield key
                yield from _keys(value)
        case list():
            for value in node:
                yield from _keys(value)
        case _:
            return

"""Our protocol against that of the `ray` package and of the oldest Ray that is autoscaled, and its own code.

``unit/golden/ray-2.7.0-protocol.json`` is what DESCRIBE printed for Ray 2.7.0, as far as it is about our messages.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.channel import Method

ROOT = Path(__file__).parent.parent.parent
MESSAGES = pb.DESCRIPTOR.message_types_by_name
ENUMS = pb.DESCRIPTOR.enum_types_by_name

Fields: TypeAlias = dict[str, list[object]]

# Run apart: importing ray takes a second, and it registers messages and hooks of its own in the process.
DESCRIBE = """
import json
from ray.core.generated import autoscaler_pb2, common_pb2, gcs_pb2, gcs_service_pb2

def kind(field):
    of = field.message_type or field.enum_type
    return [field.number, field.type, field.is_repeated, of.name if of else ""]

def fields(message):
    return {field.name: kind(field) for field in message.fields} | {
        f"{nested.name}.{name}": value for nested in message.nested_types for name, value in fields(nested).items()
    }

files = [module.DESCRIPTOR for module in (gcs_service_pb2, gcs_pb2, common_pb2, autoscaler_pb2)]
services = (
    autoscaler_pb2.DESCRIPTOR.services_by_name["AutoscalerStateService"],
    gcs_service_pb2.DESCRIPTOR.services_by_name["JobInfoGcsService"],
)
print(json.dumps({
    "messages": {m.name: fields(m) for file in files for m in file.message_types_by_name.values()},
    "enums": {
        e.name: {v.name: v.number for v in e.values} for file in files for e in file.enum_types_by_name.values()
    },
    "methods": [f"/{service.full_name}/{method.name}" for service in services for method in service.methods],
}))
"""


@pytest.fixture(scope="module")
def rays() -> dict[str, Any]:
    ran = subprocess.run([sys.executable, "-c", DESCRIBE], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    described: dict[str, Any] = json.loads(ran.stdout)
    return described


def fields(message: Descriptor) -> Fields:
    """Ours, as DESCRIBE tells Ray's."""
    own = {field.name: kind(field) for field in message.fields}
    for nested in message.nested_types:
        own |= {f"{nested.name}.{name}": value for name, value in fields(nested).items()}
    return own


def kind(field: FieldDescriptor) -> list[object]:
    of: Descriptor | EnumDescriptor | None = field.message_type or field.enum_type
    return [field.number, field.type, field.is_repeated, of.name if of else ""]


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_each_field_of_a_message_is_rays(name: str, rays: dict[str, Any]) -> None:
    own, theirs = fields(MESSAGES[name]), rays["messages"][name]

    assert {field: theirs.get(field) for field in own} == own


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_each_value_of_an_enumeration_is_rays(name: str, rays: dict[str, Any]) -> None:
    assert {value.name: value.number for value in ENUMS[name].values} == rays["enums"][name]


def test_each_method_is_rays(rays: dict[str, Any]) -> None:
    assert {method.path for method in Method} <= set(rays["methods"])


def test_the_request_for_the_state_has_no_version_to_be_set() -> None:
    assert list(pb.GetClusterResourceStateRequest.DESCRIPTOR.fields) == []


OLDEST: dict[str, Any] = json.loads((ROOT / "unit" / "golden" / "ray-2.7.0-protocol.json").read_text())

RENAMED = {("ClusterResourceConstraint", "resource_requests"): "min_bundles"}
"""Names are not sent."""

LATER = {
    ("DrainNodeReply", "rejection_reason_message"),
    ("DrainNodeRequest", "deadline_timestamp_ms"),
    ("GangResourceRequest", "bundle_selectors"),
    ("GetAllJobInfoRequest", "skip_is_running_tasks_field"),
    ("GetAllJobInfoRequest", "skip_submission_job_info_field"),
    ("NodeState", "LabelsEntry.key"),
    ("NodeState", "LabelsEntry.value"),
    ("NodeState", "labels"),
    ("ResourceRequest", "label_selectors"),
}
"""What came after 2.7. Sent to it, it is skipped; from it, it is empty: nodes have no labels, demands no selectors."""

LATER_MESSAGES = {"BundleSelector", "LabelSelector", "LabelSelectorConstraint"}


def test_the_oldest_ray_knows_our_calls() -> None:
    assert {method.path for method in Method} <= set(OLDEST["methods"])


@pytest.mark.parametrize("name", sorted(set(MESSAGES) - LATER_MESSAGES))
def test_each_field_of_a_message_is_the_oldest_rays_or_a_later_one(name: str) -> None:
    own, theirs = fields(MESSAGES[name]), OLDEST["messages"][name]
    known = {field: theirs.get(RENAMED.get((name, field), field)) for field in own}
    lacks = {field for field, value in known.items() if value is None}

    assert known == own | dict.fromkeys(lacks)
    assert {(name, field) for field in lacks} == {each for each in LATER if each[0] == name}
    numbers = {number for number, *_ in theirs.values()}
    assert not numbers & {own[field][0] for field in lacks if "." not in field}, (
        "nor is it something else to it"
    )


@pytest.mark.parametrize("name", sorted(OLDEST["enums"]))
def test_each_value_of_an_enumeration_is_the_oldest_rays(name: str) -> None:
    assert {value.name: value.number for value in ENUMS[name].values} == OLDEST["enums"][name]


@pytest.mark.parametrize("suffix", ["py", "pyi"])
def test_the_generated_code_is_up_to_date(suffix: str, tmp_path: Path) -> None:
    compiler = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}"]
    outputs = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]

    subprocess.run([*compiler, *outputs, "rayctl/gcs/protocol.proto"], cwd=ROOT, check=True)

    generated = (tmp_path / "rayctl" / "gcs" / f"protocol_pb2.{suffix}").read_text()
    committed = (ROOT / "rayctl" / "gcs" / f"protocol_pb2.{suffix}").read_text()
    assert committed == generated, "run make proto"

"""A bed that is recorded: bodies in the audit log, JSON in etcd; others have neither."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from e2e.cluster.controlplane import PORTS, ControlPlane
from e2e.cluster.interface import Component, Profile
from e2e.cluster.layout import Layout
from e2e.cluster.state import Facts

FACTS = Facts(
    "b", Profile.APISERVER, "", {port: 20000 + n for n, port in enumerate(PORTS)}, "/programs", recorded=True
)


@pytest.mark.parametrize("recorded", [True, False])
def test_only_a_recorded_bed_has_bodies_in_its_audit_log_and_json_in_etcd(
    tmp_path: Path, *, recorded: bool
) -> None:
    plane = ControlPlane(Layout(tmp_path), replace(FACTS, recorded=recorded))
    plane.prepare()

    levels = {rule["level"] for rule in yaml.safe_load((tmp_path / "audit-policy.yaml").read_text())["rules"]}

    assert ("RequestResponse" in levels) == recorded
    assert ("--storage-media-type=application/json" in plane.arguments(Component.APISERVER)) == recorded

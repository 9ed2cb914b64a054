"""Where a process leaves its name for the kubelet."""

from pathlib import Path

import pytest

from rayctl.kube.terminations import sign


def test_a_process_leaves_its_name_alone(tmp_path: Path) -> None:
    message = tmp_path / "termination-log"
    message.write_text("what somebody wrote before, and more of it")

    sign("operator-a_uid-a_20260101T120000", message)

    assert message.read_text() == "operator-a_uid-a_20260101T120000"


def test_where_no_kubelet_looks_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sign("me", tmp_path / "termination-log")

    assert list(tmp_path.iterdir()) == []

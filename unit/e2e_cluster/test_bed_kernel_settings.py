"""What kubelets change on the machine is as before when the last bed is gone."""

from pathlib import Path

import pytest

from e2e.cluster.kernel_settings import NAMES, remember, restore


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A stand-in for /proc/sys in which every setting is 0."""
    for name in NAMES:
        (tmp_path / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / name).write_text("0\n")
    return tmp_path / "sys"


def test_values_are_as_before_the_first_bed_although_a_second_came(tmp_path: Path, kernel: Path) -> None:
    remember(tmp_path, kernel)
    (kernel / "kernel/panic").write_text("10\n")
    remember(tmp_path, kernel)

    restore(tmp_path, kernel)

    assert (kernel / "kernel/panic").read_text().strip() == "0"
    assert [p.name for p in tmp_path.iterdir()] == ["sys"]


def test_without_a_bed_before_nothing_is_written(tmp_path: Path, kernel: Path) -> None:
    (kernel / "kernel/panic").write_text("7\n")

    restore(tmp_path, kernel)

    assert (kernel / "kernel/panic").read_text() == "7\n"


def test_a_setting_that_this_kernel_does_not_have_is_left_out(tmp_path: Path, kernel: Path) -> None:
    (kernel / "kernel/panic_on_oops").unlink()

    remember(tmp_path, kernel)
    restore(tmp_path, kernel)

    assert not (kernel / "kernel/panic_on_oops").exists()

"""Which provider is chosen, and what the command line refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.cluster.choice import Provider, choose_provider
from e2e.cluster.cli import main
from e2e.cluster.interface import BedError, Profile
from e2e.cluster.k3s import k3s_image, why_unavailable


def available() -> None:
    return None


def unavailable() -> str:
    return "no Docker engine answers"


@pytest.mark.parametrize(
    ("asked", "profile", "probe", "expected"),
    [
        pytest.param(None, Profile.NODES, available, Provider.K3S, id="Docker is there"),
        pytest.param(None, Profile.NODES, unavailable, Provider.LOCAL, id="no Docker"),
        pytest.param(None, Profile.APISERVER, available, Provider.LOCAL, id="without nodes always local"),
        pytest.param("", Profile.NODES, unavailable, Provider.LOCAL, id="an empty name is no name"),
        pytest.param("local", Profile.NODES, available, Provider.LOCAL, id="local by name"),
        pytest.param(
            "k3s", Profile.APISERVER, unavailable, Provider.K3S, id="a name is obeyed without a probe"
        ),
        pytest.param("existing", Profile.NODES, available, Provider.EXISTING, id="existing by name only"),
    ],
)
def test_a_name_wins_then_the_first_that_can_run(
    asked: str | None, profile: Profile, probe: Callable[[], str | None], expected: Provider
) -> None:
    assert choose_provider(asked, profile, probe) is expected


def test_an_unknown_provider_is_answered_with_those_there_are() -> None:
    with pytest.raises(BedError, match=r"CLUSTER=kind.*existing, k3s, local"):
        choose_provider("kind", Profile.NODES, unavailable)


def test_without_an_engine_k3s_says_why_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    assert "no Docker engine answers" in str(why_unavailable())


def test_k3s_is_of_the_same_version_as_the_programs_we_build() -> None:
    assert k3s_image() == "rancher/k3s:v1.37.2-k3s1"


def test_up_refuses_a_provider_that_would_not_outlive_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYCTL_BED_DIR", str(tmp_path))
    monkeypatch.setenv("CLUSTER", "k3s")

    assert main(["up"]) == 1
    assert "only beds of this machine" in capsys.readouterr().err


def test_the_environment_of_a_bed_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYCTL_BED_DIR", str(tmp_path))

    assert main(["shell-env", "--name", "none"]) == 1
    assert "there is no bed 'none'" in capsys.readouterr().err

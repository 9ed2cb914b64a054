import argparse

import pytest

from rayctl.core.election import Terms
from rayctl.manager.settings import Settings, SettingsError, add_flags, settings_from
from rayctl.telemetry.logs import Prefix


def parse(*words: str, env: dict[str, str] | None = None) -> Settings:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return settings_from(parser.parse_args(words), env or {})


def test_the_defaults_work_together() -> None:
    settings = parse()

    assert settings.terms == Terms(lease=15, renew_deadline=10, retry_period=2)
    assert settings.log_prefix is Prefix.NAME


def test_the_legacy_variable_names_the_namespace_and_the_flag_wins() -> None:
    env = {"RAY_OPERATOR_POD_NAMESPACE": "ray"}

    assert parse(env=env).namespace == "ray"
    assert parse("-n", "other", env=env).namespace == "other"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(
            ["--lease-duration", "5"], "longer than the next", id="the lease ends before the deadline"
        ),
        pytest.param(["--retry-period", "0"], "longer than the next", id="no pause between renewals"),
        pytest.param(
            ["--lease-duration", "0.8", "--renew-deadline", "0.5", "--retry-period", "0.2"],
            "from 1 to",
            id="a lease of less than a second",
        ),
        pytest.param(["--lease-duration", "inf"], "from 1 to", id="a lease for ever"),
        pytest.param(["--health-port", "99999"], "is no port", id="a port that there is not"),
        pytest.param(["--parallel-calls", "0"], "--parallel-calls", id="no calls at all"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(words: list[str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse(*words)

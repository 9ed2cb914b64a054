import argparse

import pytest

from rayctl.core.election.lease import Terms
from rayctl.manager.places import ALL
from rayctl.manager.settings import Settings, SettingsError, add_flags, places, settings_from
from rayctl.telemetry.logs import Prefix


def parse(*words: str, env: dict[str, str] | None = None) -> Settings:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return settings_from(parser.parse_args(words), env or {})


def test_the_defaults_work_together() -> None:
    settings = parse()

    assert settings.terms == Terms(lease=15, renew_deadline=10, retry_period=2)
    assert settings.log_prefix is Prefix.NAME


LEGACY = {"RAY_OPERATOR_POD_NAMESPACE": "ray"}
OWN = "of-the-kubeconfig"


@pytest.mark.parametrize(
    ("words", "env", "watched"),
    [
        pytest.param([], {}, (OWN,), id="nothing said: the kubeconfig's or the pod's"),
        pytest.param([], LEGACY, ("ray",), id="the legacy variable"),
        pytest.param(["-n", "other"], LEGACY, ("other",), id="the flag wins over the variable"),
        pytest.param(["-n", "blue, green,", "--namespace=red"], {}, ("blue", "green", "red"), id="a list"),
        pytest.param(["-n", "blue,green", "-n", "blue"], {}, ("blue", "green"), id="a name twice"),
        pytest.param(["-A"], LEGACY, ALL, id="all of them"),
    ],
)
def test_what_is_watched_is(words: list[str], env: dict[str, str], watched: tuple[str, ...]) -> None:
    assert places(parse(*words, env=env), OWN).watched == watched


@pytest.mark.parametrize(
    ("words", "env", "lease", "pod"),
    [
        pytest.param([], {}, OWN, OWN, id="nothing said: what is watched"),
        pytest.param(["-n", "blue,green"], {}, "blue", "blue", id="the first that is watched"),
        pytest.param(["-A"], {}, OWN, OWN, id="all are watched: the kubeconfig's or the pod's"),
        pytest.param(["-n", "blue"], LEGACY, "ray", "ray", id="where the pod runs, watched or not"),
        pytest.param([], {**LEGACY, "POD_NAMESPACE": "home"}, "home", "home", id="the pod's own variable"),
        pytest.param(["-A", "--lease-namespace=locks"], LEGACY, "locks", "ray", id="the Lease elsewhere"),
    ],
)
def test_the_lease_and_the_pod_are_in(words: list[str], env: dict[str, str], lease: str, pod: str) -> None:
    where = places(parse(*words, env=env), OWN)

    assert (where.lease, where.pod) == (lease, pod)


@pytest.mark.parametrize(
    ("words", "prefix"),
    [
        pytest.param(["-n", "blue"], Prefix.NAME, id="one namespace"),
        pytest.param(["-n", "blue,blue"], Prefix.NAME, id="one namespace, named twice"),
        pytest.param(["-n", "blue,green"], Prefix.NAME_NAMESPACE, id="several"),
        pytest.param(["-A"], Prefix.NAME_NAMESPACE, id="all"),
        pytest.param(["-A", "--log-prefix=name"], Prefix.NAME, id="all, and the flag says otherwise"),
        pytest.param(["--log-prefix=name,namespace"], Prefix.NAME_NAMESPACE, id="one, and likewise"),
    ],
)
def test_lines_name_the_namespace_where_a_name_alone_does_not_tell(words: list[str], prefix: Prefix) -> None:
    assert parse(*words).log_prefix is prefix


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
        pytest.param(["-n", "blue", "-A"], "exclude each other", id="one namespace and all of them"),
        pytest.param(["-n", ""], "''.* names no namespace.*--all-namespaces", id="an empty name"),
        pytest.param(["-n", "blue", "-n", ","], "','.* names no namespace", id="a comma for a name"),
        pytest.param(["-n", "*"], r"--namespace: '\*' is no namespace's name", id="an asterisk for all"),
        pytest.param(["--lease-namespace", "Home"], "--lease-namespace: 'Home' is no", id="a capital"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(words: list[str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse(*words)


def test_a_variable_that_names_no_namespace_is_refused_by_its_name() -> None:
    with pytest.raises(SettingsError, match="RAY_OPERATOR_POD_NAMESPACE: 'a,b' is no namespace's name"):
        parse(env={"RAY_OPERATOR_POD_NAMESPACE": "a,b"})

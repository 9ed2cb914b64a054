"""Each bad spec is refused in words or runs, and nobody else has to suffer for it: on a real API server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.badspecs.by_hand import End
from e2e.badspecs.mutation import Steps
from e2e.badspecs.story import Story, tell
from e2e.cluster import Cluster
from e2e.cluster.network import free_ports
from e2e.namespace import CRD
from e2e.operator_process import Operator, install_rights, kubeconfig_of, operators

pytestmark = pytest.mark.apiserver

NAMESPACE = "bad-specs"


@pytest.fixture(scope="module")
def told(
    apiserver_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Story, Operator]]:
    """What befell, and the operator that it befell."""
    folder: Path = tmp_path_factory.mktemp("bad-specs")
    apiserver_cluster.kubectl("apply", "-f", CRD)
    install_rights(apiserver_cluster, NAMESPACE)
    kubeconfig = kubeconfig_of(apiserver_cluster, NAMESPACE, folder)
    (port,) = free_ports(1, ())
    with operators(kubeconfig, folder, "--health-port", str(port)) as (operator,):
        yield asyncio.run(tell(apiserver_cluster.kubeconfig, NAMESPACE, operator, port)), operator
    apiserver_cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_each_ends_in_words_or_in_pods(told: tuple[Story, Operator]) -> None:
    story, _ = told

    mute = [case.spec.says for case in story.cases if case.end is None]
    wordless = [case.spec.says for case in story.cases if case.end is not End.RUNS and not case.told]

    assert mute == []
    assert wordless == []


def test_each_of_those_that_people_write_ends_as_it_should(told: tuple[Story, Operator]) -> None:
    story, _ = told
    known = [(case, case.expected) for case in story.cases if case.expected is not None]

    otherwise = [
        f"{case.spec.says}: {case.end}, not {expected.end}: {case.told}"
        for case, expected in known
        if case.end is not expected.end
    ]
    unsaid = [
        f"{case.spec.says}: {expected.word!r} is not in: {case.told}"
        for case, expected in known
        if expected.word not in case.told
    ]

    assert otherwise == []
    assert unsaid == []


def test_what_is_refused_is_refused_with_the_fields_name(told: tuple[Story, Operator]) -> None:
    story, _ = told
    wrong = [case for case in story.cases if case.end is not End.RUNS]

    nameless = [
        f"{case.spec.says}: {case.told[:300]}"
        for case in wrong
        if not any(name in case.told for name in _last_names(case.spec.path))
    ]

    assert len(wrong) > len(story.cases) / 2
    assert nameless == []


def _last_names(path: Steps) -> list[str]:
    """Return the names of a field and of the one that it is in."""
    return [step for step in path if isinstance(step, str) and not step.isdecimal()][-2:]


def test_a_good_one_amid_them_has_its_pods_at_once(told: tuple[Story, Operator]) -> None:
    story, _ = told

    assert story.good_after <= 8  # the Service is most of it: the API server makes some 20 a second


def test_the_operator_lives_and_has_nothing_to_be_sorry_for(told: tuple[Story, Operator]) -> None:
    _, operator = told

    assert operator.leads()
    assert operator.log("Traceback|Reconciling failed|Error:|cannot be read") == []


def test_nothing_moves_afterwards_but_what_is_tried_again(told: tuple[Story, Operator]) -> None:
    """What the API server refuses is tried again, less and less often; nobody else is written to."""
    story, operator = told
    retried = [case for case in story.cases if case.end is End.NO_PODS]
    kept = [case for case in story.cases if case.end is not End.REFUSED]

    lines = Counter(line.split(":")[0] for line in operator.log("^bad-"))

    assert [case.spec.says for case in story.restless] == []
    assert story.quiet.total() <= 15 + 4 * len(retried), story.quiet
    assert story.total.total() <= 15 * len(kept), story.total
    assert lines.most_common(1)[0][1] <= 30, lines.most_common(3)

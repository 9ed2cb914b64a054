"""Whatever a spec holds, it is a cluster that can be decided on and built, or it is refused in words."""

from collections.abc import Iterator

import orjson
import pytest

from e2e.badspecs.by_hand import End, by_hand
from e2e.badspecs.mutation import BadSpec, every_mutation, some_mutations
from rayctl.api.document import SpecError
from rayctl.api.raycluster import RayCluster
from rayctl.core.reconcile.actions import Action, ApplyService, CreatePod
from rayctl.kube.decode import cluster_view
from unit.core.reconcile.passes import apply, pass_over, seen

LONGEST_MESSAGE = 32_768
"""What Kubernetes' conventions give a condition's message."""


@pytest.fixture(scope="module")
def mutations() -> list[BadSpec]:
    """Bad specs. To metadata the API server itself sees: nothing else of them could be read."""
    return [spec for spec in some_mutations(1000) if spec.path[0] == "spec"]


def parsed(spec: BadSpec) -> RayCluster | SpecError:
    return cluster_view(spec.body(namespace="ray", uid="uid")).spec


def actions_of(cluster: RayCluster) -> Iterator[Action]:
    """The actions of the first two passes: head and Service, then workers."""
    state = seen(cluster, service_fingerprint=None)
    for _ in range(2):
        decision = pass_over(cluster, state)
        yield from decision.actions
        state = apply(cluster, state, decision.actions)


@pytest.mark.parametrize("part", range(10))
def test_a_mutated_spec_is_refused_in_words_or_built(mutations: list[BadSpec], part: int) -> None:
    for spec in mutations[part::10]:
        result = parsed(spec)

        if isinstance(result, SpecError):
            assert all(error.path and error.problem and error.fix for error in result.fields), spec.says
            assert 0 < len(str(result)) < LONGEST_MESSAGE, spec.says
            assert str(result).isprintable(), spec.says
            continue
        for action in actions_of(result):
            if isinstance(action, (CreatePod, ApplyService)):
                assert orjson.dumps(action.manifest), spec.says


@pytest.mark.parametrize(
    ("spec", "end"), [pytest.param(case.spec, case.end, id=case.spec.says) for case in by_hand()]
)
def test_what_the_api_server_lets_through_is_judged_as_it_should_be(spec: BadSpec, end: End) -> None:
    result = parsed(spec)

    if end is End.NOT_ACCEPTED:
        assert isinstance(result, SpecError)
    if end in {End.RUNS, End.NO_PODS}:
        assert isinstance(result, RayCluster)


def test_there_are_thousands_of_mutations_and_the_same_ones_each_time() -> None:
    assert sum(1 for _ in every_mutation()) > 4000
    assert [spec.says for spec in some_mutations(300)] == [spec.says for spec in some_mutations(300)]


def test_what_is_chosen_of_them_touches_each_field_and_each_way() -> None:
    chosen = some_mutations(300)

    assert {spec.path for spec in chosen} == {spec.path for spec in every_mutation()}
    assert len({spec.says for spec in chosen}) == 300

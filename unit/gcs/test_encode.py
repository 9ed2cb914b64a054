"""The planner's records on their way to the GCS: what comes back is what went."""

from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.quantity import MAX_AMOUNT
from rayctl.core.autoscale.demand import GRAIN, Demand, Gang, GroupId, Selector, Strategy, Term
from rayctl.core.autoscale.feedback import Feedback
from rayctl.gcs import encode
from rayctl.gcs.asked import Gangs, Tally

AMOUNTS = st.integers(1, 10**12) | st.integers(1, MAX_AMOUNT).map(lambda whole: whole * GRAIN)
SHAPES = st.dictionaries(st.sampled_from(["CPU", "GPU", "memory", "x"]), AMOUNTS).map(
    lambda amounts: tuple(sorted(amounts.items()))
)
VALUES = st.text("ab-./ü", max_size=3)
TERMS = st.builds(Term, st.sampled_from(["zone", "gpu"]), st.booleans(), st.frozensets(VALUES, max_size=2))


def _sorted(terms: list[Term]) -> Selector:
    return tuple(sorted(terms, key=lambda term: (term.key, term.is_in, sorted(term.values))))


SELECTORS = st.lists(st.lists(TERMS, min_size=1, max_size=2).map(_sorted), max_size=2, unique=True).map(tuple)
DEMANDS = st.lists(
    st.builds(Demand, SHAPES, st.integers(1, 2**40), SELECTORS),
    unique_by=lambda demand: (demand.shape, demand.selectors),
    max_size=4,
)


@given(DEMANDS)
def test_a_constraint_that_was_read_is_requested_as_it_was(demands: list[Demand]) -> None:
    tally = Tally()

    tally.add_each(encode.constraint_request(demands).cluster_resource_constraint)

    assert tally.demands() == tuple(demands)
    assert tally.left_out == 0


@given(DEMANDS)
def test_infeasible_demands_are_told_in_the_shapes_that_ray_asked_for(demands: list[Demand]) -> None:
    told = encode.report(
        Feedback(infeasible=tuple(demands)), 1
    ).autoscaling_state.infeasible_resource_requests
    tally = Tally()
    for request, demand in zip(told, demands, strict=True):
        tally.add(request, demand.count)

    assert tally.demands() == tuple(demands)


def test_an_infeasible_placement_group_is_told_bundle_by_bundle() -> None:
    gang = Gang(Strategy.STRICT_PACK, (Demand((("CPU", 20_000),), 3),), 1, GroupId("ab" * 18))
    told = encode.report(Feedback(infeasible_gangs=(gang,)), 1).autoscaling_state
    gangs = Gangs()

    gangs.add(told.infeasible_gang_resource_requests[0])

    assert gangs.gangs() == (gang,)
    assert not told.infeasible_cluster_resource_constraints

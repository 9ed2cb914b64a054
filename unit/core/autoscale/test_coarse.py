"""Rounding many shapes to few: P13 of the design."""

from collections.abc import Iterable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rayctl.core.autoscale.coarse import EXACT, Totals, no_rounding, rounding_to
from rayctl.core.autoscale.demand import GRAIN, Demand, Shape
from unit.core.autoscale.situations import GIB, amounts, an_offer, planned

NODE = amounts(CPU=16, memory=64)
rounding = rounding_to([NODE])


def shapes(count: int, seed: int = 0) -> list[Shape]:
    dice = Random(seed)
    return [
        (("CPU", dice.randint(1, 16) * GRAIN), ("memory", dice.randint(1, 70 * GIB) * GRAIN))
        for _ in range(count)
    ]


def once_each(shapes: Iterable[Shape]) -> Totals:
    return {(shape, ()): 1 for shape in shapes}


def test_few_shapes_are_planned_as_they_are() -> None:
    totals = once_each(shapes(EXACT))

    assert rounding(totals) == no_rounding(totals)


@settings(deadline=None, max_examples=20)
@given(st.integers(EXACT + 1, 3000), st.integers())
def test_rounding_is_upwards_by_an_eighth_at_most_and_loses_nothing(count: int, seed: int) -> None:
    totals = once_each(shapes(count, seed))

    rounded = rounding(totals)

    assert sorted(shape for parts in rounded.values() for shape, _ in parts) == sorted(
        shape for shape, _ in totals
    )
    for (near, _), parts in rounded.items():
        for shape, _ in parts:
            for (name, up), (same, amount) in zip(near, shape, strict=True):
                assert name == same
                assert amount <= up <= amount * 9 / 8


@settings(deadline=None, max_examples=20)
@given(st.integers())
def test_nothing_is_rounded_out_of_a_node_that_it_fits(seed: int) -> None:
    for (near, _), parts in rounding(once_each(shapes(500, seed))).items():
        for shape, _ in parts:
            assert fits(near) == fits(shape)


def fits(shape: Shape) -> bool:
    return all(amount <= NODE[name] for name, amount in shape)


def test_halves_of_a_node_stay_halves() -> None:
    halves: list[Shape] = [(("memory", 32 * GIB * GRAIN),)]
    halves += [(("memory", 31 * GIB * GRAIN + number),) for number in range(EXACT)]

    rounded = rounding(once_each(halves))

    assert ((("memory", 32 * GIB * GRAIN),), ()) in rounded


@settings(deadline=None, max_examples=8)
@given(st.integers(), st.booleans())
def test_of_many_shapes_exactly_those_stay_unmet_that_fit_no_node(seed: int, by_request: bool) -> None:
    asked = shapes(400, seed)
    offer = an_offer("large", CPU=16, memory=64, maximum=10_000)
    demands = [Demand(shape, 1) for shape in asked]

    outcome = planned(
        *([] if by_request else demands),
        request=demands if by_request else [],
        types=[offer],
        speed=10_000.0,
    )

    unmet = {unmet.subject.shape for unmet in outcome.unmet if isinstance(unmet.subject, Demand)}
    assert unmet == {shape for shape in asked if not fits(shape)}

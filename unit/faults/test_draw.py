"""Faults come from the seed."""

from __future__ import annotations

import random

from e2e.faults.nemesis import WEIGHTS, draw


def test_the_same_seed_draws_the_same_faults_and_another_others() -> None:
    def drawn(seed: int) -> list[object]:
        rng = random.Random(seed)
        return [draw(rng) for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_every_kind_comes_up_among_a_few_hundred() -> None:
    rng = random.Random(3)

    assert {draw(rng).kind for _ in range(700)} == set(WEIGHTS)

"""Waits between attempts."""

import pytest

from rayctl.kube.backoff import Backoff


def test_waits_double_up_to_the_limit_and_are_cut_by_a_half_at_most() -> None:
    backoff = Backoff(1, 5)

    waits = [backoff.next() for _ in range(5)]

    for wait, whole in zip(waits, [1, 2, 4, 5, 5], strict=True):
        assert whole / 2 <= wait <= whole


def test_a_limit_for_one_wait_does_not_stop_the_growth() -> None:
    backoff = Backoff(1, 60)

    assert max(backoff.next(limit=2) for _ in range(5)) <= 2
    assert backoff.next() >= 16


@pytest.mark.parametrize("seed", range(3))
def test_waits_differ_so_that_replicas_do_not_ask_together(seed: int) -> None:
    backoffs = [Backoff(1 + seed, 60) for _ in range(10)]

    assert len({backoff.next() for backoff in backoffs}) > 1


def test_after_a_reset_the_first_wait_comes_again() -> None:
    backoff = Backoff(1, 60)
    for _ in range(5):
        backoff.next()

    backoff.reset()

    assert backoff.next() <= 1

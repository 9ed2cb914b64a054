from datetime import UTC, datetime, timedelta

from rayctl.core.reconcile.trouble import FIRST_RETRY, LONGEST_RETRY, blocked_for, worse

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_the_first_refusal_is_retried_soon_and_later_ones_twice_as_late_up_to_a_limit() -> None:
    trouble = None
    waits = []
    for _ in range(12):
        trouble = worse(trouble, "exceeded quota", NOW)
        waits.append(blocked_for(trouble, NOW))

    assert waits[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert waits[-1] == LONGEST_RETRY
    assert trouble is not None
    assert trouble.failures == 12


def test_nothing_is_blocked_without_trouble_or_after_its_time() -> None:
    trouble = worse(None, "exceeded quota", NOW)

    assert blocked_for(None, NOW) == 0
    assert blocked_for(trouble, NOW + timedelta(seconds=FIRST_RETRY)) == 0

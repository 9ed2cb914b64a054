from datetime import UTC, datetime, timedelta

from rayctl.core.reconcile.trouble import FIRST_RETRY, LONGEST_RETRY, blocked_for, ended, worse

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


def test_a_pod_that_ended_is_replaced_at_once_the_first_time_and_later_with_back_off() -> None:
    first = ended(None, "OOMKilled", NOW)
    second = ended(first, "OOMKilled", NOW)
    third = ended(second, "OOMKilled", NOW)

    assert [blocked_for(trouble, NOW) for trouble in (first, second, third)] == [0, 10, 20]


def test_after_ten_quiet_minutes_an_ended_pod_is_the_first_again() -> None:
    often = ended(ended(ended(None, "OOMKilled", NOW), "OOMKilled", NOW), "OOMKilled", NOW)
    later = NOW + timedelta(seconds=LONGEST_RETRY + 60)

    assert ended(often, "OOMKilled", later).failures == 1

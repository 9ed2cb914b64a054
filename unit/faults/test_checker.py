"""The checker against histories that are right, and against such as are wrong in one way each."""

from __future__ import annotations

import pytest

from e2e.faults.checker import check
from unit.faults.stories import HAND, A, B, Tale


def led_by_a(workers: int = 2) -> Tale:
    """A leads, and has made all of a cluster."""
    tale = Tale()
    tale.cluster(workers=workers)
    tale.lease(A)
    tale.pod("head", kind="head")
    for number in range(workers):
        tale.lease(A)
        tale.pod(f"w{number}", place=number)
    return tale


def broken(tale: Tale) -> list[str]:
    return [violation.rule for violation in check(tale.history()).violations]


def test_a_launch_breaks_nothing_and_all_of_it_is_judged() -> None:
    verdict = check(led_by_a().history())

    assert not verdict.violations
    assert verdict.judged == {"pods created": 3, "writes by replicas": 3, "terms": 1}


# ---- the lease ---------------------------------------------------------------------------------------------


def test_a_write_after_another_replica_took_the_lease_is_found() -> None:
    tale = led_by_a()
    tale.lease(B)
    tale.status(by=A, phase="Running")

    (violation,) = check(tale.history()).violations

    assert violation.rule == "lease"
    assert "operator-1_b had taken the lease" in violation.what


def test_a_write_that_came_in_before_the_other_took_the_lease_and_was_stored_later_is_none() -> None:
    tale = led_by_a()
    tale.lease(B)
    tale.at -= 0.75  # this one was stored after it
    tale.status(by=A, phase="Running")

    assert not broken(tale)


def test_a_patch_that_changes_nothing_takes_no_record_from_who_wrote_it() -> None:
    tale = Tale()
    tale.cluster()
    tale.lease(A)
    tale.patched_in_vain("leases", "ray-operator")
    tale.pod("head", kind="head")

    assert not broken(tale)


def test_a_write_longer_after_the_last_renewal_than_the_lease_lasts_is_found() -> None:
    tale = led_by_a()
    tale.at += 3.0
    tale.status(by=A, phase="Running")

    assert broken(tale) == ["lease"]


def test_a_write_by_a_replica_that_never_led_is_found() -> None:
    tale = led_by_a()
    tale.status(by=B, phase="Running")

    assert broken(tale) == ["lease"]


def test_a_refused_write_by_a_replica_that_never_led_is_found_too() -> None:
    tale = led_by_a()
    tale.refused("create", "pods", B)

    assert broken(tale) == ["lease"]


def test_a_write_after_its_own_release_is_found() -> None:
    tale = led_by_a()
    tale.lease("", by=A)
    tale.status(by=A, phase="Running")

    assert broken(tale) == ["lease"]


@pytest.mark.parametrize("how", ["stolen", "deleted"])
def test_a_hand_on_the_lease_leaves_its_holder_the_time_that_it_had(how: str) -> None:
    tale = led_by_a()
    if how == "stolen":
        tale.lease("thief", by=HAND)
    else:
        tale.lease_deleted()
    tale.status(by=A, phase="Running")
    assert not broken(tale)

    tale.at += 2.5
    tale.status(by=A, phase="Running")
    assert broken(tale) == ["lease"]


@pytest.mark.parametrize("how", ["stolen", "deleted"])
def test_what_the_former_holder_writes_within_its_time_is_counted_where_a_hand_let_another_in(
    how: str,
) -> None:
    tale = led_by_a()
    if how == "stolen":
        tale.lease("thief", by=HAND)
    else:
        tale.lease_deleted()
    tale.lease(B)
    tale.status(by=A, phase="Running")

    verdict = check(tale.history())

    assert not verdict.violations
    assert verdict.judged["writes beside a new leader after a hand on the Lease"] == 1


def test_a_hand_that_comes_after_the_other_replica_is_no_excuse() -> None:
    tale = led_by_a()
    tale.lease(B)
    tale.lease_deleted()
    tale.status(by=A, phase="Running")

    assert broken(tale) == ["lease"]


def test_renewals_that_the_audit_log_lost_count_by_the_holders_own_name() -> None:
    tale = led_by_a()
    tale.at += 10.0
    tale.lease(A, noted=False)
    tale.status(by=A, phase="Running")

    assert not broken(tale)


# ---- never more than wanted --------------------------------------------------------------------------------


def test_one_pod_more_than_wanted_is_found() -> None:
    tale = led_by_a()
    tale.pod("w9", place=2)

    (violation,) = check(tale.history()).violations

    assert violation.rule == "too many"
    assert "3 live pods of worker type a, 2 wanted: w0, w1, w9" in violation.what


def test_a_second_head_is_found() -> None:
    tale = led_by_a()
    tale.pod("head2", kind="head")

    assert broken(tale) == ["too many"]


def test_a_pod_that_is_on_its_way_out_or_has_ended_does_not_count() -> None:
    tale = led_by_a()
    tale.change_pod("w0", HAND, leaving=True)
    tale.change_pod("w1", "kwok/1", ended=True)
    tale.pod("w2", place=0)
    tale.pod("w3", place=1)

    assert not broken(tale)


def test_two_pods_in_one_place_are_found_also_where_there_is_room_for_two() -> None:
    tale = led_by_a(workers=1)
    tale.cluster(workers=2)
    tale.pod("w9", place=0)

    assert broken(tale) == ["one place, two pods"]


def test_what_was_wanted_when_the_writer_had_begun_to_lead_is_wanted_for_it() -> None:
    tale = led_by_a()
    tale.cluster(workers=1)
    tale.change_pod("w1", HAND, leaving=True)
    tale.pod("w2", place=1)  # A may not have heard of the edit yet

    assert not broken(tale)


def test_a_hand_on_the_lease_between_two_renewals_does_not_begin_another_term() -> None:
    tale = led_by_a()
    tale.cluster(workers=1)
    tale.change_pod("w1", HAND, leaving=True)
    tale.lease(A, by=HAND)
    tale.lease(A)
    tale.pod("w2", place=1)  # A has not caught up with anything in between

    assert not broken(tale)


def test_what_was_wanted_before_the_writer_led_is_not() -> None:
    tale = led_by_a()
    tale.cluster(workers=1)
    tale.change_pod("w1", HAND, leaving=True)
    tale.lease(B)
    tale.pod("w2", by=B, place=1)  # B has listed everything since it took the lease

    assert broken(tale) == ["too many"]


def test_a_pod_for_a_cluster_that_was_suspended_before_the_writer_led_is_found() -> None:
    tale = Tale()
    tale.cluster()
    tale.cluster(suspend=True)
    tale.lease(A)
    tale.pod("head", kind="head")

    assert broken(tale) == ["too many"]


# ---- untouched clusters ------------------------------------------------------------------------------------


def test_a_pod_of_a_cluster_that_nobody_touched_may_not_be_deleted() -> None:
    tale = led_by_a()
    tale.change_pod("w0", A, leaving=True)

    assert broken(tale) == ["untouched"]


def test_statuses_and_what_kwok_and_the_scheduler_do_are_no_touch() -> None:
    tale = led_by_a()
    tale.status(phase="Running")
    tale.change_pod("w0", "kwok/1", marks=(("seen", "by kwok"),))
    tale.change_pod("w0", "kube-scheduler/v1", marks=())
    tale.lease(A)
    tale.change_pod("w0", A, leaving=True)

    assert broken(tale) == ["untouched"]


@pytest.mark.parametrize(
    "touch", ["edit", "pod deleted", "pod marked", "node silent", "by whom is not known"]
)
def test_after_a_touch_it_may(touch: str) -> None:
    tale = led_by_a()
    match touch:
        case "edit":
            tale.cluster()
        case "pod deleted":
            tale.change_pod("head", HAND, leaving=True)
        case "pod marked":
            tale.change_pod("w1", HAND, marks=(("replace", "me"),))
        case "node silent":
            tale.change_pod("w1", "kube-controller-manager/v1", ready=False)
        case _:
            tale.change_pod("w1", HAND, leaving=True, noted=False)
    tale.change_pod("w0", A, leaving=True)

    assert not broken(tale)


def test_a_touch_before_the_pods_maker_led_is_no_reason() -> None:
    tale = led_by_a()
    tale.cluster()
    tale.change_pod("w0", A, leaving=True)
    tale.pod_gone("w0")
    tale.lease(B)
    tale.pod("w2", by=B)
    tale.change_pod("w2", B, leaving=True)

    assert broken(tale) == ["untouched"]

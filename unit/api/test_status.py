from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.api.document import Document
from rayctl.api.names import TypeName
from rayctl.api.status import (
    Condition,
    HeadStatus,
    RayClusterStatus,
    TypeStatus,
    parse_status,
    settle,
    status_document,
)

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
EARLIER = datetime(2026, 11, 24, 11, 0, 0, tzinfo=UTC)
STATUS = RayClusterStatus(
    phase="Running",
    observed_generation=3,
    head=HeadStatus(pod_name="h", pod_uid="u", pod_ip="10.0.0.1", service_name="s", ready=True),
    pod_types=(TypeStatus(TypeName("worker-node"), 2, 3, 2, 1, 5, failures=4),),
    desired_workers=3,
    ready_workers=1,
    autoscaler_retries=2,
    conditions=(
        Condition("HeadReady", True, "PodReady", "it is", 3, EARLIER),
        Condition("WorkersReady", None, "Unknown", "who knows", 3, EARLIER),
    ),
)


def ready(*, true: bool | None, since: datetime | None = None) -> RayClusterStatus:
    return RayClusterStatus(conditions=(Condition("HeadReady", true, "Why", since=since),))


def test_a_status_is_read_as_it_was_written() -> None:
    assert parse_status(status_document(STATUS)) == STATUS


def test_an_empty_status_is_that_of_a_cluster_nobody_has_looked_at() -> None:
    assert parse_status({}) == RayClusterStatus()


def test_a_table_shows_ready_and_desired_workers_in_one_word() -> None:
    assert status_document(STATUS)["workers"] == "1/3"


def test_a_condition_that_changed_has_the_time_of_the_change_in_whole_seconds() -> None:
    settled = settle(ready(true=False), ready(true=True, since=EARLIER), NOW)

    assert settled.conditions[0].since == NOW.replace(microsecond=0)


def test_a_condition_that_stayed_keeps_its_time_even_with_another_reason() -> None:
    wanted = RayClusterStatus(conditions=(Condition("HeadReady", True, "Other", "words"),))

    settled = settle(wanted, ready(true=True, since=EARLIER), NOW)

    assert settled.conditions == (Condition("HeadReady", True, "Other", "words", since=EARLIER),)


def test_a_condition_without_a_time_gets_one() -> None:
    settled = settle(ready(true=True), ready(true=True), NOW)

    assert settled.conditions[0].since == NOW.replace(microsecond=0)


def test_conditions_of_others_stay_after_ours() -> None:
    foreign = Condition("Theirs", True, "TheirReason", since=EARLIER)
    seen = RayClusterStatus(conditions=(foreign, Condition("HeadReady", True, "Why", since=EARLIER)))

    settled = settle(ready(true=True), seen, NOW)

    assert [condition.type for condition in settled.conditions] == ["HeadReady", "Theirs"]


def test_settling_twice_changes_nothing() -> None:
    once = settle(ready(true=True), RayClusterStatus(), NOW)

    assert settle(ready(true=True), once, NOW + timedelta(hours=1)) == once


@pytest.mark.parametrize("time", ["yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_cannot_be_read_counts_as_absent(time: str) -> None:
    stored: Any = {"conditions": [{"type": "HeadReady", "status": "True", "lastTransitionTime": time}]}

    assert parse_status(stored).conditions == (Condition("HeadReady", True, ""),)


def test_a_condition_is_found_by_its_type() -> None:
    assert STATUS.find_condition("WorkersReady") is STATUS.conditions[1]
    assert STATUS.find_condition("Nothing") is None


@given(
    st.dictionaries(
        st.sampled_from(["phase", "head", "podTypes", "conditions", "readyWorkers", "observedGeneration"]),
        st.none()
        | st.integers()
        | st.text(max_size=3)
        | st.lists(st.dictionaries(st.text(max_size=4), st.integers())),
    )
)
def test_any_stored_status_can_be_read(document: dict[str, Any]) -> None:
    status = parse_status(document)

    assert parse_status(status_document(status)) == status


def test_a_foreign_conditions_time_with_fractions_is_kept() -> None:
    foreign: Document = {
        "type": "Theirs",
        "status": "True",
        "reason": "R",
        "lastTransitionTime": "2026-01-02T03:04:05.678Z",
    }

    (condition,) = parse_status({"conditions": [foreign]}).conditions

    assert condition.since == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

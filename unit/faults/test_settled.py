"""What is to be so after quiet."""

from __future__ import annotations

from typing import Any

from e2e.faults.settled import state_after, unsettled
from unit.faults.stories import HAND, Tale

DONE: dict[str, Any] = {
    "phase": "Running",
    "observedGeneration": 1,
    "desiredWorkers": 1,
    "readyWorkers": 1,
    "workers": "1/1",
    "head": {"podUID": "uid-head"},
}


def settled() -> Tale:
    """A cluster with one worker, as it should be."""
    tale = Tale()
    tale.cluster(workers=1)
    tale.pod("head", kind="head")
    tale.pod("w0")
    tale.service("uid-c")
    tale.status(**DONE)
    return tale


def left(tale: Tale) -> str:
    return "; ".join(flaw.what for flaw in unsettled(state_after(tale.history().changes)))


def test_nothing_is_left_where_all_is_as_the_spec_and_the_status_say() -> None:
    assert not left(settled())


def test_a_worker_that_is_missing_one_too_many_and_one_that_does_not_run_are_told() -> None:
    missing, more, failed = settled(), settled(), settled()
    missing.pod_gone("w0")
    more.pod("w1", place=1)
    failed.change_pod("w0", HAND, ended=True)

    assert left(missing) == "c: 0 pods of worker type a, 1 wanted"
    assert left(more) == "c: 2 pods of worker type a, 1 wanted"
    assert left(failed) == "c: w0 is not running"


def test_a_pod_of_an_earlier_spec_is_told() -> None:
    tale = settled()
    tale.change_pod("w0", HAND, image="ray:0")

    assert left(tale) == "c: w0 runs ray:0, the spec says ray:1"


def test_a_status_that_lags_behind_is_told() -> None:
    tale = settled()
    tale.status(**{**DONE, "phase": "Updating", "head": {"podUID": "uid-before"}})

    assert left(tale) == (
        "c: status.phase is 'Updating', not 'Running'; c: status.head.podUID is 'uid-before', not 'uid-head'"
    )


def test_an_edit_that_the_status_has_not_seen_is_told() -> None:
    tale = settled()
    tale.cluster(workers=1)
    tale.status(**DONE)

    assert left(tale) == "c: status.observedGeneration is 1, not 2"


def test_a_suspended_cluster_has_no_pods_and_says_so() -> None:
    tale = Tale()
    tale.cluster(suspend=True)
    away = {"phase": "Suspended", "desiredWorkers": 0, "readyWorkers": 0, "workers": "0/0", "head": {}}
    tale.status(**{**DONE, **away})
    assert not left(tale)

    tale.pod("w0")
    assert left(tale) == "c: 1 pods of worker type a, 0 wanted"


def test_pods_and_services_whose_cluster_is_gone_are_orphans() -> None:
    tale = settled()
    tale.cluster_deleted()

    assert left(tale).count("is an orphan: its owner uid-c is gone") == 3

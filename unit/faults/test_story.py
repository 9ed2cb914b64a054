"""What is told of a violation."""

from __future__ import annotations

from e2e.faults.checker import check
from e2e.faults.story import story
from unit.faults.stories import A, Tale


def test_a_violation_is_told_with_what_led_to_it_and_nothing_of_other_clusters() -> None:
    tale = Tale()
    tale.cluster("other")
    tale.cluster(workers=1)
    tale.lease(A)
    tale.pod("c-head", kind="head")
    tale.pod("c-w0")
    tale.pod("c-w1", place=1)
    history = tale.history()
    (violation,) = check(history).violations

    told = story(violation, history)

    lines = told.splitlines()
    assert lines[0].startswith("VIOLATION of 'too many'")
    assert "2 live pods of worker type a, 1 wanted: c-w0, c-w1" in lines[0]
    assert any("Lease: operator-0_a" in line for line in lines)
    assert any("RayCluster c: generation 1" in line for line in lines)
    assert [line.split()[-1] for line in lines if "create pods" in line] == ["201", "201", "201"]
    assert "other" not in told

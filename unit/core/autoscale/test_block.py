"""The design's scenarios 37, 38 and 42: types whose pods can't be had."""

from dataclasses import replace

import pytest

from rayctl.api.moment import Monotonic
from rayctl.core.autoscale.block import BlockCause, Blocks, refuse, review
from rayctl.core.autoscale.memory import Memory
from rayctl.core.autoscale.plan import plan
from rayctl.core.autoscale.workers import PodVerdict, Worker, WorkerState
from unit.core.autoscale.situations import NOW, A, B, a_situation, a_snapshot, a_worker, demand

QUOTA = 'pods "x" is forbidden: exceeded quota: gpus'


def stuck() -> Worker:
    return a_worker(A, WorkerState.STUCK, why="3 Insufficient cpu")


def failing() -> Worker:
    return a_worker(A, WorkerState.STUCK, verdict=PodVerdict.FAILING, why="ImagePullBackOff")


def look(
    blocks: Blocks, *workers: Worker, after: float = 0.0, joined: frozenset[str] = frozenset()
) -> Blocks:
    return review(blocks, [A], workers, joined, Monotonic(NOW + after))


def waits(blocks: Blocks) -> float:
    return blocks[A.name].until - NOW


def remembering(blocks: Blocks) -> Memory:
    return Memory(session="session_1", version=1, blocks=blocks)


def test_37_a_type_that_is_refused_is_passed_over_for_the_next_that_fits() -> None:
    blocks = refuse({}, A, QUOTA, NOW)

    outcome = plan(a_situation(demand(CPU=1), types=[A, B], memory=remembering(blocks)))

    assert outcome.launch == {"b": 1}


def test_38_the_only_type_that_fits_is_told_why_it_is_left_alone() -> None:
    workers = [stuck(), stuck()]

    outcome = plan(a_situation(demand(2, CPU=4), types=[A], workers=workers))

    assert not outcome.launch
    assert outcome.unmet[0].reasons[0].text == (
        "fits; retried in 30 s: 2 pods unschedulable: 3 Insufficient cpu"
    )


def test_38_one_probe_is_made_when_its_time_has_come_and_no_second_while_it_is_on_its_way() -> None:
    situation = a_situation(demand(50, CPU=4), types=[A], workers=[stuck(), stuck()])
    blocked = plan(situation)
    due = replace(situation, memory=blocked.memory, now=Monotonic(NOW + 30))
    probing = plan(due)
    under_way = replace(
        due,
        memory=probing.memory,
        workers=(*due.workers, a_worker(A, WorkerState.PENDING)),
        asked=a_snapshot(demand(60, CPU=4), version=2),
    )

    assert probing.launch == {"a": 1}
    assert not plan(under_way).launch


def test_a_failed_probe_doubles_the_wait() -> None:
    first = stuck()
    blocks = look({}, first)
    again = look(blocks, first, stuck(), after=31)

    assert waits(blocks) == 30
    assert waits(again) == 31 + 60


def test_the_wait_ends_at_ten_minutes() -> None:
    blocks: Blocks = {}
    for number in range(12):
        blocks = refuse(blocks, A, QUOTA, Monotonic(NOW + number * 10_000))

    assert waits(blocks) == 11 * 10_000 + 600


def test_pods_that_were_launched_together_count_as_one_failure() -> None:
    blocks = look({}, first := stuck(), second := stuck())
    blocks = look(blocks, first, second, stuck(), after=2)

    assert blocks[A.name].level == 1
    assert waits(blocks) == 30


def test_the_same_stuck_pod_counts_once() -> None:
    worker = stuck()
    blocks = look({}, worker)

    assert waits(look(blocks, worker, after=500)) == 30


def test_42_the_third_pod_in_a_row_that_does_not_start_blocks_its_type() -> None:
    blocks: Blocks = {}
    for number in range(2):
        blocks = look(blocks, failing(), after=number)
        assert not blocks[A.name].level
    blocks = look(blocks, failing(), after=2)

    assert blocks[A.name].cause is BlockCause.FAILING
    assert blocks[A.name].message == "ImagePullBackOff"
    assert waits(blocks) == 2 + 30


@pytest.mark.parametrize("before", [1, 2])
def test_42_a_join_in_between_ends_the_row(before: int) -> None:
    blocks: Blocks = {}
    for _ in range(before):
        blocks = look(blocks, failing())
    blocks = look(blocks, a_worker(A))
    for _ in range(2):
        blocks = look(blocks, failing())

    assert not blocks[A.name].level


def test_a_join_ends_the_block() -> None:
    blocks = look({}, stuck())

    assert not look(blocks, a_worker(A), after=40)


def test_who_had_joined_before_does_not_end_the_block() -> None:
    worker = a_worker(A)
    joined = frozenset({worker.pod})

    assert look(look({}, worker, stuck(), joined=joined), worker, joined=joined)[A.name].level


def test_a_changed_template_ends_the_block() -> None:
    blocks = refuse({}, A, QUOTA, NOW)

    assert not review(blocks, [replace(A, fingerprint="another")], [], frozenset(), NOW)


def test_a_refusal_is_told_in_the_servers_words() -> None:
    blocks = refuse({}, A, QUOTA, NOW)

    outcome = plan(a_situation(demand(CPU=1), types=[A], memory=remembering(blocks)))

    assert outcome.unmet[0].reasons[0].text == f"fits; retried in 30 s: refused by the API server: {QUOTA}"
    assert any(QUOTA in remark.text for remark in outcome.remarks)

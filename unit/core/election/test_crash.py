"""A holder whose process has ended: its lease is not waited out, and nobody else's is cut short by it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rayctl.core.election.actions import Acquire, Action, Read, Wait
from rayctl.core.election.candidate import State
from rayctl.core.election.events import Began, Ended, Refused
from unit.core.election.steps import ME, a_lease, after, at, next_at, seen
from unit.fakes.candidates import NOON, TERMS


def ended(when: float, *holders: str) -> Ended:
    return Ended(frozenset(holders), at(when))


LATER = NOON + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("state", "when", "kind"),
    [
        pytest.param(
            after(seen(a_lease(), 100), ended(103, "other")),
            103,
            Acquire,
            id="one that is known as the holder",
        ),
        pytest.param(
            after(ended(99, "other"), seen(a_lease(), 100)),
            100,
            Acquire,
            id="one that only then is seen to hold",
        ),
        pytest.param(
            after(
                seen(a_lease(), 100),
                ended(103, "other"),
                seen(a_lease(renewed=LATER, resource_version=8), 103.1),
            ),
            103.1,
            Acquire,
            id="one whose last renewal arrives after the word of its end",
        ),
        pytest.param(
            after(seen(a_lease(), 100), ended(103, "other"), ended(103.01, "one that came after it")),
            103.01,
            Acquire,
            id="one that the kubelet has forgotten by now",
        ),
        pytest.param(
            after(seen(a_lease(duration=3600), 100), ended(103, "other")),
            103,
            Acquire,
            id="one that wanted to be waited for for an hour",
        ),
        pytest.param(
            after(seen(a_lease(), 100), ended(103, "its-predecessor")),
            114.9,
            Wait,
            id="another one, such as an earlier container of the holder's pod",
        ),
        pytest.param(
            after(seen(a_lease(), 100), ended(103)),
            114.9,
            Wait,
            id="nobody: the holder's pod is gone, and no more",
        ),
        pytest.param(
            after(
                seen(a_lease("first"), 100),
                seen(a_lease("thief", resource_version=8), 101),
                ended(102, "thief"),
            ),
            114.9,
            Wait,
            id="one that took the lease before its holder's time was over",
        ),
        pytest.param(
            after(
                seen(a_lease("first"), 100),
                seen(a_lease("", renewed=LATER, resource_version=8), 101),
                seen(a_lease("other", renewed=LATER, resource_version=9), 101.1),
                ended(102, "other"),
            ),
            102,
            Acquire,
            id="one that took a lease that was given away",
        ),
    ],
)
def test_who_has_ended_is(state: State, when: float, kind: type[Action]) -> None:
    assert isinstance(next_at(state, when), kind)


def test_taking_over_from_one_that_has_ended_is_jittered_counted_and_told() -> None:
    state = after(seen(a_lease(), 100), ended(103, "other"), jitter=0.999)
    assert isinstance(next_at(state, 103.04), Wait)

    action = next_at(state, 103.05)

    assert isinstance(action, Acquire)
    assert action.why == "the container of other has ended"
    assert action.lease.transitions == 4


def test_the_same_word_again_does_not_hurry_one_who_has_just_been_refused() -> None:
    state = after(seen(a_lease(), 100), ended(103, "other"))
    action = next_at(state, 103)
    assert isinstance(action, Acquire)

    state = after(Began(action.lease, at(103)), Refused(at(103.1)), ended(103.2, "other"), state=state)

    assert isinstance(next_at(state, 103.2), Wait)
    assert isinstance(next_at(state, 103.1 + TERMS.retry_period), Read)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        pytest.param(after(seen(None, 0, consistent=True)), "there was no lease", id="at the very first"),
        pytest.param(after(seen(a_lease(""), 0, consistent=True)), "nobody held the lease", id="given away"),
        pytest.param(after(seen(a_lease(), 0)), "other did not renew the lease for 15 s", id="run out"),
        pytest.param(after(seen(a_lease("me"), 0)), "the lease had this replica's name on it", id="our own"),
    ],
)
def test_it_is_told_why_the_lease_could_be_taken(state: State, why: str) -> None:
    action = ME.next(replace(state, read_first=False), at(15), NOON)

    assert isinstance(action, Acquire)
    assert action.why == why

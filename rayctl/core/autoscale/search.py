"""Several attempts at one plan, and the best of them: a cheaper set is sought before anything is launched.

Afterwards is too late, since Ray cannot move what runs. Attempts stop when they have cost about 30 ms, so
only plans that were cheap to make are made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rayctl.core.autoscale.attempt import Hardness, Outcome, Quality, attempt, quality
from rayctl.core.autoscale.board import Board
from rayctl.core.autoscale.grow import Policy, Score

BUDGET = 30_000
"""Steps of about a microsecond; see Space.steps."""

_WAYS = (
    (Hardness.WEIGHT, Score.SHARE),
    (Hardness.SHARE, Score.SHARE),
    (Hardness.WEIGHT, Score.MOST),
    (Hardness.MEMORY, Score.SHARE),
    (Hardness.SHARE, Score.MOST),
)
"""In the order of how often one is best: on 1,500 random clusters the first is in 92 %."""


@dataclass(slots=True)
class _Best:
    """The best attempt so far, and how it was made."""

    outcome: Outcome
    quality: Quality
    hardness: Hardness
    score: Score


def search(board: Board) -> Outcome:
    """Return the best outcome found; its steps are those of all attempts together."""
    reading = board.whole.steps + board.free.steps
    hardness, score = _WAYS[0]
    outcome = attempt(board, hardness, Policy(score))
    spent = longest = outcome.steps
    best = _Best(outcome, quality(board, outcome), hardness, score)
    if outcome.left or len(outcome.ledger.batches) > len(board.ledger.batches):
        for hardness, policy in _others(board, best):
            if spent + longest > BUDGET:
                break
            outcome = attempt(board, hardness, policy)
            spent += outcome.steps
            longest = max(longest, outcome.steps)
            found = quality(board, outcome)
            if found < best.quality:
                best.outcome, best.quality = outcome, found
                best.hardness, best.score = hardness, policy.score
    return replace(best.outcome, steps=reading + spent)


def _others(board: Board, best: _Best) -> Iterator[tuple[Hardness, Policy]]:
    """Yield the ways to try after the first; at last each type before all others, in the best way found."""
    for hardness, score in _WAYS[1:]:
        yield hardness, Policy(score)
    usable = [fresh.offer.name for fresh in board.types if board.ledger.room(fresh.offer) > 0]
    if len(usable) > 1:
        for name in usable:
            yield best.hardness, Policy(best.score, name)

"""Several attempts at one plan, and the best of them: a cheaper set is sought before anything is launched.

Afterwards is too late, since Ray cannot move what runs. Attempts stop when they have cost about 30 ms, so
only plans that were cheap to make are made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rayctl.api.names import TypeName
from rayctl.core.autoscale.attempt import Hardness, Outcome, Quality, attempt, quality
from rayctl.core.autoscale.board import Board
from rayctl.core.autoscale.grow import Policy, Score

BUDGET = 30_000
"""Steps of about a microsecond; see Space.steps."""

_VARIANTS = (
    (Hardness.SHARE, Score.SHARE, None),
    (Hardness.WEIGHT, Score.MOST, None),
    (Hardness.MEMORY, Score.SHARE, None),
    (Hardness.SHARE, Score.MOST, None),
)


@dataclass(slots=True)
class _Best:
    """The best attempt so far."""

    outcome: Outcome
    quality: Quality
    hardness: Hardness
    score: Score


def search(board: Board) -> Outcome:
    """Return the best outcome found; its steps are those of all attempts together."""
    first = attempt(board, Hardness.WEIGHT, Policy())
    steps = first.steps + board.whole.steps + board.free.steps
    if not first.left and len(first.ledger.batches) == len(board.ledger.batches):
        return replace(first, steps=steps)
    best = _Best(first, quality(board, first), Hardness.WEIGHT, Score.SHARE)
    spent = first.steps
    for variant in (*_VARIANTS, *_each_type_first(board)):
        if spent + first.steps > BUDGET:
            break
        spent += _try(board, best, *variant)
    return replace(best.outcome, steps=steps + spent - first.steps)


def _try(
    board: Board, best: _Best, hardness: Hardness | None, score: Score | None, first: TypeName | None
) -> int:
    """Make another attempt, remember it when it is better, and return its steps; None is as in the best."""
    hardness, score = hardness or best.hardness, score or best.score
    outcome = attempt(board, hardness, Policy(score, first))
    found = quality(board, outcome)
    if found < best.quality:
        best.outcome, best.quality, best.hardness, best.score = outcome, found, hardness, score
    return outcome.steps


def _each_type_first(board: Board) -> Iterator[tuple[None, None, TypeName]]:
    usable = [fresh.offer for fresh in board.types if board.ledger.room(fresh.offer) > 0]
    if len(usable) > 1:
        for offer in usable:
            yield None, None, offer.name

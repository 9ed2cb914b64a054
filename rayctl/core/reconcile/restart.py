"""What is known of a restart of the whole cluster that is due."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart of the whole cluster that is due."""

    why: str = ""
    """'': none is."""
    announced: bool = False
    """Whether the status says so already."""
    waits: str = ""
    """Why it would be due, where the strategy is to wait for the head's deletion by hand."""


NO_RESTART = Restart()

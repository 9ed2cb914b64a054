"""Moments and spans of time, as types: what tells them is :mod:`rayctl.clock`, and the core is told."""

from __future__ import annotations

from typing import NewType, TypeAlias

Monotonic = NewType("Monotonic", float)
"""Seconds on a clock that never goes back and that no two machines share; for deadlines and ages."""

Seconds: TypeAlias = float

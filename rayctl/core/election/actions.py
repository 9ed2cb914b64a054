"""What a candidate is to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rayctl.api.moment import Monotonic, Seconds
from rayctl.core.election.lease import Lease


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until``, unless something happens."""

    until: Monotonic


@dataclass(frozen=True, slots=True)
class Read:
    """Read the Lease, consistently."""

    timeout: Seconds


@dataclass(frozen=True, slots=True)
class Write:
    """Write this record, under the condition that the stored version is still the record's own (0: none)."""

    lease: Lease
    timeout: Seconds


@dataclass(frozen=True, slots=True)
class Acquire(Write):
    """Try to become the leader."""

    why: str
    """What lets us, in words."""


class Renew(Write):
    """Stay the leader."""


class Release(Write):
    """Give the lease away."""


@dataclass(frozen=True, slots=True)
class StepDown:
    """Stop all work now: the right to lead has ended. Then tell :class:`Stopped`."""

    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """We have left; the lease is not ours, or will run out."""


Action: TypeAlias = Wait | Read | Acquire | Renew | Release | StepDown | Done

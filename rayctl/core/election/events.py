"""What can happen to a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rayctl.api.moment import Monotonic
from rayctl.core.election.lease import Lease


@dataclass(frozen=True, slots=True)
class Seen:
    """The Lease was read (``consistent``) or told of by the watch; ``lease`` None: there is none."""

    lease: Lease | None
    version: int
    """Of the record or of its deletion; 0 where that is not known."""
    at: Monotonic
    consistent: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The processes of these holders have ended: the kubelet says so, of each one's very container."""

    holders: frozenset[str]
    at: Monotonic


@dataclass(frozen=True, slots=True)
class Began:
    """A write of this record is about to leave."""

    lease: Lease
    at: Monotonic


@dataclass(frozen=True, slots=True)
class Wrote:
    """The write that began last was stored, as this record."""

    lease: Lease
    at: Monotonic


@dataclass(frozen=True, slots=True)
class Refused:
    """The write that began last met another's: the Lease is not as we know it."""

    at: Monotonic


@dataclass(frozen=True, slots=True)
class Failed:
    """A read or write has no good answer. A write may have taken effect."""

    at: Monotonic


@dataclass(frozen=True, slots=True)
class Stopped:
    """After :class:`StepDown`: all that worked for this leadership has ended."""

    at: Monotonic


@dataclass(frozen=True, slots=True)
class Leave:
    """We are about to end: give the lease away."""

    at: Monotonic


Event: TypeAlias = Seen | Ended | Began | Wrote | Refused | Failed | Stopped | Leave

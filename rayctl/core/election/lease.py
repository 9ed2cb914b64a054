"""What is fought for, and how long things last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from rayctl.api.moment import Seconds


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things last.

    Raises:
        ValueError: they contradict each other.
    """

    lease: Seconds = 15.0
    """How long others wait for a silent leader; written to the record in whole seconds, rounded up."""
    renew_deadline: Seconds = 10.0
    """How long a leader acts without having renewed."""
    retry_period: Seconds = 2.0
    """Between two renewals, and between two attempts."""

    def __post_init__(self) -> None:
        if not self.lease > self.renew_deadline > 1.2 * self.retry_period > 0:
            raise ValueError(
                f"lease duration {self.lease} s, renew deadline {self.renew_deadline} s, retry period"
                f" {self.retry_period} s: each must be longer than the next, the deadline more than 1.2 times"
            )


@dataclass(frozen=True, slots=True)
class Lease:
    """The record that is fought for: a coordination.k8s.io/v1 Lease, as far as the election reads it."""

    holder: str
    """'' when nobody has it."""
    duration: Seconds
    """What its holder wrote; 0 where nothing is written."""
    acquired: datetime | None
    renewed: datetime | None
    transitions: int
    resource_version: int
    """0: not stored yet."""

    def same(self, other: Lease | None) -> bool:
        """Whether both say the same, stored when and with whatever labels they be."""
        return other is not None and self == replace(other, resource_version=self.resource_version)

"""How an edit that changes pods is rolled out: the words of Kubernetes' Deployments, for pod types.

``maxUnavailable`` is rounded down and ``maxSurge`` up, as Deployments do; where both come to nothing, one
worker may be missing, since else nothing could ever change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import TypeAlias

from rayctl.api.document import MAX_COUNT, Json, Reader, shown

Share: TypeAlias = int | str
"""A number of workers, or a percentage of those wanted such as ``25%``."""

_PERCENT = re.compile(r"(\d{1,3})%", re.ASCII)


class UpgradeType(StrEnum):
    """What becomes of the pods that an edit has made outdated."""

    ROLLING_UPDATE = "RollingUpdate"
    """A few at a time."""
    RECREATE = "Recreate"
    """All of the type at once, and their successors once they are gone."""
    ON_DELETE = "OnDelete"
    """They stay; whoever deletes one gets a new one."""


@dataclass(frozen=True, slots=True)
class UpgradeStrategy:
    """How a pod type's outdated pods are replaced. The head is one pod: it is replaced, or waits."""

    type: UpgradeType = UpgradeType.ROLLING_UPDATE
    max_unavailable: Share = "25%"
    max_surge: Share = 0

    def unavailable_of(self, wanted: int) -> int:
        """Return how many of ``wanted`` workers may be missing while a roll-out is under way."""
        missing = floor(_share(self.max_unavailable, wanted))
        return missing if missing or self.surge_of(wanted) else 1

    def surge_of(self, wanted: int) -> int:
        """Return how many workers more than ``wanted`` there may be meanwhile."""
        return ceil(_share(self.max_surge, wanted))


DEFAULT_UPGRADE = UpgradeStrategy()


def parse_strategy(reader: Reader) -> UpgradeStrategy:
    """Return the strategy that a mapping describes, with defaults; notes what is wrong in the reader."""
    kind = reader.choice("type", UpgradeType.ROLLING_UPDATE, "strategy")
    return UpgradeStrategy(
        kind,
        _parse_share(reader, "maxUnavailable", DEFAULT_UPGRADE.max_unavailable),
        _parse_share(reader, "maxSurge", DEFAULT_UPGRADE.max_surge),
    )


def _parse_share(reader: Reader, key: str, default: Share) -> Share:
    value: Json = reader.value.get(key)
    if value is None:
        return default
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) <= 100:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
        return value
    reader.wrong(
        key, f"{shown(value)} is neither a number nor a percentage", "write 0 or more, or such as 25%"
    )
    return default


def _share(share: Share, wanted: int) -> Fraction:
    if isinstance(share, int):
        return Fraction(share)
    return Fraction(int(share[:-1]), 100) * wanted

"""Amounts: Kubernetes quantities, and the resources a Ray node starts with. Exact, never by way of floats.

The grammar is that of Kubernetes' ``resource.Quantity``:
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from rayctl.api.document import Json, shown

ResourceSet: TypeAlias = Mapping[str, int]
"""Resource name → whole units (memory in bytes). Ray refuses to start a node with a fraction of anything."""

MAX_AMOUNT = 100_000_000_000_000
"""The most of one resource that Ray lets a node have (its ``MAX_RESOURCE_QUANTITY``)."""

# Three digits of an exponent would be more than any quantity can hold, and a great number to compute.
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40}))"
    r"(?:(?P<unit>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?\d{1,2}))?",
    re.ASCII,
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_UNITS = {unit: Fraction(10) ** power for unit, power in _DECIMAL.items()} | {
    unit: Fraction(2) ** power for unit, power in _BINARY.items()
}


def parse_quantity(value: Json) -> Fraction:
    """Return what a Kubernetes quantity is worth: ``"500m"`` is 1/2, ``"1Gi"`` is 2**30, ``2`` is 2.

    Raises:
        ValueError: it is none; the message repeats it.
    """
    found = _QUANTITY.fullmatch(_digits(value))
    if found is None:
        raise ValueError(f"{shown(value)} is not a quantity such as 500m, 2 or 1.5Gi")
    text = found["number"]
    # By way of int where that does: all sizes of all pods come through here, each time a cluster is seen.
    number = Fraction(int(text) if text.isdecimal() else text)
    if unit := found["unit"]:
        return number * _UNITS[unit]
    exponent = found["exponent"]
    return number * Fraction(10) ** int(exponent) if exponent else number


def parse_amount(value: Json) -> int:
    """Return a resource's amount as Ray takes it: a whole number, not negative, not above ``MAX_AMOUNT``.

    A number written as a string counts as one, since YAML's quotes are easily set.

    Raises:
        ValueError: it is none; the message repeats it.
    """
    try:
        amount = parse_quantity(value)
    except ValueError:
        raise ValueError(f"{shown(value)} is not a number") from None
    if amount.denominator != 1:
        raise ValueError(f"{shown(value)} is not a whole number, and Ray takes no other")
    if not 0 <= amount <= MAX_AMOUNT:
        raise ValueError(f"{shown(value)} is not between 0 and {MAX_AMOUNT}")
    return int(amount)


def _digits(value: Json) -> str:
    """Return what a number or a string reads as, and '' for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return ""
    # Python itself refuses to write an integer of more than 4300 digits.
    return "" if isinstance(value, int) and abs(value) >= 10**40 else str(value)

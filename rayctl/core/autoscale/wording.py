"""Amounts, shapes and selectors in words, the same in status, log and ``--explain``."""

from __future__ import annotations

from collections.abc import Iterable

from rayctl.core.autoscale.demand import GRAIN, Demand, Gang, Selector, Shape

_BYTES = frozenset({"memory", "object_store_memory"})
_GIB = 1 << 30


def amount_text(resource: str, amount: int) -> str:
    """Return an amount as people write it: ``0.5``, ``2``, ``1.5 GiB``."""
    if resource in _BYTES:
        return f"{_number(amount / GRAIN / _GIB, 2)} GiB"
    return _number(amount / GRAIN, 4)


def _number(value: float, digits: int) -> str:
    """Return a number without trailing zeros; a small one keeps enough digits not to read as 0."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return f"{value:.2g}" if value and text == "0" else text


def shape_text(shape: Shape) -> str:
    """Return a shape: ``{CPU: 1, GPU: 0.5}``."""
    return "{" + ", ".join(f"{name}: {amount_text(name, amount)}" for name, amount in shape) + "}"


def selector_text(selector: Selector) -> str:
    """Return a selector: ``zone in (a, b), tier not in (spot)``."""
    return ", ".join(
        f"{term.key} {'in' if term.is_in else 'not in'} ({', '.join(sorted(term.values))})"
        for term in selector
    )


def selectors_text(selectors: Iterable[Selector]) -> str:
    """Return selectors in the user's order: ``zone in (q), else zone in (a)``."""
    return ", else ".join(selector_text(selector) for selector in selectors)


def demand_text(demand: Demand) -> str:
    """Return a demand: ``5 x {CPU: 1} where zone in (a)``."""
    where = f" where {selectors_text(demand.selectors)}" if demand.selectors else ""
    return f"{demand.count} x {shape_text(demand.shape)}{where}"


def gang_text(gang: Gang) -> str:
    """Return a placement group: ``2 x PACK of 4 x {CPU: 1}``."""
    bundles = " + ".join(demand_text(bundle) for bundle in gang.bundles)
    return f"{gang.count} x {gang.strategy} of {bundles}"

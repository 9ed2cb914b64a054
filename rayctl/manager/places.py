"""Which namespaces: those whose RayClusters are reconciled, the Lease's, and that of the operator's pod."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ALL = ("",)
"""All namespaces, in the API's own way: the empty name."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Places:
    """Where an operator works."""

    watched: tuple[str, ...]
    """Names, each once; :data:`ALL` where it is all of them."""
    lease: str
    pod: str

    def __str__(self) -> str:
        if self.watched == ALL:
            return "all namespaces"
        return f"namespace{'s' if several(self.watched) else ''} {', '.join(self.watched)}"


def several(watched: tuple[str, ...]) -> bool:
    """Whether RayClusters of different namespaces may meet, so that a name alone does not tell which."""
    return watched == ALL or len(watched) > 1


def names_in(source: str, words: Iterable[str]) -> tuple[str, ...]:
    """Return the names that ``words`` list, with commas between them, each once; '' between commas is none.

    Raises:
        ValueError: a word is no name of a namespace, or names none; ``source`` is what gave it.
    """
    found: dict[str, None] = {}
    for word in words:
        names = [name.strip() for name in word.split(",") if name.strip()]
        if not names:
            raise ValueError(f"{source}: {word!r} names no namespace; for all of them: --all-namespaces")
        found |= dict.fromkeys(name_in(source, name) for name in names)
    return tuple(found)


def name_in(source: str, name: str) -> str:
    """Return a name as it is.

    Raises:
        ValueError: it is no name of a namespace.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{source}: {name!r} is no namespace's name: up to 63 small letters, digits and '-' within"
        )
    return name

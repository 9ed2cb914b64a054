"""What can go wrong between us and a Ray head, as one tree.

GcsError
├── Unreachable      no answer: refused, reset, nothing within the deadline; it may have taken effect
├── Unauthenticated  the head wants a token, or another one
├── Unsupported      who answers knows no such call: a Ray that is too old, or something else on that port
├── Garbled          an answer that is none of Ray's protocol
├── TooLarge         an answer beyond what is read: not Ray's, or a cluster out of all proportion
└── Refused          the head said no; carries gRPC's code and the head's words

The texts say which call failed at which address and why. What comes from the head is cut and made printable,
since anyone who runs code there can choose it.
"""

# ruff: noqa: N818  the tree's root says that they are errors

from __future__ import annotations

_MAX_TEXT = 300


class GcsError(Exception):
    """Any of them."""


class Unreachable(GcsError):
    """No answer. A drain or a report may have taken effect."""


class Unauthenticated(GcsError):
    """Our token is not taken, or there is none to be sent."""


class Unsupported(GcsError):
    """The call is not known there."""


class Garbled(GcsError):
    """An answer that cannot be read."""


class TooLarge(GcsError):
    """An answer that is not read, for its size."""


class Refused(GcsError):
    """The head's no: gRPC's ``code`` by name, ``words`` for people."""

    def __init__(self, text: str, code: str, words: str) -> None:
        super().__init__(text)
        self.code = code
        self.words = words


def legible(text: str) -> str:
    """Return a stranger's text fit for logs and status: one line, printable, at most 300 characters."""
    flat = "".join(character if character.isprintable() else " " for character in text[: 2 * _MAX_TEXT])
    flat = " ".join(flat.split())
    return flat if len(flat) <= _MAX_TEXT else f"{flat[: _MAX_TEXT - 1]}…"

"""Protobuf's outermost layer, read piece by piece: so much as to hand each piece to the real decoder alone.

Decoded at once, a small message can grow past all bounds: two bytes make an empty submessage of more than a
hundred. A head's answer is therefore taken apart here first, and what was made of a piece is gone before the
next is looked at. The encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from rayctl.gcs.errors import Garbled

Value: TypeAlias = int | memoryview
"""A number as it was written, unsigned, or the bytes of a text or a submessage."""

_MAX_VARINT = 70  # bits: ten groups of seven hold the longest number there is


def walk(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield each field's number and value, in the order of the wire; numbers of fixed width are skipped.

    Raises:
        Garbled: it is no message.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise Garbled("the answer is no protobuf: it has a field with the number 0")
        match kind:
            case 0:
                value, at = _varint(message, at)
                yield number, value
            case 2:
                size, at = _varint(message, at)
                if size > end - at:
                    raise Garbled("the answer is cut off")
                yield number, message[at : at + size]
                at += size
            case 1 | 5:
                at += 8 if kind == 1 else 4
            case _:
                raise Garbled(f"the answer is no protobuf of today: it has a field of wire type {kind}")


def signed(value: Value) -> int:
    """Return what a number of the type int64 stands for.

    Raises:
        Garbled: it is no number.
    """
    if not isinstance(value, int):
        raise Garbled("the answer has a text where a number belongs")
    low = value & (2**64 - 1)
    return low - 2**64 if low >= 2**63 else low


def submessage(value: Value) -> memoryview:
    """Return the bytes of a text or submessage.

    Raises:
        Garbled: it is a number.
    """
    if isinstance(value, int):
        raise Garbled("the answer has a number where a message belongs")
    return value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < _MAX_VARINT:
        if at >= len(message):
            raise Garbled("the answer is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Garbled("the answer is no protobuf: it has a number without an end")

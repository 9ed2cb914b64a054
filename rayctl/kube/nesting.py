"""JSON that is nested beyond what a decoder can follow.

The API server keeps 10,000 levels where a schema leaves a field open; decoders here give up at about 1,000.
Anyone who may make a RayCluster could stop the operator with one, or blind it to a whole list.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(rb'"(?:[^"\\]+|\\.)*"|[\[{\]}]', re.DOTALL)
_OPENING = frozenset(b"[{")
_QUOTE = ord('"')


def cut(body: bytes, deepest: int) -> bytes:
    """Return valid JSON with each list or object that stands more than ``deepest`` levels deep made null."""
    kept: list[bytes] = []
    depth = start = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first == _QUOTE:
            continue
        if first in _OPENING:
            depth += 1
            if depth == deepest + 1:
                kept += (body[start : token.start()], b"null")
        else:
            if depth == deepest + 1:
                start = token.end()
            depth -= 1
    return b"".join((*kept, body[start:]))

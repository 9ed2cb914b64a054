"""Bad specs by the hundred: each field of a good one, made wrong in each of many ways.

Deterministic: the same names give the same documents. Not each of them is bad (an empty list of setup commands
is none), so what they are held to is that each is refused in words or runs.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from e2e.badspecs.good import good_spec

Steps: TypeAlias = tuple[str | int, ...]

_NESTED = re.compile(r'"@nested (\d+)@"')
_GONE = object()
_SKIP = object()

WAYS: Mapping[str, Callable[[Any], Any]] = {
    "is missing": lambda _: _GONE,
    "is null": lambda _: None,
    "is true": lambda _: True,
    "is 0": lambda _: 0,
    "is negative": lambda _: -1,
    "is a fraction": lambda _: 0.5,
    "is a whole number with a point": lambda _: 2.0,
    "is more than there can be": lambda _: 10**6,
    "is the greatest number of 64 bits": lambda _: 2**63 - 1,
    "is beyond 64 bits": lambda _: 1e30,
    "is beyond all measure": lambda _: 1e308,
    "is an empty text": lambda _: "",
    "is a blank": lambda _: " ",
    "is a word": lambda _: "sometimes",
    "is a number in quotes": lambda _: "3",
    "is a quantity with a unit that there is not": lambda _: "512MB",
    "is a text that YAML takes for no number": lambda _: "NaN",
    "is two lines": lambda _: "one\ntwo: 2",
    "has a NUL in it": lambda _: "a\0b",
    "is in another script": lambda _: "ключ\u202e\U0001f680",
    "is what a shell would run": lambda _: "$(reboot); `reboot` && 'reboot' \"",
    "is a path": lambda _: "../../etc/passwd",
    "is 64 characters long": lambda _: "n" * 64,
    "is 200 kB long": lambda _: "x" * 200_000,
    "is 1 MB long": lambda _: "x" * 1_000_000,
    "is an empty list": lambda _: [],
    "is a list of nothing": lambda _: [None],
    "is a list of lists": lambda _: [[["a"]]],
    "is a list of mappings": lambda _: [{"a": 1}, {"": {}}],
    "is a list of 10,000": lambda _: list(range(10_000)),
    "is there twice over": lambda old: [*old, *old] if isinstance(old, list) and old else _SKIP,
    "is an empty mapping": lambda _: {},
    "is a mapping": lambda _: {"a": {"b": ["c"]}},
    "has a key without a name": lambda old: {**old, "": "x"} if isinstance(old, dict) else {"": "x"},
    "has an odd key": lambda old: {**(old if isinstance(old, dict) else {}), "a b/c\n": "x"},
    "has a key of 100 kB": lambda old: {**(old if isinstance(old, dict) else {}), "k" * 100_000: 1},
    "is nested 60 deep": lambda _: {"nested": "@nested 60@"},
    "is nested 600 deep": lambda _: {"nested": "@nested 600@"},
    "is nested 6000 deep": lambda _: {"nested": "@nested 6000@"},
}
"""What becomes of a field's value, by how it is told."""


@dataclass(frozen=True, slots=True)
class BadSpec:
    """A RayCluster that may be wrong. ``says``: how; ``path``: to what was changed."""

    says: str
    document: dict[str, Any]
    path: Steps

    def body(self, **metadata: str) -> bytes:
        """Return its JSON, with more metadata."""
        whole = self.document | {"metadata": {**self.document["metadata"], **metadata}}
        # Python's own encoder cannot follow what the API server takes.
        text = _NESTED.sub(lambda found: _nested(int(found[1])), json.dumps(whole))
        return text.encode()


def every_mutation() -> Iterator[BadSpec]:
    """Yield each field in each way: thousands."""
    good = good_spec()
    for path in _paths(good):
        for way in WAYS:
            yield from _mutated(good, path, way)


def some_mutations(count: int) -> tuple[BadSpec, ...]:
    """Return so many: each field as often as the others, each way as often as the others, or nearly."""
    dice = random.Random(20261124)
    good = good_spec()
    paths, ways = list(_paths(good)), list(WAYS)
    chosen: dict[str, BadSpec] = {}
    while len(chosen) < count:
        dice.shuffle(paths)
        dice.shuffle(ways)
        for index, path in enumerate(paths):
            way = ways[index % len(ways)]
            chosen.update({spec.says: spec for spec in _mutated(good, path, way)})
    return tuple(chosen.values())[:count]


def _paths(good: dict[str, Any]) -> Iterator[Steps]:
    """Yield the path of each field below ``spec``, and of labels and annotations."""
    for root in (("spec",), ("metadata", "labels"), ("metadata", "annotations")):
        value: Any = good
        for step in root:
            value = value[step]
        yield from _below(root, value)


def _below(path: Steps, value: Any) -> Iterator[Steps]:
    yield path
    match value:
        case dict():
            for key, inner in value.items():
                yield from _below((*path, key), inner)
        case list():
            for index, inner in enumerate(value):
                yield from _below((*path, index), inner)


def _mutated(good: dict[str, Any], path: Steps, way: str) -> Iterator[BadSpec]:
    document = copy.deepcopy(good)
    *parents, last = path
    place: Any = document
    for step in parents:
        place = place[step]
    value = WAYS[way](place[last])
    if value is _SKIP:
        return
    if value is _GONE:
        del place[last]
    else:
        place[last] = value
    yield BadSpec(f"{_text(path)} {way}", document, path)


def _text(path: Steps) -> str:
    """Return a path as the API server writes it: ``spec.podTypes[1].name``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _nested(levels: int) -> str:
    return '{"a":[' * (levels // 2) + "1" + "]}" * (levels // 2)

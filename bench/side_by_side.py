"""Acting on many things at once, as many as a client has calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def side_by_side(items: Iterable[T], act: Callable[[T], Awaitable[R]], parallel: int) -> list[R]:
    """Act on all items in their order, on ``parallel`` at once."""
    results: list[R] = []
    left = iter(items)

    async def worker() -> None:
        for item in left:
            results.append(await act(item))  # noqa: PERF401 (workers share the iterator)

    async with asyncio.TaskGroup() as group:
        for _ in range(parallel):
            group.create_task(worker())
    return results

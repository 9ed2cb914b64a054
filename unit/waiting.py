"""Waiting for something to become true, however slow the machine is."""

import asyncio
from collections.abc import Callable


async def comes_true(look: Callable[[], object], seconds: float = 10.0) -> None:
    """Return as soon as ``look`` gives something true; raises TimeoutError after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not look():  # noqa: ASYNC110
            await asyncio.sleep(0.005)

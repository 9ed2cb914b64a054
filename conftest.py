"""What all tests share, with a cluster and without: a test that needs no event loop leaves none behind."""

import asyncio
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("whatever the machine does", deadline=None)
settings.load_profile("whatever the machine does")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Lend an event loop to each test that is not asynchronous, and close it.

    Before Python 3.12 looptime asks for one around every test, which makes one that nobody closes; its
    ResourceWarning then fails whatever test runs when it is collected.
    """
    if pyfuncitem.get_closest_marker("asyncio") is not None:  # pytest-asyncio gives it one
        return (yield)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return (yield)
    finally:
        asyncio.set_event_loop(None)
        loop.close()

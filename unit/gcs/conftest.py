"""A fake GCS, and a client of it."""

from collections.abc import AsyncIterator

import pytest

from rayctl.clock import SystemClock
from rayctl.gcs.client import GcsClient
from unit.fakes.gcs import FakeGcs


@pytest.fixture
async def gcs() -> AsyncIterator[FakeGcs]:
    async with FakeGcs() as gcs:
        yield gcs


@pytest.fixture
async def client(gcs: FakeGcs) -> AsyncIterator[GcsClient]:
    async with GcsClient(gcs.address, SystemClock()) as client:
        yield client

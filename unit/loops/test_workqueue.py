import asyncio
import itertools

import pytest

from rayctl.loops.workqueue import LONGEST_RETRY, WorkQueue

pytestmark = pytest.mark.looptime(start=0)


async def test_a_key_added_twice_comes_once() -> None:
    queue: WorkQueue[str] = WorkQueue()

    queue.add("a")
    queue.add("a")

    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_a_key_added_while_it_is_handled_comes_again_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()

    queue.add("a")

    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"


async def test_no_two_workers_hold_the_same_key() -> None:
    queue: WorkQueue[int] = WorkQueue()
    held: set[int] = set()
    handled: list[int] = []

    async def work() -> None:
        while True:
            key = await queue.get()
            assert key not in held
            held.add(key)
            await asyncio.sleep(0.01)
            held.discard(key)
            handled.append(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(5)]
    for _ in range(30):
        for key in range(3):
            queue.add(key)
        await asyncio.sleep(0.004)
    await asyncio.sleep(1)

    for worker in workers:
        assert not worker.done()
        worker.cancel()
    assert set(handled) == {0, 1, 2}


async def test_what_was_begun_comes_before_what_is_new_but_for_every_fourth() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "c"):
        queue.add(key)
    for _ in range(3):
        queue.done(await queue.get())

    for key in ("new-1", "new-2", "a", "b", "c"):
        queue.add(key)

    assert len(queue) == 5
    assert [await queue.get() for _ in range(5)] == ["new-1", "a", "b", "c", "new-2"]


async def test_what_was_forgotten_is_new_again() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("gone", "there"):
        queue.add(key)
        await queue.get()
        if key == "gone":
            queue.forget(key)
        queue.done(key)

    queue.add("gone")
    queue.add("there")

    assert [await queue.get(), await queue.get()] == ["there", "gone"]


async def test_waiters_wake_when_a_key_arrives() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)

    queue.add("a")
    queue.add("b")

    assert {await first, await second} == {"a", "b"}


async def test_a_later_key_is_due_when_its_time_has_come() -> None:
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()

    queue.add_after("a", 7)

    await queue.get()
    assert loop.time() == 7


async def test_the_earlier_of_two_appointments_stands() -> None:
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()

    queue.add_after("a", 9)
    queue.add_after("a", 2)
    queue.add_after("a", 5)

    await queue.get()
    assert loop.time() == 2
    queue.done("a")
    await asyncio.sleep(20)
    assert len(queue) == 0


async def test_failures_back_off_up_to_a_limit_and_are_forgiven() -> None:
    queue: WorkQueue[str] = WorkQueue()

    delays = []
    for _ in range(12):
        delays.append(queue.retry("a"))
        await queue.get()
        queue.done("a")
    queue.forgive("a")

    assert delays[:3] == [0.2, 0.4, 0.8]
    assert delays[-1] == LONGEST_RETRY
    assert delays == sorted(delays)
    assert queue.retry("a") == 0.2


async def test_nothing_comes_out_of_a_cleared_queue() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add_after("b", 1)

    queue.clear()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await queue.get()


async def test_others_have_their_turn_between_two_keys_of_a_handler_that_waits_for_nothing() -> None:
    queue: WorkQueue[int] = WorkQueue()
    handled: list[int] = []
    seen: list[int] = []

    async def work() -> None:
        while True:
            key = await queue.get()
            handled.append(key)
            queue.done(key)

    for key in range(100):
        queue.add(key)
    worker = asyncio.create_task(work())
    while len(handled) < 100:
        seen.append(len(handled))
        await asyncio.sleep(0)
    worker.cancel()

    assert seen
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= 2

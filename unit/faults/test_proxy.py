"""A line in front of a server that counts what reaches it."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from e2e.cluster.certificates import Authority, Identity
from e2e.faults.proxy import Ambush, Line, Trouble


@dataclass
class Server:
    """What is behind a line."""

    writes: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.agents.append(request.headers["User-Agent"])
        if request.query.get("watch"):
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for _ in range(1000):
                await response.write(b"{}\n")
                await asyncio.sleep(0.01)
            return response
        if request.method != "GET":
            self.writes.append(request.path)
        return web.json_response({"kind": "Pod"})


@dataclass
class Place:
    """A line, a client before it, and what has reached the server behind it."""

    line: Line
    client: aiohttp.ClientSession
    writes: list[str]
    agents: list[str]

    async def ask(self, method: str = "GET", path: str = "/api/v1/pods") -> aiohttp.ClientResponse:
        async with self.client.request(method, f"https://127.0.0.1:{self.line.port}{path}") as answer:
            await answer.read()
            return answer


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("line", Identity("line", names=("127.0.0.1",)))
    trust = ssl.create_default_context(cafile=str(authority.certificate_file))
    async with AsyncExitStack() as stack:
        behind = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        before = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trust), headers={"User-Agent": "rayctl/1 (operator-0_x)"}
            )
        )
        server = Server()
        runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        line = Line(f"http://127.0.0.1:{runner.addresses[0][1]}", behind, random.Random(1))
        await stack.enter_async_context(line.served(certificate, key))
        yield Place(line, before, server.writes, server.agents)


async def test_a_good_line_passes_all_on_with_the_senders_user_agent(place: Place) -> None:
    answer = await place.ask("POST")

    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert place.writes == ["/api/v1/pods"]
    assert place.agents == ["rayctl/1 (operator-0_x)"]


async def test_an_answer_is_lost_after_the_write_took_effect(place: Place) -> None:
    place.line.befall(Trouble.ANSWERS_LOST, 60)

    with pytest.raises(aiohttp.ClientError):
        await place.ask("POST")

    assert place.writes == ["/api/v1/pods"]
    assert (await place.ask("GET")).status == 200


async def test_a_cut_line_passes_nothing_on_until_it_is_healed(place: Place) -> None:
    place.line.befall(Trouble.CUT, 60)
    with pytest.raises(aiohttp.ClientError):
        await place.ask("POST")
    assert not place.writes

    place.line.heal()
    await place.ask("POST")
    assert len(place.writes) == 1


async def test_a_request_that_was_given_up_on_a_silent_line_never_arrives(place: Place) -> None:
    place.line.befall(Trouble.SILENT, 60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await place.ask("POST")

    place.line.heal()
    await place.ask("GET")
    await asyncio.sleep(0.2)  # longer than a held request takes to look again

    assert not place.writes


async def test_a_write_is_sent_twice(place: Place) -> None:
    place.line.befall(Trouble.SENT_TWICE, 60)

    await place.ask("POST")

    assert len(place.writes) == 2


@pytest.mark.parametrize(
    ("trouble", "read", "write"),
    [
        (Trouble.CONFLICT, 200, 409),
        (Trouble.GONE, 410, 200),
        (Trouble.THROTTLING, 429, 429),
        (Trouble.ERROR, 500, 500),
        (Trouble.HTML, 502, 502),
    ],
)
async def test_it_answers_in_the_servers_place(place: Place, trouble: Trouble, read: int, write: int) -> None:
    place.line.befall(trouble, 60)

    assert (await place.ask("GET")).status == read
    answer = await place.ask("POST")
    assert answer.status == write
    assert ("Retry-After" in answer.headers) == (trouble is Trouble.THROTTLING)


async def test_watches_are_held_back_and_cut(place: Place) -> None:
    url = f"https://127.0.0.1:{place.line.port}/api/v1/pods?watch=1"
    async with place.client.get(url) as answer:
        assert await answer.content.readline() == b"{}\n"
        place.line.befall(Trouble.WATCHES_STALLED, 60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                answer.content.read(), 0.3
            )  # ends with what was under way, never by itself
        place.line.befall(Trouble.WATCHES_CUT, 60)
        with pytest.raises(aiohttp.ClientError):
            await answer.content.read()


@pytest.mark.parametrize("after_effect", [False, True])
async def test_an_ambush_is_sprung_at_its_step_and_renewals_and_events_are_none(
    place: Place, *, after_effect: bool
) -> None:
    done: list[int] = []
    place.line.lie_in_wait(Ambush(lambda: done.append(len(place.writes)), 1, after_effect))

    for path in ("/leases/x", "/pods", "/events", "/pods", "/pods"):
        await place.ask("POST", path)

    assert done == [4 if after_effect else 3]

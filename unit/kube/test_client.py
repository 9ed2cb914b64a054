"""The client against what a network and a busy server do to it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rayctl.api.document import Document
from rayctl.api.moment import Seconds
from rayctl.clock import SystemClock
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.errors import (
    CallError,
    Fenced,
    Forbidden,
    Garbled,
    ServerFault,
    Throttled,
    Unauthorized,
    Unreachable,
)
from rayctl.kube.resource import PODS, Call, Verb
from unit.builders import a_pod_config
from unit.fakes.apiserver import FakeApiServer, answer, hang, html, lost, reset
from unit.fakes.clock import LoopClock
from unit.waiting import comes_true

LIST = Call(verb=Verb.LIST, resource=PODS, namespace="ray")
POD: Document = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "ray"}]}}
CREATE = Call(verb=Verb.CREATE, resource=PODS, namespace="ray", body=POD)


async def test_what_the_server_puts_off_is_asked_again_when_it_says(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.fail("create", "pods", answer(429, "TooManyRequests", Retry_After="1"))
    began = asyncio.get_running_loop().time()

    await client.send(CREATE)

    assert asyncio.get_running_loop().time() - began >= 1.0
    assert server.count("create", "pods") == 2


async def test_what_is_put_off_without_a_time_is_asked_less_and_less_often(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.fail("create", "pods", answer(429, "TooManyRequests"), times=100)

    with pytest.raises(Throttled):
        await client.send(CREATE, timeout=3)

    assert 2 <= server.count("create", "pods") <= 5  # after 0.5 s, 1 s, 2 s, each cut by a half at most


async def test_what_is_put_off_beyond_the_deadline_fails_at_once(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.fail("create", "pods", answer(503, "ServiceUnavailable", Retry_After="30"))

    with pytest.raises(Throttled) as caught:
        await client.send(CREATE, timeout=5)

    assert caught.value.retry_after == 30
    assert server.count("create", "pods") == 1


@pytest.mark.parametrize(
    ("act", "error"),
    [
        pytest.param(hang(), Unreachable, id="no answer in time"),
        pytest.param(reset, Unreachable, id="the connection is reset"),
        pytest.param(lost, Unreachable, id="the answer is lost after it took effect"),
        pytest.param(html(200), Garbled, id="a login page of a proxy"),
        pytest.param(html(502), ServerFault, id="an error page of a proxy"),
        pytest.param(html(302), CallError, id="a redirect"),
        pytest.param(answer(500, "InternalError", "etcdserver: leader changed"), ServerFault, id="a fault"),
        pytest.param(answer(403, "Forbidden"), Forbidden, id="a refusal"),
    ],
)
async def test_an_answer_that_is_none_is_an_error_of_its_kind(
    server: FakeApiServer, client: KubeClient, act: Any, error: type[CallError]
) -> None:
    server.fail("create", "pods", act)

    with pytest.raises(error, match="cannot create pods in namespace ray: ") as caught:
        await client.send(CREATE, timeout=0.3)

    assert "secret" not in str(caught.value)
    assert server.count("create", "pods") == 1  # a create is not repeated behind the caller's back


async def test_a_server_that_is_away_is_unreachable(server: FakeApiServer, client: KubeClient) -> None:
    await server.stop()

    with pytest.raises(Unreachable):
        await client.send(LIST)


async def test_each_call_is_observed_with_its_code(server: FakeApiServer, tmp_path: Path) -> None:
    calls: list[tuple[str, str, int]] = []

    def note(verb: Verb, kind: str, code: int, seconds: Seconds) -> None:
        assert seconds >= 0
        calls.append((verb, kind, code))

    clock = SystemClock()
    connection = await Connection.open(Source(server.kubeconfig(tmp_path)), clock)
    async with KubeClient(connection, clock, identity="me", on_call=note) as client:
        server.fail("create", "pods", reset)
        with pytest.raises(Unreachable):
            await client.send(CREATE)
        await client.send(LIST)

    assert calls == [("create", "pods", 0), ("list", "pods", 200)]


async def test_the_user_agent_names_version_and_replica(server: FakeApiServer, client: KubeClient) -> None:
    await client.send(LIST)

    assert server.asked[0].user_agent.startswith("rayctl/")
    assert server.asked[0].user_agent.endswith(" (me)")


async def test_a_guard_is_asked_in_the_moment_before_the_request_leaves(
    server: FakeApiServer, client: KubeClient
) -> None:
    def refuse(call: Call) -> None:
        raise Fenced(call, "no")

    with pytest.raises(Fenced):
        await client.send(CREATE, guard=refuse)

    assert server.asked == []
    await client.send(CREATE)  # the connection that was given up does no harm


async def test_a_guard_is_asked_again_before_a_body_leaves_which_headers_wait_for(
    server: FakeApiServer, client: KubeClient
) -> None:
    asked = 0

    def refuse_the_second_time(call: Call) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise Fenced(call, "no")

    with pytest.raises(Fenced):
        await client.send(CREATE, guard=refuse_the_second_time)

    await client.send(LIST)
    assert [one.verb for one in server.asked] == ["list"]


async def test_proxies_of_the_environment_are_not_used(
    server: FakeApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    await client.send(LIST)

    assert server.count("list", "pods") == 1


async def test_credentials_that_are_not_taken_are_read_anew_once(
    server: FakeApiServer, tmp_path: Path
) -> None:
    clock = LoopClock()
    path = Path(server.kubeconfig(tmp_path))
    connection = await Connection.open(Source(str(path)), clock)
    _change_token(path, "the new one")
    clock.ahead = 60
    server.fail("list", "pods", answer(401, "Unauthorized"), times=1)

    async with KubeClient(connection, clock, identity="me") as client:
        await client.send(LIST)

        assert await connection.authorization() == "Bearer the new one"
        server.fail("list", "pods", answer(401, "Unauthorized"), times=2)
        with pytest.raises(Unauthorized):
            await client.send(LIST)
        assert server.count("list", "pods") == 4


def _change_token(kubeconfig: Path, token: str) -> None:
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"]["token"] = token
    kubeconfig.write_text(json.dumps(config))


async def test_a_stream_that_is_silent_for_too_long_is_broken(
    server: FakeApiServer, client: KubeClient
) -> None:
    server.bookmark_every = 3600
    query = {"watch": "1", "resourceVersion": "10"}
    call = Call(verb=Verb.WATCH, resource=PODS, namespace="ray", query=query)

    with pytest.raises(Unreachable, match="the stream broke"):
        async with client.stream(call, silence=0.2) as lines:
            await anext(lines)


async def test_a_namespace_whose_calls_hang_leaves_slots_to_the_others(
    server: FakeApiServer, tmp_path: Path
) -> None:
    clock = SystemClock()
    connection = await Connection.open(Source(server.kubeconfig(tmp_path)), clock)
    server.fail("create", "pods", hang(), times=10**6, only=lambda asked: asked.namespace == "slow")

    def create(client: KubeClient, namespace: str, name: str) -> asyncio.Task[bytes]:
        body = a_pod_config(metadata={"name": name})
        call = Call(verb=Verb.CREATE, resource=PODS, namespace=namespace, body=body)
        return asyncio.create_task(client.send(call))

    async with KubeClient(connection, clock, identity="me", parallel=4, share=2) as client:
        slow = [create(client, "slow", f"p{number}") for number in range(8)]
        await comes_true(lambda: server.count("create", "pods") == 2)
        async with asyncio.timeout(10):
            await asyncio.gather(*(create(client, "quick", f"p{number}") for number in range(8)))
        assert server.count("create", "pods") == 2 + 8
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)

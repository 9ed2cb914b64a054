"""A cluster whose head wants a token is followed with the one in its Secret, and says so when it has it not."""

import base64
from functools import partial
from typing import Any

import pytest

from rayctl.gcs.channel import Method
from rayctl.loops import heads as heads_module
from unit.fakes.objects import Place
from unit.loops.conftest import World
from unit.waiting import comes_true

SECRET = Place("secrets", "ray", "the-token")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads_module, "PERIOD", 0.05)
    monkeypatch.setattr(heads_module, "STILL_TRUE", 0.0)
    monkeypatch.setattr(heads_module, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(heads_module, "LONGEST_RETRY", 0.1)
    monkeypatch.setattr(heads_module, "LONGEST_RETRY_UNHEARD", 0.1)


def a_secret(**texts: str) -> dict[str, Any]:
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {"metadata": {"name": SECRET.name}, "data": coded}


async def test_the_token_is_read_from_the_secret_and_again_when_it_is_not_taken(world: World) -> None:
    world.ray.token = "the-second"
    world.server.objects.create(SECRET, a_secret(auth_token="the-first\n"))
    world.have("guarded", workers=0, auth={"mode": "token", "secretName": "the-token"})
    await comes_true(partial(world.pods, "guarded"))
    world.make_ready("guarded")

    await comes_true(lambda: autoscaling(world)[:2] == ("False", "GcsUnauthenticated"))
    assert "InvalidAuthToken" in autoscaling(world)[2]

    world.server.objects.merge(SECRET, a_secret(auth_token="the-second"))
    world.ray.ask({"CPU": 1.0})
    await comes_true(lambda: len(world.pods("guarded")) == 2)
    await comes_true(lambda: autoscaling(world)[0] == "True")

    looks, reads = world.ray.count(Method.READ_STATE), world.server.count("get", "secrets")
    await comes_true(lambda: world.ray.count(Method.READ_STATE) > looks + 3)
    assert world.server.count("get", "secrets") == reads, "it is read once"


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        pytest.param(None, "the token cannot be read: ", id="no Secret"),
        pytest.param({"token": "x"}, "the Secret the-token has no auth_token", id="another key"),
        pytest.param({"auth_token": " "}, "the Secret the-token has no auth_token", id="an empty token"),
    ],
)
async def test_what_stands_in_the_way_of_the_token_is_told(
    world: World, texts: dict[str, str] | None, told: str
) -> None:
    if texts is not None:
        world.server.objects.create(SECRET, a_secret(**texts))
    world.have("guarded", workers=0, auth={"mode": "token", "secretName": "the-token"})
    await comes_true(partial(world.pods, "guarded"))
    world.make_ready("guarded")

    await comes_true(lambda: told in autoscaling(world)[2])

    assert autoscaling(world)[:2] == ("False", "GcsUnauthenticated")
    assert world.ray.count(Method.READ_STATE) == 0


def autoscaling(world: World) -> tuple[str, str, str]:
    conditions = world.status("guarded").get("conditions", [])
    found: dict[str, str] = next((one for one in conditions if one["type"] == "Autoscaling"), {})
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")

"""Where the API server is, and what is said when nothing tells."""

import json
from pathlib import Path
from typing import Any

import pytest

from rayctl.clock import SystemClock
from rayctl.kube.config import Connection, Source
from rayctl.kube.errors import NoConfiguration

CLOCK = SystemClock()


def a_kubeconfig(folder: Path, *, user: dict[str, Any] | None = None, **context: str) -> str:
    config = {
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "one", "user": "one", **context}},
            {"name": "two", "context": {"cluster": "two", "user": "one"}},
        ],
        "clusters": [
            {"name": "one", "cluster": {"server": "http://one:8080/"}},
            {"name": "two", "cluster": {"server": "http://two:8080"}},
        ],
        "users": [{"name": "one", "user": user or {"token": "secret"}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(config))
    return str(path)


async def test_a_kubeconfig_leads_to_the_server_of_its_current_context(tmp_path: Path) -> None:
    connection = await Connection.open(Source(a_kubeconfig(tmp_path, namespace="team")), CLOCK)

    assert (connection.url, connection.namespace) == ("http://one:8080", "team")
    assert await connection.authorization() == "Bearer secret"


async def test_another_context_can_be_named(tmp_path: Path) -> None:
    connection = await Connection.open(Source(a_kubeconfig(tmp_path), "two"), CLOCK)

    assert (connection.url, connection.namespace) == ("http://two:8080", "default")


async def test_a_token_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-the-file\n")
    connection = await Connection.open(Source(a_kubeconfig(tmp_path, user={"tokenFile": "token"})), CLOCK)

    assert await connection.authorization() == "Bearer from-the-file"


async def test_a_token_may_come_from_a_plugin(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-the-plugin"},
    }
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    plugin.chmod(0o755)
    user = {"exec": {"command": str(plugin), "apiVersion": "client.authentication.k8s.io/v1"}}

    connection = await Connection.open(Source(a_kubeconfig(tmp_path, user=user)), CLOCK)

    assert await connection.authorization() == "Bearer from-the-plugin"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "cannot be used", id="an empty file"),
        pytest.param("- a\n- list\n", "cannot be used", id="a list"),
        pytest.param("a: [", "cannot be used", id="no YAML"),
        pytest.param("clusters: []\nusers: []\ncontexts: []\n", "current-context", id="no context"),
    ],
)
async def test_a_kubeconfig_that_is_none_is_named_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(NoConfiguration, match=says) as caught:
        await Connection.open(Source(str(path)), CLOCK)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoConfiguration, match=r"there is no kubeconfig .*/nowhere; check the path"):
        await Connection.open(Source(str(tmp_path / "nowhere")), CLOCK)


async def test_without_kubeconfig_and_cluster_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubernetes.aio.config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(NoConfiguration) as caught:
        await Connection.open(Source(), CLOCK)

    assert "give --kubeconfig, set KUBECONFIG, or run in a pod" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_names_of_the_kubernetes_package_that_we_lean_on_are_there() -> None:
    from kubernetes.aio import config
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.client.rest import RESTClientObject

    assert config.kube_config.ENV_KUBECONFIG_PATH_SEPARATOR
    assert RESTClientObject(Configuration()).ssl_context.check_hostname
    assert hasattr(Configuration(), "disable_strict_ssl_verification")

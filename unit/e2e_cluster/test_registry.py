"""The registry's client against a server that speaks the protocol, and the files that point containerd to it."""

import json
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from e2e.cluster.interface import BedError
from e2e.cluster.registry import (
    answers,
    copy_tag,
    has_image,
    hosts_toml,
    path_of,
    registry_config,
    write_mirrors,
)

_OCI = "application/vnd.oci.image.manifest.v1+json"


class Registry(ThreadingHTTPServer):
    """Keeps manifests by path, as a registry does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manifests: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        body = b"{}" if self.path == "/v2/" else self.server.manifests.get(self.path)
        self._answer(404 if body is None else 200, body or b"{}")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] != _OCI:
            self._answer(415, b"unsupported")
            return
        self.server.manifests[self.path] = body
        self._answer(201, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def a_manifest(image_id: str, kind: str = _OCI) -> bytes:
    return json.dumps({"mediaType": kind, "config": {"digest": f"sha256:{image_id}"}}).encode()


def test_an_image_is_there_only_if_it_is_the_same_image(registry: Registry) -> None:
    registry.manifests["/v2/rayproject/ray/manifests/1"] = a_manifest("aa")

    assert has_image(registry.address, "rayproject/ray:1", "aa")
    assert not has_image(registry.address, "rayproject/ray:1", "bb")
    assert not has_image(registry.address, "rayproject/ray:2", "aa")


def test_a_second_tag_is_the_same_image_without_sending_it_again(registry: Registry) -> None:
    registry.manifests["/v2/rayproject/ray/manifests/1"] = a_manifest("aa")

    copy_tag(registry.address, "rayproject/ray:1", "rayproject/ray:latest")

    assert has_image(registry.address, "rayproject/ray:latest", "aa")


def test_a_tag_of_an_image_that_was_not_pushed_says_so(registry: Registry) -> None:
    with pytest.raises(BedError, match="has no rayproject/ray:1"):
        copy_tag(registry.address, "rayproject/ray:1", "rayproject/ray:latest")


def test_a_refusal_carries_the_registrys_words(registry: Registry) -> None:
    registry.manifests["/v2/x/manifests/1"] = a_manifest("aa", kind="application/unheard-of")

    with pytest.raises(BedError, match="refused x:2: 415 b'unsupported'"):
        copy_tag(registry.address, "x:1", "x:2")


def test_a_registry_that_is_down_does_not_answer(registry: Registry) -> None:
    assert answers(registry.address)

    registry.shutdown()
    registry.server_close()

    assert not answers(registry.address)
    with pytest.raises(BedError, match="does not answer"):
        has_image(registry.address, "x:1", "aa")


def test_containerd_asks_the_beds_registry_and_no_other() -> None:
    hosts = tomllib.loads(hosts_toml("docker.io", "10.1.0.1:5000"))

    assert hosts["server"] == "http://10.1.0.1:5000"
    assert hosts["host"] == {"http://10.1.0.1:5000": {"capabilities": ["pull", "resolve"]}}


def test_there_is_a_mirror_for_each_host_in_image_names(tmp_path: Path) -> None:
    write_mirrors(tmp_path, "10.1.0.1:5000")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["docker.io", "localhost"]
    assert all((folder / "hosts.toml").exists() for folder in tmp_path.iterdir())


def test_a_name_loses_its_host_and_nothing_else() -> None:
    assert path_of("docker.io/rayproject/ray:2.60.0") == "rayproject/ray:2.60.0"


def test_the_configuration_says_where_to_listen_and_where_images_lie(tmp_path: Path) -> None:
    config = json.loads(registry_config("10.1.0.1:5000", tmp_path))

    assert config["http"]["addr"] == "10.1.0.1:5000"
    assert config["storage"]["filesystem"]["rootdirectory"] == str(tmp_path)

"""Certificates and keys that are replaced while the operator runs: real requests over real TLS."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from e2e.cluster.certificates import Authority, Identity
from e2e.operator_process import free_port
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.errors import Unreachable
from rayctl.kube.resource import PODS, Call, Verb
from unit.fakes.clock import SetClock

HOST = "127.0.0.1"
WHO_AM_I = Call(verb=Verb.GET, resource=PODS, namespace="any", name="any")
A_WHILE = 61.0
"""Files are looked at once a minute."""


class Place:
    """Where a server is, and the files that tell a client how to get there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"https://{HOST}:{self.port}"
        self.kubeconfig = folder / "config"
        self.clock = SetClock()

    def authority(self, name: str) -> Authority:
        """Make an authority; all have the same name for themselves, as a cluster's mostly have."""
        return Authority(self._folder / name)

    def name_files(self) -> None:
        """Write a kubeconfig that names files with a CA, a certificate and a key."""
        folder = self._folder
        cluster = {"server": self.url, "certificate-authority": str(folder / "ca")}
        user = {"client-certificate": str(folder / "certificate"), "client-key": str(folder / "key")}
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        }
        self.kubeconfig.write_text(json.dumps(config))

    def put_files(self, authority: Authority, user: str) -> None:
        """Put the files there."""
        certificate, key = authority.issue("client", Identity(user))
        shutil.copyfile(authority.certificate_file, self._folder / "ca")
        shutil.copyfile(certificate, self._folder / "certificate")
        shutil.copyfile(key, self._folder / "key")

    def tear_files(self) -> None:
        """Leave a part of the certificate, as one sees it while it is written."""
        path = self._folder / "certificate"
        path.write_text(path.read_text()[:200])

    @asynccontextmanager
    async def serving(self, authority: Authority) -> AsyncIterator[None]:
        """Run a server of that authority, which tells clients of the same authority who they are."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("server", Identity("server", names=(HOST,))))
        context.load_verify_locations(authority.certificate_file)
        context.verify_mode = ssl.CERT_REQUIRED
        runner = web.ServerRunner(web.Server(_tell))
        await runner.setup()
        await web.TCPSite(runner, HOST, self.port, ssl_context=context).start()
        try:
            yield
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[KubeClient]:
        """Give one client, for all that follows."""
        connection = await Connection.open(Source(str(self.kubeconfig)), self.clock)
        async with KubeClient(connection, self.clock, identity="test") as client:
            yield client

    def pass_time(self) -> None:
        """Let it be time to look at files again."""
        self.clock.now += A_WHILE


async def _tell(request: web.BaseRequest) -> web.Response:
    assert request.transport is not None
    certificate = request.transport.get_extra_info("peercert")
    subject = dict(pair for (pair,) in certificate["subject"])
    return web.json_response({"you": subject["commonName"]})


async def who_am_i(client: KubeClient) -> str:
    """Return whom the server takes a client for."""
    told: str = orjson.loads(await client.send(WHO_AM_I, timeout=5))["you"]
    return told


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_another_authority_and_certificate_are_taken_up_from_their_files(place: Place) -> None:
    first, second = place.authority("first"), place.authority("second")
    place.name_files()
    place.put_files(first, "operator-1")
    async with place.client() as client:
        async with place.serving(first):
            assert await who_am_i(client) == "operator-1"

        place.put_files(second, "operator-2")
        async with place.serving(second):
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                await who_am_i(client)
            place.pass_time()
            assert await who_am_i(client) == "operator-2"

        async with place.serving(first):
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                await who_am_i(client)


async def test_files_that_are_being_written_change_nothing_until_they_are_whole(place: Place) -> None:
    authority = place.authority("first")
    place.name_files()
    place.put_files(authority, "operator-1")
    async with place.client() as client:
        async with place.serving(authority):
            place.put_files(authority, "operator-2")
            place.tear_files()
            place.pass_time()
            assert await who_am_i(client) == "operator-1"

        async with place.serving(authority):
            place.put_files(authority, "operator-2")
            place.pass_time()
            assert await who_am_i(client) == "operator-2"


async def test_a_kubeconfig_that_holds_all_of_it_is_read_again(place: Place) -> None:
    first, second = place.authority("first"), place.authority("second")
    first.write_kubeconfig(place.kubeconfig, place.url, "c", Identity("operator-1"))
    async with place.client() as client:
        second.write_kubeconfig(place.kubeconfig, place.url, "c", Identity("operator-2"))
        place.pass_time()

        async with place.serving(second):
            assert await who_am_i(client) == "operator-2"

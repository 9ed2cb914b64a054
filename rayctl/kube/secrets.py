"""Secrets that somebody named, and gave us the right to get, one at a time: none is listed or watched."""

from __future__ import annotations

import base64

import msgspec

from rayctl.kube.client import KubeClient
from rayctl.kube.errors import Garbled
from rayctl.kube.resource import SECRETS, Call, Verb


class _Secret(msgspec.Struct):
    data: dict[str, str] | None = None


class Secrets:
    """Reads Secrets."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def read(self, namespace: str, name: str, key: str) -> str | None:
        """Return the text under a key of a Secret; None where it has no such key.

        Raises:
            KubeError: Forbidden and NotFound among them.
        """
        call = Call(verb=Verb.GET, resource=SECRETS, namespace=namespace, name=name)
        body = await self._client.send(call)
        try:
            value = (msgspec.json.decode(body, type=_Secret).data or {}).get(key)
            return None if value is None else base64.b64decode(value).decode()
        except ValueError as error:
            raise Garbled(call, f"the value of {key} is no text") from error

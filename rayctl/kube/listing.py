"""One collection of the API: which one, and its lists, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from rayctl.api.moment import Seconds
from rayctl.kube.client import KubeClient
from rayctl.kube.decode import Anything, Page, Wire, read
from rayctl.kube.errors import Garbled
from rayctl.kube.resource import Call, Resource, Verb

PAGE_SIZE = 500  # about 6 ms of decoding at a time
_LIST_TIMEOUT: Seconds = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is watched."""

    resource: Resource
    namespace: str
    """'' means all namespaces."""
    labels: str = ""
    """A label selector."""
    fields: str = ""
    """A field selector."""

    def call(self, verb: Verb, **query: str) -> Call:
        """Return a LIST or WATCH of it."""
        selectors = {"labelSelector": self.labels, "fieldSelector": self.fields}
        chosen = {name: value for name, value in (selectors | query).items() if value}
        return Call(verb=verb, resource=self.resource, namespace=self.namespace, query=chosen)

    def __str__(self) -> str:
        return f"{self.resource} in {f'namespace {self.namespace}' if self.namespace else 'all namespaces'}"


@dataclass(frozen=True, slots=True)
class Items:
    """A page of a list."""

    version: int
    """Of the whole list: all pages are of the first one's."""
    items: list[msgspec.Raw]


async def list_pages(client: KubeClient, call: Call) -> AsyncGenerator[Items]:
    """Yield a consistent list's pages, one at least.

    Raises:
        KubeError: a page could not be had.
    """
    version, token = 0, ""
    while True:
        query = {**call.query, "limit": str(PAGE_SIZE)} | ({"continue": token} if token else {})
        asked = replace(call, query=query)
        page = read_answer(asked, await client.send(asked, timeout=_LIST_TIMEOUT), Page)
        if not page.metadata.resource_version.isdecimal():
            raise Garbled(asked, "a list without a resourceVersion")
        version = version or int(page.metadata.resource_version)
        yield Items(version, page.items or [])
        token = page.metadata.continue_ or ""
        if not token:
            return


async def list_versions(client: KubeClient, target: Target) -> tuple[int, dict[str, int]]:
    """Return a list's version, and each object's by its UID. Only metadata is sent: a quarter of a pod.

    Raises:
        KubeError: it could not be had.
    """
    call = replace(target.call(Verb.LIST), metadata_only=True)
    version, objects = 0, dict[str, int]()
    async for page in list_pages(client, call):
        version = page.version
        for item in page.items:
            metadata = read_answer(call, item, Anything).metadata
            objects[metadata.uid] = metadata.version
    return version, objects


R = TypeVar("R")


def read_answer(call: Call, wire: Wire, kind: type[R]) -> R:
    """Return what a call's answer, or a part of it, says.

    Raises:
        Garbled: it is not of that kind.
    """
    try:
        return read(wire, kind)
    except msgspec.DecodeError as error:
        raise Garbled(call, f"the answer is broken: {error}") from error

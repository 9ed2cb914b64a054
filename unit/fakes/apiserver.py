"""A fake API server on the wire, for faults that a real one cannot be made to show.

Such as an answer that hangs, is lost after it took effect, is a proxy's HTML, or a 410 in mid-paging. What it
does otherwise is held to the real one's behaviour by the contract tests (e2e/contract/).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from unit.fakes.objects import Change, Object, Objects, Place, RefusalError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request, as RBAC sees it."""

    verb: str
    plural: str
    namespace: str
    name: str
    subresource: str
    user_agent: str
    query: dict[str, str]
    metadata_only: bool

    @property
    def place(self) -> Place:
        return Place(self.plural, self.namespace, self.name)


@dataclass
class Fault:
    """What happens to the next ``times`` requests of a verb and resource instead of an answer."""

    verb: str
    plural: str
    act: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
    times: int
    only: Callable[[Asked], bool]


class FakeApiServer:
    """Serves on a free port of loopback; use with ``async with``. ``objects`` may be changed directly."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.objects.on_change = self._wake
        self.asked: list[Asked] = []
        self.port = 0
        self.bookmark_every = 0.05
        self._faults: list[Fault] = []
        self._changed = asyncio.Event()
        self._cut = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._cut = asyncio.Event()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Go away; :meth:`start` comes back on the same port with the same objects."""
        self.cut_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut_watches(self) -> None:
        """Cut all streams in the middle."""
        self._cut.set()
        self._cut = asyncio.Event()

    def fail(
        self,
        verb: str,
        plural: str,
        act: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]],
        *,
        times: int = 1,
        only: Callable[[Asked], bool] = lambda _: True,
    ) -> None:
        """Have something else happen to the next requests of that kind."""
        self._faults.append(Fault(verb, plural, act, times, only))

    def heal(self) -> None:
        """Have no more faults."""
        self._faults.clear()

    def count(self, verb: str, plural: str) -> int:
        """Return how often that was asked."""
        return sum(asked.verb == verb and asked.plural == plural for asked in self.asked)

    def kubeconfig(self, folder: Path) -> str:
        """Write a kubeconfig that leads here and return its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [
                {"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "ray"}}
            ],
            "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "fake", "user": {"token": "let-me-in"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return str(path)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = _parse(request)
        self.asked.append(asked)
        for fault in self._faults:
            if (fault.verb, fault.plural) == (asked.verb, asked.plural) and fault.times and fault.only(asked):
                fault.times -= 1
                return await fault.act(request, self._answer)
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = _parse(request)
        try:
            match asked.verb:
                case "watch":
                    return await self._watch(request, asked)
                case "list":
                    return web.json_response(self._list(asked))
                case "create":
                    return web.json_response(
                        self.objects.create(asked.place, await request.json()), status=201
                    )
                case _:
                    return web.json_response(self._act(asked, request.content_type, await _body(request)))
        except RefusalError as refusal:
            return web.json_response(refusal.status, status=refusal.code)

    def _act(self, asked: Asked, content_type: str, body: Any) -> Object:
        objects, place, status = self.objects, asked.place, asked.subresource == "status"
        match asked.verb, content_type:
            case "get", _:
                return objects.get(place)
            case "update", _:
                return objects.update(place, body)
            case "delete", _:
                return objects.delete(place, body or {})
            case "patch", "application/merge-patch+json":
                return objects.merge(place, body, status=status)
            case "patch", "application/json-patch+json":
                return objects.patch(place, body, status=status)
            case "patch", "application/apply-patch+yaml":
                return objects.apply(place, body)
        raise RefusalError(415, "UnsupportedMediaType", content_type)

    def _list(self, asked: Asked) -> Object:
        version, start = str(self.objects.version), 0
        if token := asked.query.get("continue"):
            version, _, text = token.partition(":")
            start = int(text)
            if int(version) < self.objects.oldest:
                raise RefusalError(410, "Expired", "The provided continue parameter is too old")
        every = self.objects.list_of(asked.plural, asked.namespace)
        items = [document for document in every if _selected(document, asked.query)]
        if asked.metadata_only:
            items = [{"metadata": document["metadata"]} for document in items]
        end = start + int(asked.query.get("limit", 0) or len(items))
        metadata: Object = {"resourceVersion": version}
        if end < len(items):
            metadata["continue"] = f"{version}:{end}"
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items[start:end]}

    async def _watch(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        version = int(asked.query["resourceVersion"])
        if version < self.objects.oldest - 1:
            status = RefusalError(410, "Expired", f"too old resource version: {version}").status
            await _send(response, "ERROR", status)
            return response
        cut = self._cut
        loop = asyncio.get_running_loop()
        ends = loop.time() + float(asked.query.get("timeoutSeconds", "3600"))
        while not cut.is_set() and loop.time() < ends:
            changed = self._changed
            for change in self.objects.history:
                if change.version > version:
                    version = change.version
                    await _tell(response, change, asked)
            woken = await _either(changed, cut, self.bookmark_every)
            # A bookmark that runs ahead of the events would have the client skip them.
            told_all = not self.objects.history or self.objects.history[-1].version <= version
            if not woken and told_all and self.bookmark_every < 60:
                bookmark = {"kind": "Pod", "metadata": {"resourceVersion": str(self.objects.version)}}
                await _send(response, "BOOKMARK", bookmark)
        if cut.is_set() and request.transport is not None:
            request.transport.abort()
        return response


def answer(code: int, reason: str = "", message: str = "no", **headers: str) -> Any:
    """A refusal with a Status; ``Retry_After="1"`` makes a header."""

    async def act(_request: web.Request, _serve: Handler) -> web.StreamResponse:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return web.json_response(RefusalError(code, reason, message).status, status=code, headers=named)

    return act


def html(code: int) -> Any:
    """A proxy's page."""

    async def act(_request: web.Request, _serve: Handler) -> web.StreamResponse:
        return web.Response(status=code, text="<html>secret of the proxy</html>", content_type="text/html")

    return act


def hang(seconds: float = 3600.0) -> Any:
    """No answer for so long, and nothing done."""

    async def act(request: web.Request, _serve: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await reset(request, _serve)

    return act


def slow(seconds: float) -> Any:
    """What was asked is done and answered after so long, whoever waits for it."""

    async def act(request: web.Request, serve: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await serve(request)

    return act


async def reset(request: web.Request, _serve: Handler) -> web.StreamResponse:
    """The connection is reset, and nothing done."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def lost(request: web.Request, serve: Handler) -> web.StreamResponse:
    """What was asked is done, and the answer is lost."""
    await serve(request)
    return await reset(request, serve)


def _parse(request: web.Request) -> Asked:
    parts = request.path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "")[:3]
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    reading = "watch" if request.query.get("watch") else "get" if name else "list"
    verb = verbs.get(request.method, reading)
    agent = request.headers.get("User-Agent", "")
    brief = "as=PartialObjectMetadataList" in request.headers.get("Accept", "")
    return Asked(verb, plural, namespace, name, subresource, agent, dict(request.query), brief)


async def _body(request: web.Request) -> Any:
    text = await request.text()
    return json.loads(text) if text else None


async def _either(changed: asyncio.Event, cut: asyncio.Event, seconds: float) -> bool:
    tasks = {asyncio.ensure_future(changed.wait()), asyncio.ensure_future(cut.wait())}
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return bool(done)


async def _tell(response: web.StreamResponse, change: Change, asked: Asked) -> None:
    if change.place.plural != asked.plural or asked.namespace not in {"", change.place.namespace}:
        return
    before = change.before is not None and _selected(change.before, asked.query)
    after = change.after is not None and _selected(change.after, asked.query)
    kind = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get((before, after))
    if kind is None:
        return
    await _send(response, kind, change.after or change.before or {})


async def _send(response: web.StreamResponse, kind: str, document: Object) -> None:
    await response.write(json.dumps({"type": kind, "object": document}).encode() + b"\n")


def _selected(document: Object, query: dict[str, str]) -> bool:
    labels = document["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, equals, value = term.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    _, _, name = query.get("fieldSelector", "").partition("metadata.name=")
    return not name or document["metadata"]["name"] == name

"""What befalls an operator that is given hundreds of bad specs at once, and a good one in the middle of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import orjson

from bench.operator_cost import Cost, cost_of
from e2e.badspecs.by_hand import ByHand, End, by_hand
from e2e.badspecs.good import good_spec
from e2e.badspecs.mutation import BadSpec, some_mutations
from e2e.operator_process import Operator
from rayctl.api.document import Json
from rayctl.api.names import LABEL_CLUSTER
from rayctl.clock import SystemClock
from rayctl.kube.client import KubeClient
from rayctl.kube.config import Connection, Source
from rayctl.kube.errors import Refused
from rayctl.kube.nesting import cut
from rayctl.kube.resource import PODS, RAYCLUSTERS, Call, Verb

GOOD = "good"
GOOD_PODS = 2
MUTATIONS = 300
_PARALLEL = 16
_PATIENCE = 60.0
_QUIET = 10.0


@dataclass(slots=True)
class Case:
    """One bad spec, what it was answered, and what has become of it."""

    name: str
    spec: BadSpec
    expected: ByHand | None = None
    refusal: str = ""
    """The API server's words, '' where it took it."""
    status: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    pods: int = 0

    @property
    def end(self) -> End | None:
        """How it has ended so far; None while nothing is told and nothing runs."""
        if self.refusal:
            return End.REFUSED
        if self.condition("Accepted").get("status") == "False":
            return End.NOT_ACCEPTED
        reasons = {condition["reason"] for condition in self._conditions}
        if reasons & {"FailedCreate", "FailedService"}:
            return End.NO_PODS
        suspended = self.condition("Suspended").get("status") == "True"
        return End.RUNS if suspended or self.pods else None

    @property
    def told(self) -> str:
        """All that is told of it."""
        return self.refusal or "; ".join(condition["message"] for condition in self._conditions)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.end is not None if self.expected is None else self.end is self.expected.end

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition, {} where there is none."""
        return next((condition for condition in self._conditions if condition["type"] == kind), {})

    @property
    def _conditions(self) -> list[dict[str, Any]]:
        return self.status.get("conditions") or []


@dataclass(frozen=True, slots=True)
class Story:
    """What befell."""

    cases: tuple[Case, ...]
    good_after: float
    """Whole seconds from the good RayCluster's creation to that of its last pod."""
    restless: tuple[Case, ...]
    """Those that were written to though all had long been said, and nothing of theirs is tried again."""
    total: Counter[str]
    """The operator's calls to the API server."""
    quiet: Counter[str]
    """Those of the last ten seconds."""


async def tell(kubeconfig: Path, namespace: str, operator: Operator, port: int) -> Story:
    """Apply all bad specs side by side, and a good one amid them; wait until each has its end.

    The good one comes when the first half has its end, together with the second half: what counts is the bad
    ones' retries and the reading of new ones, not how many Services a second the API server makes.
    """
    cases = _cases()
    connection = await Connection.open(Source(str(kubeconfig)), SystemClock())
    async with KubeClient(connection, SystemClock(), identity="bad-specs", parallel=_PARALLEL) as client:
        stage = _Stage(client, namespace, operator.pid, port)
        half = len(cases) // 2
        await stage.apply(cases[:half])
        await stage.until_over(cases[:half])
        good_after, _ = await asyncio.gather(stage.good(), stage.apply(cases[half:]))
        await stage.until_over(cases)
        restless, total, quiet = await stage.until_quiet(cases)
        return Story(cases, good_after, restless, total, quiet)


def _cases() -> tuple[Case, ...]:
    specs: list[tuple[BadSpec, ByHand | None]] = [(made.spec, made) for made in by_hand()]
    specs += [(spec, None) for spec in some_mutations(MUTATIONS)]
    return tuple(Case(f"bad-{number:03d}", spec, expected) for number, (spec, expected) in enumerate(specs))


@dataclass(frozen=True, slots=True)
class _Stage:
    """The API server and the operator."""

    client: KubeClient
    namespace: str
    pid: int
    port: int

    async def apply(self, cases: Sequence[Case]) -> None:
        await asyncio.gather(*map(self._apply, cases))

    async def good(self) -> float:
        """Make the good one and wait for its pods. By the server's clock: ours stands still at times."""
        made = await self._create(orjson.dumps(good_spec()))
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends:
            pods = await self._list_pods(labelSelector=f"{LABEL_CLUSTER}={GOOD}")
            if len(pods) == GOOD_PODS:
                return max(map(_created, pods)) - _created(made)
            await asyncio.sleep(0.5)
        return float("inf")

    async def until_over(self, cases: Sequence[Case]) -> None:
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends:
            await self._look(cases)
            if all(case.is_over for case in cases):
                return
            await asyncio.sleep(2)

    async def until_quiet(self, cases: Sequence[Case]) -> tuple[tuple[Case, ...], Counter[str], Counter[str]]:
        """Wait for ten seconds in which none is written to; return what was, and the calls."""
        kept = [case for case in cases if not case.refusal]
        ends = time.monotonic() + _PATIENCE
        while True:
            versions = {case.name: case.version for case in kept}
            before = await self._cost()
            await asyncio.sleep(_QUIET)
            after = await self._cost()
            await asyncio.gather(*map(self._look_at, kept))
            restless = tuple(
                case for case in kept if case.end is not End.NO_PODS and case.version != versions[case.name]
            )
            if not restless or time.monotonic() > ends:
                return restless, after.calls, after.calls_since(before)

    async def _cost(self) -> Cost:
        return await cost_of(self.pid, self.port)

    async def _apply(self, case: Case) -> None:
        names = {} if case.spec.path == ("metadata", "name") else {"name": case.name}
        try:
            await self._create(case.spec.body(**names))
        except Refused as error:
            case.refusal = error.words

    async def _create(self, body: bytes) -> dict[str, Any]:
        # As kubectl does: fields that the schema does not have are an error.
        strict = {"fieldValidation": "Strict"}
        raw = cast("Json", orjson.Fragment(body))
        call = Call(verb=Verb.CREATE, resource=RAYCLUSTERS, namespace=self.namespace, query=strict, body=raw)
        made: dict[str, Any] = _loads(await self.client.send(call))
        return made

    async def _look(self, cases: Sequence[Case]) -> None:
        """See what has become of those that are not over."""
        kept = [case for case in cases if not case.refusal and not case.is_over]
        pods = Counter(pod["metadata"]["ownerReferences"][0]["name"] for pod in await self._list_pods())
        for case in kept:
            case.pods = pods[case.name]
        await asyncio.gather(*map(self._look_at, kept))

    async def _look_at(self, case: Case) -> None:
        call = Call(verb=Verb.GET, resource=RAYCLUSTERS, namespace=self.namespace, name=case.name)
        found = _loads(await self.client.send(call))
        case.status, case.version = found.get("status", {}), found["metadata"]["resourceVersion"]

    async def _list_pods(self, **query: str) -> list[dict[str, Any]]:
        call = Call(verb=Verb.LIST, resource=PODS, namespace=self.namespace, query=query)
        pods: list[dict[str, Any]] = _loads(await self.client.send(call))["items"]
        return pods


def _loads(body: bytes) -> Any:
    """Return JSON, without what is nested more deeply than Python follows."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.loads(cut(body, 50))


def _created(thing: dict[str, Any]) -> float:
    return datetime.fromisoformat(thing["metadata"]["creationTimestamp"]).timestamp()

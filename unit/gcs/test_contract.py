"""The contract of e2e/contract/gcs_cases.py, on the fakes: they behave as a real Ray head does there."""

from collections.abc import Mapping, Sequence

import pytest

from bench import fake_heads
from e2e.contract.gcs_cases import *  # noqa: F403
from e2e.contract.gcs_cases import HEAD_POD, HEAD_TYPE, WORKER_CPUS, WORKER_TYPE
from rayctl.api.names import TypeName
from rayctl.core.autoscale.demand import NodeId, Selector, Strategy
from rayctl.gcs import protocol_pb2 as pb
from unit.builders import a_pod
from unit.fakes.gcs import FakeGcs

GROUP = "ab" * 18


class FakeHead:
    """A fake GCS, as the cases want it."""

    def __init__(self, gcs: FakeGcs) -> None:
        self._gcs = gcs
        gcs.token = "the-token"
        self._begin()

    @property
    def address(self) -> str:
        return self._gcs.address

    @property
    def token(self) -> str:
        return self._gcs.token

    async def ask(self, count: int, *selectors: Selector) -> None:
        operators = {True: pb.LABEL_OPERATOR_IN, False: pb.LABEL_OPERATOR_NOT_IN}
        terms = [
            [(term.key, operators[term.is_in], list(term.values)) for term in each] for each in selectors
        ]
        self._gcs.ask({"widget": 1.0}, count, terms or [[]])

    async def ask_gang(self, strategy: Strategy, *, tasks: int = 0) -> None:
        self._gcs.ask_gang(strategy, [{"widget": 1.0}] * 2, GROUP)
        if tasks:
            self._gcs.ask({f"widget_group_{GROUP}": 1.0, f"bundle_group_{GROUP}": 0.001}, tasks)

    async def request(self, widgets: Sequence[int]) -> None:
        self._gcs.request([{"widget": float(number)} for number in widgets])

    async def withdraw(self) -> None:
        state = self._gcs.state
        state.ClearField("pending_resource_requests")
        state.ClearField("pending_gang_resource_requests")
        state.ClearField("cluster_resource_constraints")
        for node in state.node_states:
            self._gcs.free(node)

    async def join(self, pod: str, labels: Mapping[str, str]) -> None:
        self._gcs.add_node(pod, WORKER_TYPE, total={"CPU": float(WORKER_CPUS)}, labels=labels)

    async def occupy(self, node: NodeId) -> None:
        (found,) = [each for each in self._gcs.state.node_states if each.node_id.hex() == node]
        self._gcs.occupy(found)

    async def restart(self) -> None:
        await self._gcs.stop()
        self._gcs.forget("session_2")
        self._begin()
        await self._gcs.start()

    def _begin(self) -> None:
        self._gcs.add_node(HEAD_POD, HEAD_TYPE, total={"CPU": 1.0}, labels={"tier": "head"})


class BenchHead(FakeHead):
    """The benchmarks' head, whose workers are pods."""

    def _begin(self) -> None:
        super()._begin()
        self._workers = fake_heads.FakeHead(self._gcs)

    async def join(self, pod: str, labels: Mapping[str, str]) -> None:
        self._workers.join(a_pod(pod, pod_type=TypeName(WORKER_TYPE)), WORKER_CPUS, labels=labels)


@pytest.fixture(params=[FakeHead, BenchHead])
async def head(gcs: FakeGcs, request: pytest.FixtureRequest) -> FakeHead:
    made: FakeHead = request.param(gcs)
    return made

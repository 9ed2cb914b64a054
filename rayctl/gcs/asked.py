"""What Ray is asked for, read from its messages: tasks and actors, placement groups, ``request_resources``.

A demand that cannot be understood (an amount that is no number, an operator of a newer Ray) is left out and
counted: acted upon half understood, it would start nodes that help nobody, or be called infeasible, and then
Ray may cancel the user's tasks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from rayctl.api.quantity import MAX_AMOUNT
from rayctl.core.autoscale.demand import GRAIN, Demand, Gang, GroupId, Selector, Shape, Strategy, Term
from rayctl.gcs import protocol_pb2 as pb

MAX_DISTINCT = 10_000
"""So many different demands are told apart; what is beyond waits until some of them are met."""

MAX_PARTS = 200_000
"""So many bundles of placement groups are looked at, and as many parts of ``request_resources``."""

MAX_KINDS = 100
"""Resources of one demand. One that has more is left out, as is one with a name that nobody could read."""

MAX_NAME = 256
"""Characters of a resource's or a label's name or value."""

GROUP_LABEL = "_PG_"
"""Before a placement group's id: label of the nodes that hold it, and of its constraints."""

# What Ray's scheduler makes of a placed bundle, and what tasks inside a waiting group ask for: no node type
# will ever offer it, and the group itself is asked for besides.
_INTERNAL = re.compile(r"_group_(?:\d+_)?[0-9a-f]{36}$")
_DETAILS = re.compile(r"(?P<group>[0-9a-f]*):(?P<strategy>[A-Z_]+)\|(?P<state>[A-Z_]+)", re.ASCII)
_OPERATORS: Mapping[int, bool] = {pb.LABEL_OPERATOR_IN: True, pb.LABEL_OPERATOR_NOT_IN: False}
_LARGEST = MAX_AMOUNT * GRAIN + 1  # more than any node can have, and still a handy number


def is_internal(resource: str) -> bool:
    """Return whether a resource is one that Ray makes up for placement groups."""
    return "_group_" in resource and _INTERNAL.search(resource) is not None


def grains(amount: float) -> int | None:
    """Return an amount in 1/10,000, exactly where it is whole; None where it is no amount.

    Above what a node can have, one number stands for all.
    """
    if not 0 <= amount < math.inf:  # nor NaN
        return None
    whole = int(amount)
    exact = whole * GRAIN
    if whole != amount:
        exact += round((amount - whole) * GRAIN)
    return exact if exact < _LARGEST else _LARGEST  # noqa: FURB136  called 12,000 times for 1,000 nodes


class Tally:
    """Sums up equal demands; what is left out, for whatever reason, is counted."""

    def __init__(self) -> None:
        self.left_out = 0
        self._parts = 0
        self._counts: dict[tuple[Shape, tuple[Selector, ...]], int] = {}

    def add(self, request: pb.ResourceRequest, count: int = 1) -> None:
        """Take in a demand. Those of tasks inside placement groups are none."""
        if count <= 0 or any(map(is_internal, request.resources_bundle)):
            return
        key = _key(request)
        if key is None or (key not in self._counts and len(self._counts) >= MAX_DISTINCT):
            self.left_out += 1
            return
        self._counts[key] = self._counts.get(key, 0) + count

    def add_each(self, constraint: pb.ClusterResourceConstraint) -> None:
        """Take in all parts of what ``request_resources`` asked for, or none where there are too many."""
        self._parts += len(constraint.resource_requests)
        if self._parts > MAX_PARTS:
            self.left_out += 1
            return
        for part in constraint.resource_requests:
            self.add(part.request, part.count)

    def demands(self) -> tuple[Demand, ...]:
        """Return the sums."""
        return tuple(Demand(shape, count, selectors) for (shape, selectors), count in self._counts.items())


class Gangs:
    """Sums up equal placement groups; what is left out, for whatever reason, is counted."""

    def __init__(self) -> None:
        self.left_out = 0
        self._bundles = 0
        self._gangs: dict[object, tuple[Gang, int]] = {}

    def add(self, message: pb.GangResourceRequest) -> None:
        """Take in a placement group; one without bundles changed its state meanwhile and asks for nothing."""
        requests = _bundles(message)
        self._bundles += len(requests)
        if self._bundles > MAX_PARTS:
            self.left_out += 1
            return
        if not requests:
            return
        tally = Tally()
        for request in requests:
            tally.add(request)
        bundles = tally.demands()
        if tally.left_out or sum(bundle.count for bundle in bundles) != len(requests):
            self.left_out += 1
            return
        gang = _gang(message, requests[0], tuple(sorted(bundles, key=_order)))
        alone = (gang.group, len(self._gangs)) if gang.strategy is Strategy.STRICT_SPREAD else None
        key = (gang.strategy, gang.rescheduling, gang.bundles, alone)
        if key not in self._gangs and len(self._gangs) >= MAX_DISTINCT:
            self.left_out += 1
            return
        first, count = self._gangs.get(key, (gang, 0))
        self._gangs[key] = first, count + 1

    def gangs(self) -> tuple[Gang, ...]:
        """Return the sums."""
        return tuple(
            gang if count == 1 else Gang(gang.strategy, gang.bundles, count, GroupId(""), gang.rescheduling)
            for gang, count in self._gangs.values()
        )


def _key(request: pb.ResourceRequest) -> tuple[Shape, tuple[Selector, ...]] | None:
    shape = _shape(request.resources_bundle)
    selectors = _selectors(request.label_selectors)
    return None if shape is None or selectors is None else (shape, selectors)


def _shape(bundle: Mapping[str, float]) -> Shape | None:
    if len(bundle) > MAX_KINDS:
        return None
    amounts = []
    for resource, amount in bundle.items():
        exact = grains(amount)
        if exact is None or not _is_name(resource):
            return None
        if exact > 0:
            amounts.append((resource, exact))
    return tuple(sorted(amounts))


def _is_name(text: str) -> bool:
    """Return whether a text may go into sentences for people, of which some are kept."""
    return len(text) <= MAX_NAME and text.isprintable()


def _selectors(messages: Iterable[pb.LabelSelector]) -> tuple[Selector, ...] | None:
    """Return the alternatives, () where one of them is "anywhere", None where none is understood."""
    found: dict[Selector, None] = {}
    unknown = False
    for message in messages:
        selector = _selector(message)
        if selector is None:
            unknown = True
        elif not selector:
            return ()
        else:
            found[selector] = None
    return None if unknown and not found else tuple(found)


def _selector(message: pb.LabelSelector) -> Selector | None:
    terms = []
    for constraint in message.label_constraints:
        is_in = _OPERATORS.get(constraint.operator)
        if is_in is None or not all(map(_is_name, (constraint.label_key, *constraint.label_values))):
            return None
        terms.append(Term(constraint.label_key, is_in, frozenset(constraint.label_values)))
    return tuple(sorted(terms, key=_term_order))


def _bundles(message: pb.GangResourceRequest) -> Sequence[pb.ResourceRequest]:
    # Ray writes the bundles twice: with label selectors, and without them for who does not know those.
    for selector in message.bundle_selectors:
        if selector.resource_requests:
            return selector.resource_requests
    return message.requests


def _gang(message: pb.GangResourceRequest, bundle: pb.ResourceRequest, bundles: tuple[Demand, ...]) -> Gang:
    details = _DETAILS.match(message.details)
    if details is not None and details["strategy"] in Strategy.__members__:
        strategy, group = Strategy(details["strategy"]), details["group"]
    else:
        strategy, group = _by_constraint(bundle)
    rescheduling = details is not None and details["state"] == "RESCHEDULING"
    return Gang(strategy, bundles, 1, GroupId(group), rescheduling)


def _by_constraint(bundle: pb.ResourceRequest) -> tuple[Strategy, str]:
    for constraint in bundle.placement_constraints[:1]:
        if constraint.HasField("anti_affinity"):
            return Strategy.STRICT_SPREAD, constraint.anti_affinity.label_name.removeprefix(GROUP_LABEL)
        return Strategy.STRICT_PACK, constraint.affinity.label_name.removeprefix(GROUP_LABEL)
    return Strategy.PACK, ""  # as is SPREAD, which carries no constraint either


def _term_order(term: Term) -> tuple[str, bool, list[str]]:
    return term.key, term.is_in, sorted(term.values)


def _order(demand: Demand) -> tuple[Shape, list[list[tuple[str, bool, list[str]]]]]:
    return demand.shape, [[_term_order(term) for term in selector] for selector in demand.selectors]

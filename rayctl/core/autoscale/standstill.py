"""What is to be there while nothing new is known of Ray: nobody is sent away for want of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rayctl.api.names import TypeName
from rayctl.core.autoscale.offer import TypeOffer


def kept_targets(
    offers: Iterable[TypeOffer], cluster_maximum: int, before: Mapping[TypeName, int]
) -> Mapping[TypeName, int]:
    """Return the targets of before, brought within what the spec says now: in its order, in whole units."""
    left = cluster_maximum
    targets: dict[TypeName, int] = {}
    for offer in offers:
        wanted = max(before.get(offer.name, 0), -(-offer.minimum // offer.hosts) * offer.hosts)
        count = min(wanted, offer.maximum, left)
        targets[offer.name] = count - count % offer.hosts
        left -= targets[offer.name]
    return targets

"""Rules that hold in every moment, whatever was killed, cut or stolen: a History in, violations out.

What can be proved of the lease: a leader writes only between its first record in the Lease and the moment at
which another replica's record was stored (or its own release), and never later than the record's duration
after its own last renewal came in. Times are the API server's, of the moment in which a request *came in*: a
replica cannot call back what has left it. So one window stays open and is not asserted: a process that is
stopped between its last look at the clock and the system call that sends. And a hand that deletes the Lease or
writes another holder into it takes the record of who may still act from those who have not seen it: what the
former holder writes within its own time beside one that came by such a record is counted, and no violation.

What a leader goes by is no older than its acquisition, since its barrier waits until it has caught up with that.
Hence "wanted at that moment" is the most that the spec said since then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from e2e.faults.history import CLUSTERS, LEASES, PODS, Change, History, Lease, Pod, RayCluster, Request

_OF_OTHERS = ("kube-scheduler", "kwok")
"""User agents whose changes of a pod are no reason to remove it: placing it, and playing its kubelet."""


NOT_SETTLED = "not settled"
"""The rule of :mod:`e2e.faults.settled`."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be."""

    rule: str
    what: str
    revision: int
    """Where in etcd's order; 0 where it was refused, and so has no place there."""
    at: float
    about: str = ""
    """UID of the RayCluster that it is about, if any."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules found, and how much there was to look at: rules without matter prove nothing."""

    violations: tuple[Violation, ...]
    judged: Mapping[str, int]


def check(history: History) -> Verdict:
    """Return what breaks the rules, in etcd's order."""
    return _Check(history).run()


@dataclass(frozen=True, slots=True)
class _Record:
    """A state of the Lease, with when it was stored: between ``received`` and ``stored``."""

    lease: Lease | None
    writer: str
    """The replica's identity, or '' where it is not known to be one."""
    revision: int
    received: float
    stored: float

    @property
    def own(self) -> bool:
        """Whether a replica wrote that it leads."""
        return self.lease is not None and self.lease.holder != "" and self.lease.holder == self.writer

    @property
    def by_hand(self) -> bool:
        """Whether somebody else has taken the lease from its holder, or made an end of it."""
        return self.writer == "" and (self.lease is None or not self.lease.holder.startswith("operator-"))


class _Check:
    """One pass over a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._by_revision: dict[int, Request] = {}
        """The request that made a revision. A patch that changes nothing is answered with an earlier one's."""
        for one in history.requests:
            if one.effective and one.revision:
                self._by_revision.setdefault(one.revision, one)
        self._records = [self._record(change) for change in history.changes if change.key[0] == LEASES]
        self._revisions = [record.revision for record in self._records]
        self._clusters: dict[str, list[tuple[int, RayCluster | None]]] = defaultdict(list)
        self._pods: dict[str, Pod] = {}
        self._made_in: dict[str, int] = {}
        """Pod UID → revision at which its maker had acquired the lease."""
        self._touched: dict[str, int] = {}
        """Cluster UID → revision of the last thing that somebody else did to it or to its pods."""
        self._violations: list[Violation] = []
        self._judged: Counter[str] = Counter()

    def run(self) -> Verdict:
        for change in self._history.changes:
            match change.key[0]:
                case resource if resource == CLUSTERS:
                    self._cluster(change)
                case resource if resource == PODS:
                    self._pod(change)
        for one in self._history.requests:
            if one.replica and one.verb not in {"get", "list", "watch"} and one.resource != LEASES:
                self._write(one)
        self._judged["terms"] = len(
            {record.lease.holder for record in self._records if record.own and record.lease is not None}
        )
        return Verdict(tuple(sorted(self._violations, key=lambda one: one.at)), dict(self._judged))

    # ---- the lease -----------------------------------------------------------------------------------------

    def _record(self, change: Change) -> _Record:
        lease = change.after if isinstance(change.after, Lease) else None
        cause = self._by_revision.get(change.revision)
        if cause is not None:
            return _Record(lease, cause.replica, change.revision, cause.received, cause.completed)
        # The API server was killed before it could note who wrote. A replica's own name is its word.
        writer = lease.holder if lease is not None and lease.holder.startswith("operator-") else ""
        return _Record(lease, writer, change.revision, change.at, change.at)

    def _write(self, one: Request) -> None:
        """Hold a replica's write to the lease."""
        if one.resource == "events" and "ray-operator." in one.name:
            return  # an Event on the Lease tells that it was lost, too
        self._judged["writes by replicas"] += 1
        who = one.replica
        own = [r for r in self._records if r.own and r.writer == who and r.received <= one.received]
        if not own:
            self._break("lease", f"{_told(one)} by {who}, which never held the lease", one)
            return
        last = own[-1]
        assert last.lease is not None, "an own record has a holder"
        since = one.received - last.received
        if since > last.lease.duration:
            self._break("lease", f"{_told(one)} by {who}, {since:.2f} s after its last renewal came in", one)
            return
        after = [r for r in self._records if r.revision > last.revision and r.stored <= one.received]
        taken = next((r for r in after if r.own or r.writer == who), None)
        if taken is None:
            return
        if any(r.by_hand and r.revision < taken.revision for r in after):
            self._judged["writes beside a new leader after a hand on the Lease"] += 1
            return
        holder = taken.lease.holder if taken.lease is not None else ""
        how = f"{holder} had taken the lease" if holder else "it had released the lease"
        ago = one.received - taken.stored
        self._break("lease", f"{_told(one)} by {who}, {ago:.3f} s after {how}", one)

    def _acquired(self, revision: int, who: str) -> int:
        """Return the revision from which on the leader at ``revision`` has led without a break.

        ``who`` is the writer, or '' where the audit log does not say.
        """
        index = bisect_right(self._revisions, revision) - 1
        first = revision
        for record in reversed(self._records[: index + 1]):
            if not record.own:
                continue  # a hand's edit ends no term
            if who and record.writer != who:
                break
            who, first = record.writer, record.revision
        return first

    # ---- RayClusters and their pods ------------------------------------------------------------------------

    def _cluster(self, change: Change) -> None:
        before, after = change.before, change.after
        state = after if isinstance(after, RayCluster) else None
        uid = state.uid if state else before.uid if isinstance(before, RayCluster) else ""
        self._clusters[uid].append((change.revision, state))
        if isinstance(before, RayCluster) and (state is None or _asked(before) != _asked(state)):
            self._touched[uid] = change.revision

    def _pod(self, change: Change) -> None:
        before, after = change.before, change.after
        if isinstance(after, Pod):
            self._pods[after.uid] = after
            if not isinstance(before, Pod):
                self._creation(change, after)
                return
        elif isinstance(before, Pod):
            self._pods.pop(before.uid, None)
        if isinstance(before, Pod):
            self._step(change, before, after if isinstance(after, Pod) else None)

    def _step(self, change: Change, before: Pod, after: Pod | None) -> None:
        """Judge a change of a pod: who did it, and had they a reason?"""
        removed = not before.leaving and (after is None or after.leaving)
        edited = after is not None and (
            before.marks != after.marks or before.ended != after.ended or before.ready > after.ready
        )
        if not removed and not edited:
            return
        cause = self._by_revision.get(change.revision)
        if cause is not None and cause.replica:
            if removed:
                self._deletion(change, before, cause)
        elif cause is None or not cause.agent.startswith(_OF_OTHERS):
            self._touched[before.owner] = change.revision

    def _creation(self, change: Change, pod: Pod) -> None:
        self._judged["pods created"] += 1
        cause = self._by_revision.get(change.revision)
        since = self._acquired(change.revision, cause.replica if cause is not None else "")
        self._made_in[pod.uid] = since
        alive = [one for one in self._pods.values() if one.live and one.owner == pod.owner]
        same = [one.name for one in alive if (one.role, one.pod_type) == (pod.role, pod.pod_type)]
        place = [one for one in alive if (one.role, one.pod_type, one.ordinal) == _place(pod)]
        wanted = self._most_wanted(pod, since)
        if len(same) > wanted:
            text = f"{len(same)} live pods of {pod.role} type {pod.pod_type}, {wanted} wanted: {', '.join(sorted(same))}"
            self._break("too many", text, change, pod.owner)
        elif len(place) > 1:
            text = f"{' and '.join(sorted(one.name for one in place))} both fill place {pod.ordinal} of {pod.pod_type}"
            self._break("one place, two pods", text, change, pod.owner)

    def _most_wanted(self, pod: Pod, since: int) -> int:
        """Return the most pods of that kind that the spec has wanted in the maker's sight."""
        states = self._clusters.get(pod.owner, [])
        first = max(0, bisect_right(states, since, key=lambda state: state[0]) - 1)
        seen = [state for _, state in states[first:] if state is not None]
        return max((state.wanted().get((pod.role, pod.pod_type), 0) for state in seen), default=0)

    def _deletion(self, change: Change, pod: Pod, cause: Request) -> None:
        self._judged["pods deleted"] += 1
        if self._touched.get(pod.owner, 0) > self._made_in[pod.uid]:
            return
        text = f"{pod.name} deleted by {cause.replica}; since it was made nobody touched its cluster"
        self._break("untouched", text, change, pod.owner)

    def _break(self, rule: str, what: str, where: Change | Request, about: str = "") -> None:
        at = where.at if isinstance(where, Change) else where.received
        self._violations.append(Violation(rule, what, where.revision, at, about))


def _asked(cluster: RayCluster) -> tuple[object, ...]:
    return cluster.generation, cluster.marks, cluster.leaving


def _place(pod: Pod) -> tuple[str, str, str]:
    return pod.role, pod.pod_type, pod.ordinal


def _told(one: Request) -> str:
    return f"{one.verb} {one.resource} {one.name} ({one.code})"

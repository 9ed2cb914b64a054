"""Drives the election against the API server, and runs the leader's work while this replica leads.

What is to be done, :mod:`rayctl.core.election` says; here it is done. The work starts behind a barrier (the
cache has caught up with the predecessor's last write) and is stopped in the moment in which the right to lead
ends, whatever request is under way just then. Cancelling :meth:`Leadership.run` stops the work first and then
gives the lease away.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import assert_never

from rayctl.api.moment import Monotonic, Seconds
from rayctl.clock import Clock
from rayctl.core.election.actions import Acquire, Done, Read, Release, Renew, StepDown, Wait
from rayctl.core.election.candidate import Election, State
from rayctl.core.election.events import Began, Ended, Event, Failed, Leave, Refused, Seen, Stopped, Wrote
from rayctl.kube.errors import AlreadyExists, Conflict, KubeError, NotFound, told
from rayctl.kube.lease import LeaseStore
from rayctl.kube.terminations import Terminations

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]

_STOP_WITHIN: Seconds = 1.0


class Leadership:
    """One replica's part in the election. :meth:`run` it once."""

    def __init__(
        self, store: LeaseStore, terminations: Terminations, election: Election, clock: Clock
    ) -> None:
        self._store = store
        self._terminations = terminations
        self._election = election
        self._clock = clock
        self._state = State()
        self._pulse = _Pulse()
        self._holding: asyncio.Task[None] | None = None
        self._problem = ""
        self.won_by = ""
        """What let this replica lead the last time, in words."""

    @property
    def identity(self) -> str:
        """This replica's own name in the election."""
        return self._election.identity

    @property
    def is_leader(self) -> bool:
        """Whether this replica may act now."""
        return self._clock.monotonic() < self._state.valid_until

    @property
    def leader(self) -> str:
        """The identity that the lease names, or '' where nobody is known to hold it."""
        return self._state.known.holder if self._state.known else ""

    @property
    def transitions(self) -> int:
        """How often the lease has passed to another holder."""
        return self._state.known.transitions if self._state.known else 0

    def valid_until(self) -> Monotonic:
        """Return up to when this replica may write; moves on with each renewal."""
        return self._state.valid_until

    async def run(self, lead: Work, barrier: Work) -> None:
        """Take part until cancelled, running ``lead`` while leading, after ``barrier`` each time.

        ``lead`` is cancelled when leadership ends, and has a second to stop. It does not return by itself; an
        error of it ends this as well, after the lease was given away.
        """
        async with asyncio.TaskGroup() as group:
            watching = [
                group.create_task(self._store.watch(self._feed), name="lease watch"),
                group.create_task(self._watch_holder(), name="holder watch"),
            ]
            try:
                await self._campaign(lambda: group.create_task(self._hold(lead, barrier), name="leading"))
            except asyncio.CancelledError:
                self._feed(Leave(self._clock.monotonic()))
                await self._campaign(None)
                raise
            finally:
                for task in watching:
                    task.cancel()

    async def _watch_holder(self) -> None:
        """Tell the election when the process of another holder has ended."""
        while True:
            pod = self._pod_of_holder()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._terminations.watch(pod, self._end)) if pod else None
                while self._pod_of_holder() == pod:
                    await self._pulse.wait(None)
                if watching is not None:
                    watching.cancel()

    def _pod_of_holder(self) -> str:
        """Return the name of the holder's pod; '' where the holder is nobody, we, or not in a pod."""
        return "" if self.leader == self.identity else pod_of(self.leader)

    def _end(self, holders: frozenset[str]) -> None:
        self._feed(Ended(holders, self._clock.monotonic()))

    async def _campaign(self, start: Callable[[], asyncio.Task[None]] | None) -> None:
        """Do what the election says, until it says that all is done. ``start`` starts the work."""
        while True:
            now = self._clock.monotonic()
            action = self._election.next(self._state, now, self._clock.wall())
            match action:
                case Wait(until=until):
                    await self._pulse.wait(until - now)
                case Read(timeout=timeout):
                    await self._read(timeout)
                case Acquire() | Renew() | Release():
                    await self._write(action)
                case StepDown(why=why):
                    await self._stop(why)
                case Done():
                    return
                case _:
                    assert_never(action)
            if start is not None and self._holding is None and self.is_leader:
                self._holding = start()

    async def _read(self, timeout: Seconds) -> None:  # noqa: ASYNC109
        try:
            lease = await self._store.read(timeout)
        except KubeError as error:
            self._fail(error)
            return
        self._note_problem("")
        version = lease.resource_version if lease else 0
        self._feed(Seen(lease, version, self._clock.monotonic(), consistent=True))

    async def _write(self, action: Acquire | Renew | Release) -> None:
        if isinstance(action, Acquire):
            self.won_by = action.why
        self._feed(Began(action.lease, self._clock.monotonic()))
        try:
            stored = await self._store.write(action.lease, action.timeout)
        except (AlreadyExists, Conflict, NotFound):
            self._feed(Refused(self._clock.monotonic()))
        except KubeError as error:
            self._fail(error)
        else:
            self._note_problem("")
            self._feed(Wrote(stored, self._clock.monotonic()))

    def _fail(self, error: KubeError) -> None:
        self._note_problem(told(error))
        self._feed(Failed(self._clock.monotonic()))

    def _feed(self, event: Event) -> None:
        before = self.leader
        self._state = self._election.step(self._state, event, random.random())  # noqa: S311
        if self.leader not in {before, self.identity}:
            log.info("%s: %s", self._store, f"{self.leader} leads" if self.leader else "nobody leads")
        self._pulse.beat()

    async def _hold(self, lead: Work, barrier: Work) -> None:
        """Work for as long as the right to lead lasts."""
        log.info("%s: leading as %s: %s", self._store, self.identity, self.won_by)
        work = asyncio.create_task(_work(lead, barrier), name="the leader's work")
        work.add_done_callback(lambda _: self._pulse.beat())
        try:
            while not work.done() and (left := self._state.valid_until - self._clock.monotonic()) > 0:
                await self._pulse.wait(left)
        finally:
            ended = work.done()
            work.cancel()
            _, late = await asyncio.wait({work}, timeout=_STOP_WITHIN)
            if late:
                log.error("the leader's work does not stop; nothing is written any more, all the same")
                await asyncio.wait({work})
        if ended:
            await work  # raises what ended it
            raise RuntimeError("the leader's work ended by itself")

    async def _stop(self, why: str) -> None:
        level = logging.WARNING if self._state.leave_until is None else logging.INFO
        log.log(level, "%s: not leading any more: %s", self._store, why)
        if self._holding is not None:
            self._holding.cancel()
            await asyncio.wait({self._holding})
            self._holding = None
        self._feed(Stopped(self._clock.monotonic()))

    def _note_problem(self, problem: str) -> None:
        if problem == self._problem:
            return
        if problem:
            log.warning("%s: %s; trying on", self._store, problem)
        else:
            log.info("%s: works again", self._store)
        self._problem = problem


async def _work(lead: Work, barrier: Work) -> None:
    await barrier()
    await lead()


class _Pulse:
    """Wakes whoever waits, each time it beats."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout: Seconds | None) -> None:  # noqa: ASYNC109
        """Return at the next beat, or after ``timeout`` seconds where given."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return


def identity_of(pod: str, uid: str, started: str) -> str:
    """Return a holder identity: the pod's name and UID, and when this very process started.

    A container that is started again in the same pod is another holder than the one before it.
    """
    return "_".join(filter(None, (pod, uid, started)))


def pod_of(identity: str) -> str:
    """Return the name of the pod that an identity names, or '' where it names none."""
    pod, *rest = identity.split("_")
    return pod if len(rest) == 2 else ""

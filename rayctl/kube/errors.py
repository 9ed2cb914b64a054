"""What can go wrong between us and the API server, as one tree.

KubeError
├── NoConfiguration      neither a kubeconfig nor a pod's service account
├── Fenced               not sent: this replica may not lead any more
├── Unreachable          no answer: refused, reset, timed out, TLS; it may have taken effect all the same
├── Garbled              an answer that is none of Kubernetes': HTML from a proxy, broken JSON
└── Refused              the server said no; carries code, reason and its words
    ├── Unauthorized     401
    ├── Forbidden        403: a right is missing, or a quota or an admission plugin forbids
    ├── NotFound         404
    ├── AlreadyExists    409 on create
    ├── Conflict         409: someone wrote in between, or a precondition failed
    ├── Gone             410: the version asked for is no longer kept
    ├── Invalid          400 or 422: the object is wrong
    ├── Throttled        429, or 503 with Retry-After: not done, to be tried again later
    └── ServerFault      other 5xx

Bodies that are no ``Status`` are dropped and texts are cut, so that neither pages of HTML nor user data get
into logs.
"""

# ruff: noqa: N818  the tree's root says that they are errors

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rayctl.kube.resource import Call, Verb

_MAX_TEXT = 1024
_MAX_RETRY_AFTER = 60.0


class KubeError(Exception):
    """Any of them."""


class NoConfiguration(KubeError):
    """There is nothing that says where the API server is, or it cannot be understood."""


class CallError(KubeError):
    """An error of one call."""

    def __init__(self, call: Call, text: str) -> None:
        super().__init__(f"cannot {call}: {text}")
        self.call = call


class Fenced(CallError):
    """Not sent, since the lease may be lost."""


class Unreachable(CallError):
    """No answer. A write may have taken effect."""


class Garbled(CallError):
    """An answer that cannot be read as Kubernetes'."""


class Refused(CallError):
    """The server's no: HTTP ``code``, ``reason`` in CamelCase (or ''), ``words`` for people."""

    fields: tuple[str, ...] = ()
    """The fields that it finds wrong, where it names any: ``spec.containers``."""

    def __init__(self, call: Call, code: int, reason: str, words: str) -> None:
        super().__init__(call, words)
        self.code = code
        self.reason = reason
        self.words = words


class Unauthorized(Refused):
    """Our credentials are not taken."""


class Forbidden(Refused):
    """We may not; see :meth:`missing_right`."""

    def missing_right(self) -> str | None:
        """Return the verb and resource that a Role must grant, or None where no right is what is missing."""
        if f"cannot {self.call.verb} resource" not in self.words:
            return None
        place = f"in namespace {self.call.namespace}" if self.call.namespace else "in the whole cluster"
        return f"{self.call.verb} on {self.call.kind} {place}"


class NotFound(Refused):
    """No such object, or no such resource."""


class Conflict(Refused):
    """The object is not as the caller thought."""


class AlreadyExists(Refused):
    """The name is taken."""


class Gone(Refused):
    """The resource version is too old."""


class Invalid(Refused):
    """The object or request is wrong, and will be tomorrow."""


class ServerFault(Refused):
    """The server's own trouble."""


class Throttled(Refused):
    """Not done; ``retry_after`` seconds are asked for (0 where the server named none)."""

    def __init__(self, call: Call, code: int, reason: str, words: str, retry_after: float) -> None:
        super().__init__(call, code, reason, words)
        self.retry_after = retry_after


def may_have_taken_effect(error: KubeError) -> bool:
    """Return whether a write that failed so may have been carried out all the same."""
    return isinstance(error, Unreachable | Garbled | ServerFault)


def told(error: KubeError) -> str:
    """Return what an error says to people; of a missing right, what to grant."""
    right = error.missing_right() if isinstance(error, Forbidden) else None
    if right is None or not isinstance(error, Forbidden):
        return str(error)
    return f"missing right: {right}; grant it in the {'Role' if error.call.namespace else 'ClusterRole'}"


class Cause(msgspec.Struct, frozen=True):
    """One of a Status's causes."""

    field: str = ""


class Details(msgspec.Struct, frozen=True):
    """The part of a Status's details that we read."""

    retry_after: int = msgspec.field(default=0, name="retryAfterSeconds")
    causes: list[Cause] | None = None


class Status(msgspec.Struct, frozen=True):
    """meta/v1 Status: the body of each refusal, and of a watch's ERROR event."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None


def read_status(body: bytes | msgspec.Raw) -> Status | None:
    """Return the Status that a body holds, or None where it holds something else."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return status if status.reason or status.message else None


def refusal(call: Call, code: int, headers: Mapping[str, str], body: bytes | msgspec.Raw) -> Refused:
    """Return the error that an answer with a code of 300 or more stands for."""
    status = read_status(body)
    if status is None:
        kind = headers.get("Content-Type", "no type").split(";")[0]
        status = Status(message=f"HTTP {code} with a body that is not Kubernetes' ({kind})")
    words, reason = status.message[:_MAX_TEXT] or status.reason, status.reason
    details = status.details or Details()
    header = headers.get("Retry-After", "")
    wait = min(float(header) if header.isdecimal() else float(details.retry_after), _MAX_RETRY_AFTER)
    if code == 429 or (code == 503 and header):
        return Throttled(call, code, reason, words, wait)
    error = _kind(call, code, reason)(call, code, reason, words)
    error.fields = tuple(cause.field for cause in details.causes or () if cause.field)
    return error


def _kind(call: Call, code: int, reason: str) -> type[Refused]:
    if code == 409 and reason == "AlreadyExists" and call.verb is Verb.CREATE:
        return AlreadyExists
    return _KINDS.get(code, ServerFault if code >= 500 else Refused)


_KINDS: Mapping[int, type[Refused]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}

"""Answers of the API server to errors that say what to do."""

from typing import Any

import orjson
import pytest

from rayctl.kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Refused,
    ServerFault,
    Throttled,
    Unauthorized,
    refusal,
)
from rayctl.kube.resource import LEASES, PODS, RAYCLUSTERS, Call, Verb

CREATE = Call(verb=Verb.CREATE, resource=PODS, namespace="ray")
UPDATE = Call(verb=Verb.UPDATE, resource=LEASES, namespace="ray", name="ray-operator")


def a_status(**fields: Any) -> bytes:
    return orjson.dumps({"kind": "Status", "status": "Failure", "message": "no", **fields})


@pytest.mark.parametrize(
    ("call", "code", "reason", "headers", "kind"),
    [
        pytest.param(CREATE, 400, "BadRequest", {}, Invalid, id="400"),
        pytest.param(CREATE, 401, "Unauthorized", {}, Unauthorized, id="401"),
        pytest.param(CREATE, 403, "Forbidden", {}, Forbidden, id="403"),
        pytest.param(CREATE, 404, "NotFound", {}, NotFound, id="404"),
        pytest.param(CREATE, 405, "MethodNotAllowed", {}, Refused, id="405"),
        pytest.param(CREATE, 409, "AlreadyExists", {}, AlreadyExists, id="409 on a create"),
        pytest.param(CREATE, 409, "Conflict", {}, Conflict, id="409 on a create for another reason"),
        pytest.param(UPDATE, 409, "Conflict", {}, Conflict, id="409 on an update"),
        pytest.param(CREATE, 410, "Expired", {}, Gone, id="410"),
        pytest.param(CREATE, 422, "Invalid", {}, Invalid, id="422"),
        pytest.param(CREATE, 429, "TooManyRequests", {}, Throttled, id="429"),
        pytest.param(CREATE, 500, "InternalError", {}, ServerFault, id="500"),
        pytest.param(CREATE, 503, "ServiceUnavailable", {}, ServerFault, id="503 that names no time"),
        pytest.param(
            CREATE, 503, "ServiceUnavailable", {"Retry-After": "2"}, Throttled, id="503 with a time"
        ),
    ],
)
def test_a_code_is_an_error_of_its_own_kind(
    call: Call, code: int, reason: str, headers: dict[str, str], kind: type[Refused]
) -> None:
    error = refusal(call, code, headers, a_status(code=code, reason=reason))

    assert type(error) is kind
    assert (error.code, error.reason, error.words) == (code, reason, "no")


def test_a_missing_right_is_named_as_a_role_would_grant_it() -> None:
    words = (
        'rayclusters.cluster.ray.io "a" is forbidden: User "x" cannot patch resource "rayclusters/status" …'
    )
    call = Call(verb=Verb.PATCH, resource=RAYCLUSTERS, namespace="ray", name="a", subresource="status")
    error = refusal(call, 403, {}, a_status(reason="Forbidden", message=words))

    assert isinstance(error, Forbidden)
    assert error.missing_right() == "patch on rayclusters.cluster.ray.io/status in namespace ray"


def test_a_quota_is_no_missing_right() -> None:
    error = refusal(
        CREATE, 403, {}, a_status(reason="Forbidden", message='pods "a" is forbidden: exceeded quota')
    )

    assert isinstance(error, Forbidden)
    assert error.missing_right() is None


def test_a_page_of_html_is_dropped_and_named_by_its_type() -> None:
    error = refusal(CREATE, 502, {"Content-Type": "text/html; charset=utf-8"}, b"<html>secret</html>")

    assert error.words == "HTTP 502 with a body that is not Kubernetes' (text/html)"


def test_words_without_end_are_cut() -> None:
    assert len(refusal(CREATE, 422, {}, a_status(message="x" * 100_000)).words) == 1024


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        pytest.param({"Retry-After": "3"}, {}, 3.0, id="the header"),
        pytest.param({}, {"retryAfterSeconds": 4}, 4.0, id="the details"),
        pytest.param({}, {}, 0.0, id="neither"),
        pytest.param({"Retry-After": "86400"}, {}, 60.0, id="a day is cut to a minute"),
        pytest.param(
            {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, {}, 0.0, id="a date is not understood"
        ),
    ],
)
def test_when_to_ask_again_is_taken_from(
    headers: dict[str, str], details: dict[str, int], seconds: float
) -> None:
    error = refusal(CREATE, 429, headers, a_status(reason="TooManyRequests", details=details))

    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


def test_the_fields_that_are_wrong_are_named() -> None:
    causes = [{"field": "spec.containers", "message": "Required value"}, {"message": "of the whole"}]

    assert refusal(CREATE, 422, {}, a_status(details={"causes": causes})).fields == ("spec.containers",)

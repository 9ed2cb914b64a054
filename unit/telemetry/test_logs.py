import io
import logging
import re

import pytest

from rayctl.api.names import ClusterKey
from rayctl.telemetry.logs import ClusterLog, LineFormatter, Prefix

KEY = ClusterKey("ray", "example-cluster2")


def logged(prefix: Prefix) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(prefix))
    logger = logging.Logger("rayctl.test", logging.DEBUG)
    logger.addHandler(handler)
    return logger, stream


def test_a_line_about_a_cluster_has_the_legacy_form() -> None:
    logger, stream = logged(Prefix.NAME)

    ClusterLog(logger, KEY).info("Cluster status: %d nodes", 1)

    form = r"example-cluster2:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\tINFO test_logs\.py:\d+ -- Cluster status: 1 nodes\n"
    assert re.fullmatch(form, stream.getvalue())


def test_continuation_lines_have_the_prefix_too() -> None:
    logger, stream = logged(Prefix.NAME)

    ClusterLog(logger, KEY).info("first\nsecond\n\nfourth")

    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert all(line.startswith("example-cluster2:") for line in lines)


def test_tracebacks_have_the_prefix_on_every_line() -> None:
    logger, stream = logged(Prefix.NAME)

    try:
        raise ValueError("one\ntwo")
    except ValueError:
        ClusterLog(logger, KEY).exception("failed")

    lines = stream.getvalue().splitlines()
    assert any("Traceback" in line for line in lines)
    assert all(line.startswith("example-cluster2:") for line in lines)


def test_the_prefix_of_ray_1_4_has_the_namespace() -> None:
    logger, stream = logged(Prefix.NAME_NAMESPACE)

    ClusterLog(logger, KEY).info("text")

    assert stream.getvalue().startswith("example-cluster2,ray:")


def test_a_line_about_no_cluster_has_no_prefix() -> None:
    logger, stream = logged(Prefix.NAME)

    logger.info("started")

    assert re.match(r"\d{4}-", stream.getvalue())


@pytest.mark.parametrize("name", ["example-cluster", "example-cluster2"])
def test_grep_for_one_cluster_finds_no_other(name: str) -> None:
    logger, stream = logged(Prefix.NAME)

    ClusterLog(logger, ClusterKey("ray", "example-cluster")).info("of the first")
    ClusterLog(logger, ClusterKey("ray", "example-cluster2")).info("of the second")

    found = [line for line in stream.getvalue().splitlines() if re.match(f"^{name}:", line)]
    assert len(found) == 1

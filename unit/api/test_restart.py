"""Which labels and annotations ask for a restart, and of what."""

from typing import Any

import pytest

from rayctl.api.document import Reader
from rayctl.api.names import TypeName
from rayctl.api.restart import RestartMarks, parse_marks

CPU, GPU = TypeName("cpu"), TypeName("gpu")


def marks(labels: Any = None, annotations: Any = None) -> RestartMarks:
    return parse_marks(Reader({"labels": labels, "annotations": annotations}))


@pytest.mark.parametrize(
    ("labels", "annotations", "whole"),
    [
        pytest.param(None, None, (), id="none"),
        pytest.param(
            {"try": "again"}, {}, (("label try", "again"),), id="a label, as the seed's prose has it"
        ),
        pytest.param(
            {}, {"try": "again"}, (("annotation try", "again"),), id="an annotation, as its file has it"
        ),
        pytest.param(
            {"try": "again"},
            {"try": "again"},
            (("annotation try", "again"), ("label try", "again")),
            id="both are two",
        ),
        pytest.param(
            {"app.kubernetes.io/name": "x"},
            {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kopf.zalando.org/x": "y"},
            (),
            id="other tools' are no mark",
        ),
        pytest.param(
            {}, {"cluster.ray.io/restartedAt": "noon"}, (("restartedAt", "noon"),), id="the command line's"
        ),
        pytest.param(
            {"cluster.ray.io/restartedAt": "noon"}, {}, (), id="which as a label is somebody else's"
        ),
    ],
)
def test_what_restarts_the_whole_cluster(labels: Any, annotations: Any, whole: Any) -> None:
    assert marks(labels, annotations) == RestartMarks(whole)


def test_the_order_in_which_they_are_written_means_nothing() -> None:
    assert marks({"a": "1", "b": "2"}) == marks({"b": "2", "a": "1"})


def test_a_mark_of_one_type_counts_for_that_type_alone() -> None:
    found = marks(annotations={"restarted-at.cluster.ray.io/cpu": "noon"})

    assert found.of_type(CPU) == (("type", "noon"),)
    assert found.of_type(GPU) == ()


def test_a_mark_of_the_whole_counts_for_each_type() -> None:
    found = marks({"try": "again"}, {"restarted-at.cluster.ray.io/cpu": "noon"})

    assert found.of_type(GPU) == (("label try", "again"),)
    assert found.of_type(CPU) == (("label try", "again"), ("type", "noon"))


def test_another_value_is_another_mark() -> None:
    assert marks({"try": "again"}) != marks({"try": "and again"})


def test_metadata_that_are_no_mappings_are_told() -> None:
    reader = Reader({"labels": ["try"], "annotations": "again"}, "metadata")

    parse_marks(reader)

    assert [error.path for error in reader.errors] == ["metadata.labels", "metadata.annotations"]

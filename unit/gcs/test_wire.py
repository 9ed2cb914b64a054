"""Protobuf's outermost layer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayctl.gcs import protocol_pb2 as pb
from rayctl.gcs.errors import Garbled
from rayctl.gcs.wire import Value, signed, submessage, walk


def fields(message: bytes) -> list[tuple[int, Value]]:
    return list(walk(memoryview(message)))


@given(st.integers(-(2**63), 2**63 - 1), st.text(), st.lists(st.binary(), max_size=3))
def test_what_the_library_writes_is_read(version: int, session: str, ids: list[bytes]) -> None:
    state = pb.ClusterResourceState(
        cluster_resource_state_version=version,
        cluster_session_name=session,
        node_states=[pb.NodeState(node_id=each) for each in ids],
    )

    found = fields(state.SerializeToString())

    assert [signed(value) for number, value in found if number == 1] == [version] * (version != 0)
    assert [bytes(submessage(value)).decode() for number, value in found if number == 7] == [session] * bool(
        session
    )
    pieces = [
        pb.NodeState.FromString(bytes(submessage(value))).node_id for number, value in found if number == 3
    ]
    assert pieces == ids


@pytest.mark.parametrize(
    "skipped",
    [
        pytest.param(b"\x0d\x01\x02\x03\x04", id="four bytes"),
        pytest.param(b"\x09" + bytes(8), id="eight bytes"),
    ],
)
def test_numbers_of_fixed_width_are_skipped(skipped: bytes) -> None:
    assert fields(skipped + b"\x10\x05") == [(2, 5)]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param(b"\x0a\x05abc", "cut off", id="a text longer than the message"),
        pytest.param(b"\x08", "cut off", id="a number that is missing"),
        pytest.param(b"\x80\x80", "cut off", id="a key without an end"),
        pytest.param(b"\x08" + b"\xff" * 10 + b"\x01", "without an end", id="a number of eleven groups"),
        pytest.param(b"\x00\x01", "number 0", id="field 0"),
        pytest.param(b"\x0b\x0c", "wire type 3", id="a group"),
        pytest.param(b"\x0f", "wire type 7", id="a type that does not exist"),
    ],
)
def test_what_is_no_message_says_why(message: bytes, words: str) -> None:
    with pytest.raises(Garbled, match=words):
        fields(message)


def test_a_field_of_the_wrong_kind_says_so() -> None:
    with pytest.raises(Garbled, match="a text where a number belongs"):
        signed(memoryview(b"x"))
    with pytest.raises(Garbled, match="a number where a message belongs"):
        submessage(1)

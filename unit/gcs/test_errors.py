"""A stranger's words, made fit for logs and status."""

from hypothesis import given
from hypothesis import strategies as st

from rayctl.gcs.errors import legible


@given(st.text())
def test_a_strangers_text_is_one_printable_line(text: str) -> None:
    shown = legible(text)

    assert shown.isprintable()
    assert shown == shown.strip()
    assert len(shown) <= 300


def test_a_short_text_stays_as_it_is_and_a_long_one_shows_that_it_was_cut() -> None:
    assert legible("failed to connect") == "failed to connect"
    assert legible("a\tb\r\n  c") == "a b c"
    assert legible("x" * 301) == "x" * 299 + "…"

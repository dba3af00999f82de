import re

import pytest

from app.api.trace import read

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (f"00-{ID}-{PARENT}-01", "01"),
        (f"00-{ID}-{PARENT}-00", "00"),
        (f"00-{ID}-{PARENT}-ff", "03"),  # what other flags mean is not known
        (f"cc-{ID}-{PARENT}-03", "03"),  # a version of the future, read as ours
        (f"cc-{ID}-{PARENT}-01-what.the-future_adds", "01"),
    ],
)
def test_a_valid_trace_comes_back_with_a_span_of_its_own(header: str, flags: str) -> None:
    first, second = read(header.encode()), read(header.encode())
    assert first
    assert second
    assert re.fullmatch(f"00-{ID}-{first.span_id}-{flags}", first.header.decode())
    assert len({first.span_id, second.span_id, PARENT}) == 3


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"00-{ID}-{PARENT}",
        f"00-{ID}-{PARENT}-1",
        f"00-{ID}-{PARENT}-001",
        f"00-{ID}-{PARENT}-01-more",
        f"00-{ID}-{PARENT}-01\n",
        f" 00-{ID}-{PARENT}-01",
        f"cc-{ID}-{PARENT}-01.more",
        f"ff-{ID}-{PARENT}-01",
        f"0-{ID}-{PARENT}-01",
        f"00-{ID.upper()}-{PARENT}-01",
        f"00-{ID[1:]}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID}-{PARENT[:-1]}g-01",
        f"00_{ID}_{PARENT}_01",
    ],
)
def test_one_that_is_not_valid_is_as_none(header: str) -> None:
    assert read(header.encode()) is None

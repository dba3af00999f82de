"""Which folders hold a model or a copy, told from their files."""

from pathlib import Path

import pytest

from converter.contract import REPORT_NAME
from converter.model.files import may_be_replaced
from tests.support.converter.reports import REPORT


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ({}, True),
        ({"saved_model.pb": b"graph"}, True),
        ({"layout.json": b"{}"}, True),
        ({REPORT_NAME: REPORT.to_json().encode(), "graph": b""}, True),
        ({REPORT_NAME: b'{"year": 2026}', "accounts.txt": b""}, False),
        ({"diary.txt": b"dear"}, False),
        ({"1/saved_model.pb": b""}, False),
    ],
    ids=["empty", "a model", "ONNX's", "any copy", "another report", "something else", "a folder of models"],
)
def test_only_copies_and_empty_folders_may_be_replaced(tmp_path: Path, files: dict[str, bytes], answer: bool) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert may_be_replaced(tmp_path) is answer

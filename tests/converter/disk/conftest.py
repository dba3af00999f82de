"""A model whose copy is made again, and must stay as it was where that comes to nothing."""

from pathlib import Path

import pytest

from tests.support.converter.running import fake_model, names


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose copy, an old one, stands in its place."""
    old = tmp_path / "copies" / "1_trt" / "saved_model.pb"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    return fake_model(tmp_path)


def assert_only_the_old_copy_is_there(model: Path) -> None:
    assert names(model.parent / "copies") == ["1_trt"]
    assert names(model.parent / "copies" / "1_trt") == ["saved_model.pb"]

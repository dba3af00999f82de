"""Whether a folder is a TF-TRT copy is read from its bytes."""

from pathlib import Path

import pytest

from converter.model import engines


def folder(tmp_path: Path, graph: bytes, **saved: bytes) -> Path:
    """A SavedModel's folder: `saved` are the engines in its assets, by node."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(graph)
    for node, content in saved.items():
        (tmp_path / "assets" / f"trt-serialized-engine.{node}").write_bytes(content)
    return tmp_path


def node(name: str) -> bytes:
    """A NodeDef as it stands in the file: field 1 its name, field 2 its operation, field 3 an input."""
    return b"".join(
        bytes([tag, len(text)]) + text.encode() for tag, text in [(10, name), (18, "TRTEngineOp"), (26, name)]
    )


TWO = node("TRTEngineOp_000_000") + node("TRTEngineOp_000_001")


@pytest.mark.parametrize(
    ("graph", "nodes"),
    [
        (b"\x0a\x05Conv2D\x12\x06Conv2D", set()),
        (b"TRTEngineOp is an operation that TensorFlow knows", set()),
        (node("TRTEngineOp_000_000"), {"TRTEngineOp_000_000"}),
        (TWO, {"TRTEngineOp_000_000", "TRTEngineOp_000_001"}),
        (node("PartitionedCall/TRTEngineOp_001_012"), {"TRTEngineOp_001_012"}),
        (node("TRTEngineOp_000_1000"), {"TRTEngineOp_000_1000"}),
        (b"TRTEngineOp_000_000_native_segment", {"TRTEngineOp_000_000"}),
        (node("TRTEngineOp_0_1"), {"TRTEngineOp_0_1"}),  # TensorFlow up to 2.5
        (node("TRTEngineOp_3"), {"TRTEngineOp_3"}),  # TensorFlow 1
    ],
)
def test_engines_are_found_by_the_names_of_their_nodes(tmp_path: Path, graph: bytes, nodes: set[str]) -> None:
    assert engines.find(folder(tmp_path, graph)) == engines.Engines(frozenset(nodes), frozenset())


def test_a_copy_with_all_its_engines_lacks_nothing(tmp_path: Path) -> None:
    copy = folder(tmp_path, TWO, TRTEngineOp_000_000=b"plan", TRTEngineOp_000_001=b"plan")
    assert engines.lacking(copy) is None


def test_a_graph_without_engines_is_no_trt_copy_whatever_lies_beside_it(tmp_path: Path) -> None:
    copy = folder(tmp_path, b"Conv2D", TRTEngineOp_000_000=b"plan")
    assert engines.lacking(copy) == "its graph has no TensorRT engine: TF-TRT converted nothing"


@pytest.mark.parametrize(
    ("saved", "count", "missing"),
    [
        pytest.param({}, 2, "TRTEngineOp_000_000", id="none saved"),
        pytest.param({"TRTEngineOp_000_000": b"plan"}, 1, "TRTEngineOp_000_001", id="one saved"),
        pytest.param(
            {"TRTEngineOp_000_000": b"plan", "TRTEngineOp_000_001": b""}, 1, "TRTEngineOp_000_001", id="one empty"
        ),
        pytest.param({"TRTEngineOp_000_002": b"plan"}, 2, "TRTEngineOp_000_000", id="another graph's"),
    ],
)
def test_the_first_engine_that_is_missing_is_named(
    tmp_path: Path, saved: dict[str, bytes], count: int, missing: str
) -> None:
    assert engines.lacking(folder(tmp_path, TWO, **saved)) == (
        f"{count} of its 2 TensorRT engines were never built: assets/trt-serialized-engine.{missing} is missing"
    )


def test_a_folder_without_assets_is_looked_through(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(TWO)
    assert engines.find(tmp_path).saved == frozenset()


def test_a_folder_without_a_graph_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        engines.lacking(tmp_path)

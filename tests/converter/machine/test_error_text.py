"""What a library's error becomes: what failed and where in the model."""

from pathlib import Path

import pytest

from converter.machine.error_text import first_line


def test_a_folder_is_told_by_its_name_whatever_its_path_has() -> None:
    folder = Path("/x odd/secret (1)/m,x :y/1")
    assert first_line(OSError(f"no file at: {folder}/a.pb\nmore"), folder) == "no file at: 1/a.pb"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            "Graph execution error:\n\nDetected at node 'a/Reshape' defined at (most recent call last):\n"
            "<stack traces unavailable>\nNode: 'a/Reshape'\nInput has 12 values\n"
            "\t [[{{node a/Reshape}}]] [Op:__inference_f_9]",
            "Input has 12 values (at a/Reshape)",
        ),
        (
            "{{function_node __inference_serve_5}} Input is empty. [[{{node map/while/DecodeJpeg}}]] [Op:__inf_9]",
            "Input is empty. (at map/while/DecodeJpeg)",
        ),
        (
            "Op type not registered 'Foo' in binary running on host-1. Make sure the Op is registered",
            "it has the operation Foo, which this TensorFlow doesn't know",
        ),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Loop node. Name:'map/loop' "
            "Status Message: loop.cc:466 Initialize Loop subgraph input 0 has unknown shape",
            "its operation Loop (map/loop) fails: Loop subgraph input 0 has unknown shape",
        ),
        (
            "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : "
            "Could not find an implementation for Conv(1) node with name 'c'",
            "ONNX Runtime has no Conv for the types of c",
        ),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /onnxruntime_src/core/a.cc:294 "
            "onnxruntime::common::Status onnxruntime::f(const std::string&) x > -1 was false.",
            "x > -1 was false.",
        ),
    ],
)
def test_what_libraries_write_for_themselves_is_left_out(theirs: str, ours: str) -> None:
    assert first_line(RuntimeError(theirs)) == ours


def test_an_error_of_a_librarys_own_code_says_so() -> None:
    assert first_line(IndexError("list index out of range")) == "it broke off with IndexError (list index out of range)"

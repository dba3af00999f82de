"""The scripts of deploy/, each run as it is used, without the network."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PYTHON = Path(sys.base_prefix) / "bin" / "python3"  # Has pip; a virtual environment may not.
WHEEL = "tensorrt-8.5.3.1-cp310-none-manylinux_2_17_x86_64.whl"
LIBRARIES = {
    "libnvinfer.so.8": b"inference",
    "libnvinfer_plugin.so.8": b"plugins",
    "libnvinfer_builder_resource.so.8.5.3": b"kernels",
}


def run(command: list[str | Path], **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    return subprocess.run(command, env=clean | environ, capture_output=True, text=True)


def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    scripts = sorted(DEPLOY.glob("*.sh"))
    done = subprocess.run([shellcheck, *scripts], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


class TensorRT:
    """A copy of deploy/ whose lock names a small wheel made here, and pip kept off the network."""

    def __init__(self, folder: Path) -> None:
        self.destination = folder / "work" / "tensorrt"
        self.deploy = folder / "deploy"
        self.shelf = folder / "shelf"
        shutil.copytree(DEPLOY, self.deploy)
        self.shelf.mkdir()

    def offer(self, libraries: dict[str, bytes]) -> None:
        path = self.shelf / WHEEL
        with zipfile.ZipFile(path, "w") as wheel:
            for name, content in libraries.items():
                wheel.writestr(f"tensorrt/{name}", content)
            wheel.writestr("tensorrt/tensorrt.so", b"for Python 3.10")
            info = "tensorrt-8.5.3.1.dist-info"
            wheel.writestr(f"{info}/LICENSE.txt", b"terms")
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tensorrt\nVersion: 8.5.3.1\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp310-none-manylinux_2_17_x86_64\n")

    def pin(self, digest: str) -> None:
        (self.deploy / "tensorrt.lock").write_text(f"tensorrt==8.5.3.1 --hash=sha256:{digest}\n")

    def pin_what_is_offered(self) -> None:
        self.pin(hashlib.sha256((self.shelf / WHEEL).read_bytes()).hexdigest())

    def run(self, python: Path = PYTHON) -> subprocess.CompletedProcess[str]:
        return run(
            ["sh", self.deploy / "tensorrt.sh", self.destination],
            PYTHON=str(python),
            PIP_CONFIG_FILE=os.devnull,
            PIP_NO_INDEX="1",
            PIP_FIND_LINKS=str(self.shelf),
        )

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.destination.iterdir()}


@pytest.fixture
def tensorrt(tmp_path: Path) -> TensorRT:
    tensorrt = TensorRT(tmp_path)
    tensorrt.offer(LIBRARIES)
    tensorrt.pin_what_is_offered()
    return tensorrt


def test_tensorrt_takes_the_libraries_and_their_licence(tensorrt: TensorRT) -> None:
    done = tensorrt.run()
    assert (done.returncode, done.stdout) == (0, f"{tensorrt.destination}\n"), done.stderr
    files = tensorrt.files()
    assert files.pop("tensorrt.lock") == (tensorrt.deploy / "tensorrt.lock").read_bytes()
    assert files == {**LIBRARIES, "LICENSE.txt": b"terms"}
    assert list(tensorrt.destination.parent.iterdir()) == [tensorrt.destination]
    assert tensorrt.destination.stat().st_mode & 0o055 == 0o055


def test_tensorrt_is_not_made_twice(tensorrt: TensorRT) -> None:
    assert tensorrt.run().returncode == 0
    assert tensorrt.run(python=Path("/bin/false")).returncode == 0


def test_tensorrt_is_made_again_for_another_lock(tensorrt: TensorRT) -> None:
    assert tensorrt.run().returncode == 0
    tensorrt.offer({**LIBRARIES, "libnvinfer.so.8": b"repaired"})
    tensorrt.pin_what_is_offered()
    assert tensorrt.run().returncode == 0
    assert tensorrt.files()["libnvinfer.so.8"] == b"repaired"


def test_another_wheel_is_refused_and_nothing_is_left(tensorrt: TensorRT) -> None:
    tensorrt.pin("0" * 64)
    done = tensorrt.run()
    assert done.returncode == 1
    assert "tensorrt: pip could not fetch the wheel" in done.stderr
    assert list(tensorrt.destination.parent.iterdir()) == []


def test_a_wheel_without_a_library_is_refused_and_nothing_is_left(tensorrt: TensorRT) -> None:
    tensorrt.offer({"libnvinfer.so.8": b"alone"})
    tensorrt.pin_what_is_offered()
    done = tensorrt.run()
    assert done.returncode == 1
    assert "the wheel holds no libnvinfer_plugin.so." in done.stderr
    assert list(tensorrt.destination.parent.iterdir()) == []


def test_tensorrt_leaves_a_folder_of_others_alone(tensorrt: TensorRT) -> None:
    tensorrt.destination.mkdir(parents=True)
    (tensorrt.destination / "letter.txt").write_text("dear")
    done = tensorrt.run()
    assert done.returncode == 1
    assert "was not made by this script" in done.stderr
    assert tensorrt.files() == {"letter.txt": b"dear"}


def test_real_lock_pins_one_wheel() -> None:
    lines = (DEPLOY / "tensorrt.lock").read_text().splitlines()
    [line] = [line for line in lines if not line.startswith("#")]
    name, _, digest = line.partition(" --hash=sha256:")
    assert name == "tensorrt==8.5.3.1"
    assert len(bytes.fromhex(digest)) == 32


def test_libraries_names_each_folder_once(tmp_path: Path) -> None:
    site = "venv/lib/python3.11/site-packages/nvidia"
    for name in (
        *("tensorrt/libnvinfer.so.8", f"{site}/cublas/lib/libcublas.so.11"),
        *(f"{site}/cublas/lib/libcublasLt.so.11", f"{site}/cuda_nvcc/lib/__init__.py"),
        f"{site}/cudnn/lib/libcudnn.so.8",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    done = run(["sh", DEPLOY / "libraries.sh", tmp_path / "venv", tmp_path / "tensorrt"])
    folders = ["tensorrt", f"{site}/cublas/lib", f"{site}/cudnn/lib"]
    assert done.stdout == ":".join(str(tmp_path / folder) for folder in folders) + "\n"


def test_libraries_says_what_is_missing(tmp_path: Path) -> None:
    done = run(["sh", DEPLOY / "libraries.sh", tmp_path / "venv", tmp_path / "tensorrt"])
    assert done.returncode == 1
    assert done.stderr.startswith(f"libraries: nothing matches {tmp_path}/tensorrt/libnvinfer")
    assert done.stderr.endswith(": 'make .venv/gpu.done' installs it\n")


def test_check_names_the_libraries_that_are_missing() -> None:
    done = run([sys.executable, DEPLOY / "check_tensorrt.py"], LD_LIBRARY_PATH="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("check_tensorrt: ")
    assert "libnvinfer.so.8" in done.stderr
    assert done.stderr.endswith("can't be opened (LD_LIBRARY_PATH is /nowhere).\n")


ASK = """
import runpy, sys
check = runpy.run_path(sys.argv[1])
try:
    check["check_tensorflow"]()
except check["IncompleteError"] as error:
    print(error)
"""


@pytest.mark.tensorflow
def test_tensorflow_without_tensorrt_is_told_and_not_killed() -> None:
    done = run([sys.executable, "-c", ASK, DEPLOY / "check_tensorrt.py"])
    assert done.returncode == 0
    assert done.stdout == "TensorFlow, made for TensorRT 8.4.3, can't load it.\n"


@contextmanager
def server_that_answers(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_probe_tells_by_its_exit_code(status: int, code: int) -> None:
    with server_that_answers(status) as port:
        done = run(
            [sys.executable, DEPLOY / "probe.py", "/readyz"],
            DETECTOR_BIND=f"0.0.0.0:{port}",
            http_proxy="http://127.0.0.1:1",
        )
    assert done.returncode == code, done.stderr
    assert done.stderr == ("" if code == 0 else f"probe: http://localhost:{port}/readyz answers 503\n")


def test_probe_says_that_nobody_answers() -> None:
    done = run([sys.executable, DEPLOY / "probe.py"], DETECTOR_BIND="127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.startswith("probe: http://localhost:1/healthz does not answer: ")

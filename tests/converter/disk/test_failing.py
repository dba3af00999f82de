"""Conversions that fail on the way: each ends with its exit code and a sentence, and the old copy stays as it was."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import bundled_model
from benchmarks.serving import clean_environ
from converter.contract import ConversionFailed, Options
from converter.machine.child import Limits
from converter.progress import Progress
from converter.targets import making
from tests.converter.disk.conftest import assert_only_the_old_copy_is_there
from tests.support.converter.disk import LEFT, run_on_small_disk
from tests.support.converter.made import OddModels
from tests.support.converter.readonly import obeying_permissions
from tests.support.converter.running import (
    command,
    convert,
    converting,
    fake_model,
    held,
    let_go,
    machine,
    sentence,
)

# It takes too much


def test_one_that_takes_too_long_is_ended(model: Path) -> None:
    done = convert(model, "--time-limit-seconds", "1", hangs=True, at="run original")
    assert done.returncode == 5
    assert sentence(done) == "convert: running the model took longer than it may, and was ended"
    assert_only_the_old_copy_is_there(model)


def test_a_converter_that_does_not_even_start_is_ended(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in machine(hangs=True, at="making devices").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConversionFailed) as failure:
        making.make(model, model.parent / "new", Options(), progress=Progress(), limits=Limits.within(1))
    assert str(failure.value) == "the converter took longer than it may while starting, and was ended"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("run original", "convert: running the model took N MiB of memory, 400 are allowed, and was ended"),
        ("build", "convert: the converter took N MiB of memory, 400 are allowed while building engines, and was ended"),
        ("run TRTEngineOp_000_000", "convert: running the model took N MiB of memory, 400 are allowed, and was ended"),
    ],
)
def test_one_that_takes_too_much_memory_is_ended(model: Path, at: str, said: str) -> None:
    done = convert(model, "--memory-limit-mib", "400", takes_mib=600, at=at)
    assert done.returncode == 5
    assert re.sub(r"\d+ MiB", "N MiB", sentence(done)) == said
    assert_only_the_old_copy_is_there(model)


# The copy is not what it should be


def test_a_copy_that_runs_only_by_falling_back_is_refused(model: Path) -> None:
    done = convert(model, fails="User disallowed engine native segment execution", at="run TRTEngineOp_000_000")
    assert done.returncode == 6
    assert sentence(done) == "convert: the copy runs only by falling back to TensorFlow's native segments"
    assert_only_the_old_copy_is_there(model)


def test_a_copy_whose_engine_was_not_built_is_refused(model: Path) -> None:
    done = convert(model, builds_nothing=True)
    assert done.returncode == 6
    assert "1 of its 1 TensorRT engines were never built: " in sentence(done)
    assert_only_the_old_copy_is_there(model)


def test_a_machine_without_a_gpu_makes_none(model: Path) -> None:
    done = convert(model, gpus=[])
    assert done.returncode == 4
    assert sentence(done) == "convert: TensorFlow sees no NVIDIA GPU: there is no NVIDIA driver"
    assert_only_the_old_copy_is_there(model)


# The model changes


@pytest.mark.parametrize(
    ("at", "change"),
    [
        pytest.param("run original", lambda file: file.write_bytes(b"weighty"), id="while it is measured"),
        pytest.param("making save", lambda file: file.unlink(), id="while its copy is saved"),
    ],
)
def test_a_model_that_changed_meanwhile_has_no_copy(model: Path, at: str, change: Callable[[Path], object]) -> None:
    says = held(model.parent / "pipe", at)
    with converting(model, **says) as process:
        let_go(says, lambda: change(model / "variables" / "data"))
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (5, "")
    assert stderr.splitlines()[-1] == (
        "convert: the model changed while it was converted: the copy is not of what is there now"
    )
    assert_only_the_old_copy_is_there(model)


# The disk


def test_a_place_that_can_not_be_written_to_is_told(model: Path) -> None:
    (model.parent / "copies").chmod(0o555)
    done = obeying_permissions(lambda: convert(model))
    (model.parent / "copies").chmod(0o755)
    assert done.returncode == 5
    assert sentence(done) == "convert: the copy can't be written to copies: Permission denied"
    assert_only_the_old_copy_is_there(model)


def test_a_disk_that_fills_up_at_the_very_end_is_told(tmp_path: Path) -> None:
    model = fake_model(tmp_path)
    (model / "assets.extra" / "labels.txt").write_bytes(bytes(1 << 20))
    done = run_on_small_disk(tmp_path / "copies", command(model), machine(), size="256k")
    *_, said, first, second = done.stderr.splitlines()
    assert done.returncode == 5, done.stderr
    assert said.startswith("convert: writing the copy failed: [Errno 28] No space left on device: ")
    assert sorted([first, second]) == LEFT


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("bundled", "size", "starts"),
    [
        (False, "24k", "convert: TensorFlow could not freeze the graph or save it: "),
        (True, "2m", "convert: writing the copy failed: "),  # the weights, which TensorFlow does not write
    ],
)
def test_a_full_disk_is_told(bundled: bool, size: str, starts: str, odd_models: OddModels, tmp_path: Path) -> None:
    source = bundled_model() / "1" if bundled else odd_models.root / "detector"
    options = ["--target", "frozen", "--output", str(tmp_path / "copies" / "1_trt"), "--batch-sizes", "1"]
    asked = [sys.executable, "-m", "converter", str(source), *options]
    done = run_on_small_disk(tmp_path / "copies", asked, clean_environ({}), size=size)
    *_, said, first, second = done.stderr.splitlines()
    assert done.returncode == 5, done.stderr
    assert said.startswith(starts)
    assert "No space left on device" in said
    assert sorted([first, second]) == LEFT

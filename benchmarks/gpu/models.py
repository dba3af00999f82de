"""The models and their copies, in a folder that is kept: what is there is used again."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from app.settings import bundled_model
from benchmarks.gpu.parts import OWN, Settings
from converter.contract import Report
from converter.disk import places
from converter.model import sampling
from converter.targets import KINDS


@dataclass(frozen=True)
class Model:
    """A model's folder; copies of another precision or with other batch sizes belong to a folder of their own."""

    folder: Path
    precision: str
    sizes: str  # of engines, like 1,2,4,8

    def copy(self, backend: str) -> Path:
        """Where the copy is, or the model itself."""
        return places.location(self.folder, backend) if backend in KINDS else self.folder


def model(work: Path, name: str, precision: str, settings: Settings) -> Model:
    """The model of this name, made if it is not there; RuntimeError if nobody but its owner can make it."""
    largest = int(settings.get("DETECTOR_MAX_BATCH", 8))
    usual = KINDS["trt"].sizes(largest)
    asked = map(int, settings["DETECTOR_BATCH_SIZES"].split(",")) if "DETECTOR_BATCH_SIZES" in settings else usual
    wanted = tuple(sorted({*asked, largest}))
    sizes = ",".join(map(str, wanted))
    plain = work / name / "1"
    if not plain.is_dir():
        _make(name, plain)
    others = [precision] * (precision != "FP16") + sizes.split(",") * (wanted != usual)
    folder = work / "-".join([name, *others]) / "1"
    if not folder.is_dir():
        shutil.copytree(plain, folder, copy_function=os.link)
    return Model(folder, precision, sizes)


def build(model: Model, target: str) -> float | None:
    """Make a copy that is not there; the seconds that took. RuntimeError if it can't be made."""
    if model.copy(target).is_dir():
        return None
    began = time.monotonic()
    command = [sys.executable, "-m", "converter", str(model.folder), "--target", target, "--batch-sizes", model.sizes]
    command += ["--precision", model.precision] if model.precision in KINDS[target].precisions else []
    command += ["--images", str(sampling.PHOTOS)] if model.precision == "INT8" else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{target} could not be made: exit code {done.returncode}")
    return round(time.monotonic() - began, 1)


def engine_sizes(folder: Path) -> tuple[int, ...]:
    """The batch sizes that a copy has engines for."""
    report = Report.read(folder)
    return report.batch_sizes if report else (1,)


def _make(name: str, folder: Path) -> None:
    if name == OWN:
        raise RuntimeError(f"there is no model at {folder}: copy the folder of your SavedModel there")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name("partial")
    shutil.rmtree(partial, ignore_errors=True)
    if name == "bundled":
        shutil.copytree(bundled_model() / "1", partial)
    else:
        environ = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        subprocess.run([sys.executable, "-m", "benchmarks.retinanet", str(partial)], env=environ, check=True)
    partial.rename(folder)

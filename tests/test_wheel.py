"""The wheel stands alone: installed anywhere, it serves the bundled model from any folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.serving import serving

ROOT = Path(__file__).parent.parent


@pytest.mark.tensorflow
@pytest.mark.system
def test_the_installed_wheel_serves_the_bundled_model(tmp_path: Path, photos: dict[str, bytes]) -> None:
    pip = ["python3", "-m", "pip", "--quiet", "--python", sys.executable]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "app/models/yolox_nano/1/saved_model.pb" in names
    assert "converter/photos/coffee.jpg" in names
    assert {"app/web/report.html", "app/web/page/index.html", "app/web/page/page.js", "app/web/page/page.css"} <= set(
        names
    )
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/")) or "_frozen" in name]
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(installed), str(wheel)], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving({"PYTHONPATH": str(installed), "DETECTOR_COPIES": ""}, cwd=elsewhere) as server:
        server.wait_until_ready()
        labels = [item["label"] for item in server.detect(photos["dog"]).json()["detections"]]
        assert labels[:2] == ["dog", "bicycle"]

"""How a TF-TRT copy gets into a server, and that one without engines does not: part of `make verify-trt`."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving import Server, serving
from converter.contract import Options
from converter.disk import places

Hold = Callable[[str, bool, str], None]

PHOTO = Path(__file__).parent.parent / "converter" / "photos" / "coffee.jpg"
SETTLED = ("standby", "active", "refused", "unavailable")


def serve(model: Path, options: Options, hold: Hold) -> None:
    """A server loads the copy that `options` made from its files, without a build, and answers with it."""
    environ = {
        "DETECTOR_MODEL": str(model),
        "DETECTOR_PRECISION": options.precision,
        "DETECTOR_MAX_BATCH": str(max(options.batch_sizes)),
        "DETECTOR_BATCH_SIZES": ",".join(map(str, options.batch_sizes)),
        "DETECTOR_COPIES": "trt,frozen",
        "DETECTOR_STARTUP_CONVERSION": "off",
    }
    if options.images:
        environ["DETECTOR_CALIBRATION_IMAGES"] = str(options.images)
    with serving(environ) as server:
        backends = _settled(server)
        trt = backends["trt"]
        loads = f"{trt['state']}, loaded in {trt.get('load_seconds')} s, warm {trt.get('warm_seconds')} s later"
        hold("a server loads the engines from their files", trt["state"] in ("standby", "active"), loads)
        answer = server.detect(PHOTO.read_bytes(), backend="trt")
        found = [f"{item['label']} {item['score']:.3f}" for item in answer.json().get("detections", [])]
        hold("it answers with them", answer.status_code == 200, ", ".join(found) or answer.text)
        hold("none fell back", server.metric("detector_native_fallback_total") == 0, "")


def without_engines(model: Path, hold: Hold) -> None:
    """The copy without its engine files, which TensorFlow would serve natively, offered in every way there is."""
    with tempfile.TemporaryDirectory() as folder:
        for route, environ in _routes(model, Path(folder)).items():
            with serving({"DETECTOR_STARTUP_CONVERSION": "off", **environ}) as server:
                try:
                    backends = _settled(server)
                except RuntimeError:  # it ended
                    last = server.log.read_text().splitlines()[-1]
                    hold(f"engines removed, {route}: refused", "TF-TRT copy" in last, last)
                    continue
                name = "frozen" if "frozen" in route else "trt"
                state, reason = backends[name]["state"], backends[name]["reason"]
                hold(f"engines removed, {route}: refused", state == "refused", reason)
                status = server.detect(PHOTO.read_bytes(), backend=name).status_code
                hold(f"engines removed, {route}: it does not answer", status == 503, str(status))


def _routes(model: Path, folder: Path) -> dict[str, dict[str, str]]:
    """Each way's settings, by what it is."""
    bare = folder / "bare"
    shutil.copytree(places.location(model, "trt"), bare)
    for engine in (bare / "assets").glob("trt-serialized-engine.*"):
        engine.unlink()
    made: dict[str, dict[str, str]] = {}
    for route, name in (("beside the model", "1_trt"), ("called frozen", "1_frozen")):
        place = folder / name.replace("1_", "")
        shutil.copytree(model, place / "1")
        shutil.copytree(bare, place / name)
        made[route] = {"DETECTOR_MODEL": str(place)}
    made["as the model itself"] = {"DETECTOR_MODEL": str(bare)}
    return made


def _settled(server: Server) -> Any:
    server.wait_until_ready(within_s=300)
    server.wait_until(
        lambda: all(item["state"] in SETTLED for item in server.model()["backends"].values()), within_s=300
    )
    return server.model()["backends"]

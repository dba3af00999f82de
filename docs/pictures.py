"""`make pictures`: the pictures of the documents, from servers that run, as Chromium shows them.

    python -m docs.pictures [NAME …] [--folder docs/pictures]

Each picture is what a visitor sees first, without scrolling. Servers run one after the other: one with its `onnx` copy
after some traffic, one whose copy moves all boxes, one whose copy was damaged. Takes some minutes, and needs Debian's
chromium.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image
from playwright.sync_api import Browser, sync_playwright

from app.settings import bundled_model
from benchmarks.serving import Server, copied, serving
from benchmarks.traffic import traffic
from tests.support.e2e.browsing import CHROMIUM, FLAGS, Visit

ROOT = Path(__file__).resolve().parent.parent
DOG, COFFEE = ROOT / "tests" / "data" / "dog.jpg", ROOT / "converter" / "photos" / "coffee.jpg"
PHOTOS = [DOG, *sorted((ROOT / "converter" / "photos").glob("*.jpg"))]
WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}
LOOKS: dict[str, dict[str, Any]] = {
    "light": WIDE,
    "dark": {**WIDE, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}
TOKEN = "secret"  # of `benchmarks.serving.Server.admin`
NAMES = (*LOOKS, "converting", "disagreeing", "refused", "boxes")
_ANSWERS, _PAUSE_S = 60, 0.1  # of traffic before the pictures


def main() -> int:
    """Take the pictures that are named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "pictures")
    args = parser.parse_args()
    if unknown := sorted({*args.names} - {*NAMES}):
        print(f"pictures: none is called {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    wanted = args.names or NAMES
    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scene in (agreeing, disagreeing, refused):
            for name, picture in scene(browser, Path(folder), wanted):
                (args.folder / name).write_bytes(picture)
                print(f"{name}: {len(picture):,} bytes", flush=True)
        browser.close()
    return 0


def agreeing(browser: Browser, folder: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """A server as it is started by everybody, after some traffic; and while it makes another copy."""
    with _served(_model(folder), DETECTOR_COPIES="onnx", DETECTOR_STARTUP_CONVERSION="blocking") as server:
        _ask(server, "native", "onnx", "auto")
        for name in (each for each in LOOKS if each in wanted):
            yield f"{name}.webp", _seen(browser, server, LOOKS[name])
        if "boxes" in wanted:
            yield "boxes.jpg", _drawn(server)
        if "converting" in wanted:
            job = server.convert(target="frozen")
            server.wait_until(lambda: server.job(job)["progress"] > 0.1)
            yield "converting.webp", _seen(browser, server, WIDE)
            server.admin("DELETE", f"/convert/jobs/{job['id']}")


def disagreeing(browser: Browser, folder: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """A server whose copy moves every box by a twentieth of its size."""
    if "disagreeing" in wanted:
        model, made = _model(folder), folder / "altered"
        command = [sys.executable, "-m", "tests.support.models.altered", str(model / "1"), str(made)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        shutil.copytree(made / "moved", model / "1_frozen")
        with _served(model, DETECTOR_COPIES="frozen", DETECTOR_STARTUP_CONVERSION="off") as server:
            _wait_for(server, "frozen", lambda told: told["reason"].startswith("disagrees"))
            _ask(server, "native", "both")
            yield "disagreeing.webp", _seen(browser, server, WIDE)
        shutil.rmtree(model / "1_frozen")


def refused(browser: Browser, folder: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """A server whose copy is not the one that was written."""
    if "refused" in wanted:
        model = _model(folder)
        if not (model / "1_onnx").is_dir():
            command = [sys.executable, "-m", "converter", str(model / "1"), "--target", "onnx"]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        largest = max((model / "1_onnx").iterdir(), key=lambda file: file.stat().st_size)
        largest.write_bytes(largest.read_bytes() + b"\n")
        with _served(model, DETECTOR_COPIES="onnx", DETECTOR_STARTUP_CONVERSION="off") as server:
            _wait_for(server, "onnx", lambda told: told["state"] == "refused")
            yield "refused.webp", _seen(browser, server, WIDE)


def _model(folder: Path) -> Path:
    """A copy of the bundled model that all scenes share."""
    model = folder / "yolox_nano"
    return model if model.is_dir() else copied(bundled_model(), model)


@contextmanager
def _served(model: Path, **environ: str) -> Iterator[Server]:
    usual = {"DETECTOR_MODEL": str(model), "DETECTOR_SHADOW_SHARE": "0.3", "DETECTOR_ADMIN_TOKEN": TOKEN}
    with serving({**usual, **environ}) as server:
        server.wait_until_ready(within_s=400)
        yield server


def _wait_for(server: Server, backend: str, holds: Callable[[Mapping[str, Any]], bool]) -> None:
    server.wait_until(lambda: holds(server.model()["backends"][backend]), within_s=240)


def _ask(server: Server, *backends: str) -> None:
    photos = [path.read_bytes() for path in PHOTOS]
    for backend in backends:
        with traffic(server.url, photos, connections=1, pause_s=_PAUSE_S, backend=backend) as running:
            running.wait_for(_ANSWERS)


def _seen(browser: Browser, server: Server, look: Mapping[str, Any]) -> bytes:
    """What is above the fold once the dog has been answered, small enough for a repository."""
    page = browser.new_page(**look)
    visit = Visit(page, server.url).open()
    if page.get_by_label("Admin token").count():
        page.get_by_label("Admin token").first.fill(TOKEN)
        page.get_by_label("Admin token").first.blur()
    visit.drop(DOG.read_bytes(), "dog.jpg")
    page.wait_for_timeout(1000)  # the page asks again for what it shows
    page.evaluate("scrollTo(0, 0)")
    shot = io.BytesIO(page.screenshot())
    page.close()
    out = io.BytesIO()
    with PIL.Image.open(shot) as picture:
        picture.convert("RGB").save(out, "WEBP", quality=78, method=6)
    return out.getvalue()


def _drawn(server: Server) -> bytes:
    """The answer to the README's request for a picture with boxes."""
    with server.client as client:
        answer = client.post("/detect", content=COFFEE.read_bytes(), headers={"Accept": "image/jpeg"})
    return answer.raise_for_status().content


if __name__ == "__main__":
    sys.exit(main())

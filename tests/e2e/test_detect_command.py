"""`python -m app detect`: files, folders and patterns; a server that runs, or one of its own."""

import json
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

from app.commands.detect import NoPictures, find
from app.settings import bundled_model
from benchmarks.serving import Server, clean_environ, copied, free_port
from tests.support.app.telling import telling
from tests.support.places import DOG, ROOT


def detect(*arguments: object, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app", "detect", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=clean_environ(environ))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos and a broken one, in folders of their own."""
    for name, data in (("a/dog.JPG", DOG.read_bytes()), ("b/dog.jpg", DOG.read_bytes()), ("c.jpeg", b"\xff\xd8\xff")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_files_folders_and_patterns_name_pictures(folder: Path) -> None:
    names = [str(path.relative_to(folder)) for path in find([str(folder), str(folder / "**" / "*.jpg")])]
    assert names == ["a/dog.JPG", "b/dog.jpg", "c.jpeg"]
    assert find([str(folder / "notes.txt")]) == [folder / "notes.txt"], "a file that is named is asked for"
    with pytest.raises(NoPictures, match=r"there is no JPEG file at nowhere/\*\.jpg"):
        find(["nowhere/*.jpg"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing.jpg",), "detect: there is no JPEG file at nothing.jpg"),
        ((DOG, "--in-flight", "0"), "it is a number from 1 to 64, not '0'"),
        ((DOG, "--url", f"http://127.0.0.1:{free_port()}"), "does not answer"),
    ],
)
def test_what_can_not_be_asked_is_told_and_ends_with_2(arguments: tuple[object, ...], sentence: str) -> None:
    done = detect(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


@pytest.mark.tensorflow
def test_a_table_of_what_a_server_finds(server: Server, folder: Path) -> None:
    done = detect(folder, "--url", server.url, "--threshold", "0.5", "--in-flight", "2")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert done.returncode == 1, "one has no answer"
    assert [line[-1] for line in lines[:2]] == ["dog 0.85, bicycle 0.81, car 0.79"] * 2
    assert lines[0][1].startswith("native ")
    assert "the JPEG file's header can't be read" in lines[2][1]
    assert done.stderr == ""


@pytest.mark.tensorflow
def test_both_as_json_with_pictures_drawn(server: Server, folder: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    done = detect(folder / "a", folder / "b", "--url", server.url, "--backend", "both", "--json", "--draw", drawn)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [Path(answer["file"]).parent.name for answer in answers] == ["a", "b"]
    assert all(answer["comparison"]["agree"] and "annotated" not in answer for answer in answers)
    names = sorted(path.name for path in drawn.iterdir())
    assert names == ["dog-2.jpg", "dog.copy-2.jpg", "dog.copy.jpg", "dog.jpg"]
    with PIL.Image.open(drawn / "dog.jpg") as picture:
        assert picture.size == (768, 576)


@pytest.mark.tensorflow
def test_without_a_server_it_serves_the_model_itself_and_leaves_nothing(tmp_path: Path) -> None:
    model = copied(bundled_model(), tmp_path / "yolox_nano")
    grpc = "192.0.2.1:1"  # of a server that is meant, where no other can listen
    settings = {"DETECTOR_MODEL": str(model), "DETECTOR_GRPC_BIND": grpc}
    token = str(ROOT / "tests" / "data" / "token.txt")
    done = detect(DOG, "--classes", "dog", DETECTOR_TOKEN_FILE=token, **settings)
    assert (done.returncode, done.stdout.split("\t")[-1]) == (0, "dog 0.85\n")
    refused = detect(DOG, DETECTOR_MODEL=str(tmp_path / "nothing"))
    assert refused.returncode == 2
    assert "there is no model" in refused.stderr


def test_a_full_queue_is_asked_again_when_it_says() -> None:
    busy = 429, json.dumps({"error": "busy", "code": "overloaded"})
    found = {"backend": "native", "timing_ms": {"infer": 1}, "detections": [{"label": "tram", "score": 0.9}]}
    with telling(busy, busy, (200, json.dumps(found))) as url:
        done = detect(DOG, "--url", url)
    assert (done.returncode, done.stdout.split("\t")[-1]) == (0, "tram 0.90\n")

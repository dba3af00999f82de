"""From a verdict that is left open to one by live traffic, an admin's choices, and back when the copy goes bad."""

import base64
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from app.settings import bundled_model
from benchmarks.traffic import traffic
from tests.support.agreeing import same_everywhere
from tests.support.altering import LIMITS, adds_up_to, detections, put
from tests.support.e2e.living import Living, living

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, altered: Path, photos: dict[str, bytes]) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("live"), altered / "slower", photos) as running:
        yield running


def decided_by_traffic(live: Living) -> None:
    told = live.until("standby")
    assert told["reason"].startswith("undecided: neither found a box, only 0 rows, 30 are needed")
    assert same_everywhere(live.server)["active"] == "native"
    with traffic(live.server.url, live.more, connections=1) as sent:
        assert live.put(shadow_share=1)["shadow_share"] == 1
        told = live.until("active")
    assert sent.errors == []
    assert set(sent.statuses) == {200}
    verdict = told["verdict"]
    assert verdict["verdict"] == "passed"
    assert {(each["rows"] >= 30, each["rows_apart"]) for each in verdict["agreement"].values()} == {(True, 0)}
    assert max(ratio["low"] for ratio in verdict["native_over_copy"].values()) > 1.02
    assert live.server.metric("detector_compare_pairs_total", copy="frozen", result="disagree") == 0


def moved_by_an_admin_without_a_failed_request(live: Living) -> None:
    live.put(shadow_share=0)
    with traffic(live.server.url, live.more, connections=8) as sent:
        for chosen, active in (("native", "native"), ("frozen", "frozen"), ("native", "native"), ("auto", "frozen")):
            told = live.put(backend=chosen)
            assert (told["backend"], told["active"]) == (chosen, active)
            assert same_everywhere(live.server)["active"] == active
            sent.wait_for(12)
    assert sent.errors == []
    assert set(sent.statuses) == {200}
    assert {response.headers["X-Backend"] for _, response in sent.answers} == {"native", "frozen"}


def judged_again_when_its_files_were_swapped(live: Living, bad: Path) -> None:
    live.put(shadow_share=1)
    with traffic(live.server.url, live.more, connections=1) as sent:
        live.server.wait_until(lambda: live.window()["pairs"] >= 20)  # good ones
        put(bad, live.place)
        os.kill(live.server.worker_pid("frozen"), signal.SIGKILL)
        live.server.wait_until(lambda: live.server.model()["active"] == "native", within_s=10)
        same_everywhere(live.server)
        answer = live.server.detect(live.photos[0], backend="both")
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("there is no copy to compare native with: frozen is ")
        live.server.wait_until(lambda: word(live) == "disagrees")
        sent.wait_for(2)
    assert sent.errors == []
    assert set(sent.statuses) == {200}, "what was in the worker that was killed is answered by native"
    model = same_everywhere(live.server)
    told = model["backends"]["frozen"]
    assert (model["active"], told["state"], told["rolled_back"]) == ("native", "standby", None)
    assert live.server.metric("detector_rollbacks_total") == 0, "it never got native's place with these files"


def back_when_the_good_ones_are_there_again(live: Living) -> None:
    put(bundled_model() / "1", live.place)
    assert live.server.admin("POST", "/admin/reload", json={"backend": "frozen"}).status_code == 200
    assert (live.told()["state"], word(live)) == ("standby", "undecided")
    with traffic(live.server.url, live.more, connections=1) as sent:
        live.until("active")
    assert set(sent.statuses) == {200}
    live.put(shadow_share=0)


def word(live: Living) -> str | None:
    """The verdict on the copy that is loaded; None while there is none."""
    verdict = live.server.model()["backends"]["frozen"]["verdict"]
    return verdict and str(verdict["verdict"])


def test_a_copys_life(live: Living, altered: Path) -> None:
    decided_by_traffic(live)
    moved_by_an_admin_without_a_failed_request(live)
    judged_again_when_its_files_were_swapped(live, altered / "surer")
    back_when_the_good_ones_are_there_again(live)


@pytest.mark.parametrize("form", ["raw", "several files", "JSON"])
def test_both_answer_in_every_form(live: Living, form: str) -> None:
    """Each as if asked alone, and the difference is the one between these answers."""
    live.until("standby", "active")
    parts = both(live, form)
    for photo, part in zip(live.photos, parts, strict=False):
        alone = {name: live.server.detect(photo, backend=name).json() for name in ("native", "frozen")}
        for name, told in (("native", part), ("frozen", part["copy"])):
            assert told["backend"] == name
            assert [each["label"] for each in told["detections"]] == [
                each["label"] for each in alone[name]["detections"]
            ]
            for ours, theirs in zip(told["detections"], alone[name]["detections"], strict=True):
                assert ours["score"] == pytest.approx(theirs["score"], abs=1e-3)
                assert ours["box"] == pytest.approx(theirs["box"], abs=0.5)
        difference = adds_up_to([detections(alone["native"])], [detections(alone["frozen"])])
        told = part["comparison"]
        assert (told["copy"], told["matched"]) == ("frozen", difference.matched)
        assert (told["missing"], told["extra"], told["class_flips"]) == (difference.missing, difference.extra, 0)
        assert told["largest_score_diff"] == pytest.approx(difference.largest_score_diff, abs=1e-3)
        assert told["agree"] == (difference.single(LIMITS).word == "agrees")
        assert min(told["native_ms"], told["copy_ms"]) > 0


def both(live: Living, form: str) -> list[dict[str, Any]]:
    """The parts of an answer that has one for each photo, or for the first."""
    texts = [base64.b64encode(photo).decode() for photo in live.photos]
    with live.server.client as client:
        if form == "raw":
            return [client.post("/detect", content=live.photos[0], params={"backend": "both"}).json()]
        if form == "JSON":
            answer = client.post("/detect", json={"images": texts, "backend": "both"})
        else:
            files = [("images", (f"{number}.jpg", photo)) for number, photo in enumerate(live.photos)]
            answer = client.post("/detect", files=files, data={"backend": "both"})
    parts: list[dict[str, Any]] = answer.json()["results"]
    assert len(parts) == 2
    return parts


def test_both_are_drawn_but_not_as_one_picture(live: Living) -> None:
    live.until("standby", "active")
    answer = live.server.detect(live.photos[0], backend="both", annotate=True).json()
    for told in (answer, answer["copy"]):
        drawn = base64.b64decode(told["annotated"].removeprefix("data:image/jpeg;base64,"))
        with PIL.Image.open(io.BytesIO(drawn)) as picture:
            assert picture.size == (answer["image"]["width"], answer["image"]["height"])
    with live.server.client as client:
        refused = client.post("/detect?backend=both", content=live.photos[0], headers={"Accept": "image/jpeg"})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_parameter")
    assert refused.json()["error"] == "Accept: image/jpeg shows the boxes of one backend, not of both"

"""The page as a person sees it, in Debian's chromium: pictures, boxes, histograms."""

import io
from collections.abc import Iterator
from typing import Any

import PIL.Image
import pytest
from playwright.sync_api import Browser, Route, expect

from benchmarks.serving import Server
from tests.support.e2e.browsing import Visit, browser, changing, visiting

__all__ = ["browser"]  # a fixture

pytestmark = [pytest.mark.system, pytest.mark.tensorflow]

COLOURS = {"native": (0x8F, 0xB4, 0xFF), "copy": (0x4F, 0xE0, 0xC4)}  # of the first two backends, on a picture


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with visiting(browser, server.url) as opened:
        yield opened


def test_a_dropped_photo_shows_both_sets_of_boxes_at_the_right_pixels(
    visit: Visit, server: Server, photos: dict[str, bytes]
) -> None:
    visit.drop(photos["dog"])
    answer = server.detect(photos["dog"], backend="both").json()
    assert visit.said.startswith("Both found the same: ")
    screen = screenshot(visit)
    for figure, (who, found) in enumerate((("native", answer), ("copy", answer["copy"]))):
        drawn = visit.boxes(figure)
        assert len(drawn) == found["count"] > 2
        for detection in found["detections"]:
            seen = next(each for each in drawn if each["label"].startswith(label_of(detection)))
            scale = [shown / real for shown, real in zip(seen["shown"], answer["image"].values(), strict=False)]
            box = detection["box"]
            wanted = (
                box["xmin"] * scale[0],
                box["ymin"] * scale[1],
                (box["xmax"] - box["xmin"]) * scale[0],
                (box["ymax"] - box["ymin"]) * scale[1],
            )
            assert (seen["x"], seen["y"], seen["width"], seen["height"]) == pytest.approx(wanted, abs=0.6)
        assert painted(visit, screen, figure, drawn[0]) > 0.9, f"{who}'s largest box is in its colour"


def label_of(detection: dict[str, Any]) -> str:
    return f"{detection['label']} {detection['score']:.3f}"


def screenshot(visit: Visit) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(visit.page.screenshot(full_page=True))).convert("RGB")


def painted(visit: Visit, screen: PIL.Image.Image, figure: int, box: dict[str, Any]) -> float:
    """Which share of the box' left edge has its backend's colour."""
    frame = visit.page.locator("#answer .stage").nth(figure).bounding_box()
    assert frame
    x = round(frame["x"] + box["x"])
    rows = range(round(frame["y"] + box["y"] + 25), round(frame["y"] + box["y"] + box["height"] - 5))
    colour = list(COLOURS.values())[figure]
    near = [min(distance(screen, (x + off, y), colour) for off in (-1, 0, 1)) < 60 for y in rows]
    return sum(near) / len(near)


def distance(screen: PIL.Image.Image, at: tuple[int, int], colour: tuple[int, ...]) -> int:
    pixel = screen.getpixel(at)
    assert isinstance(pixel, tuple)
    return max(abs(a - b) for a, b in zip(pixel, colour, strict=True))


def test_a_sample_and_a_pasted_picture_are_answered(visit: Visit, photos: dict[str, bytes]) -> None:
    visit.page.get_by_role("button", name="Sample coffee").click()
    visit.wait_for_answer()
    assert "cup" in visit.page.locator("#answer table").inner_text()
    pasted = io.BytesIO()
    PIL.Image.open(io.BytesIO(photos["dog"])).save(pasted, "PNG")
    visit.paste(pasted.getvalue(), "image/png")
    expect(visit.page.locator("#answer table")).to_contain_text("dog")
    assert visit.said.endswith("so your browser has converted this picture to one.")
    expect(visit.page.locator("#samples [aria-pressed=true]")).to_have_count(0)


def test_a_sample_that_can_not_be_loaded_is_told_and_asked_for_again(visit: Visit) -> None:
    page = visit.page
    page.context.set_offline(True)
    page.get_by_role("button", name="Sample coffee").click()
    expect(page.locator("#said")).to_have_text("The server does not answer. Is it running?")
    expect(page.locator("#answer table")).to_have_count(0)
    page.context.set_offline(False)
    expect(page.locator("#answer table")).to_contain_text("cup")


def test_a_visitor_who_is_quicker_than_the_samples_keeps_the_picture(
    browser: Browser, server: Server, photos: dict[str, bytes]
) -> None:
    page = browser.new_page()
    held: list[Route] = []
    page.route("**/samples", lambda route: held.append(route))
    visit = Visit(page, server.url).open(answered=False)
    visit.drop(photos["dog"])
    held[0].continue_()
    expect(page.locator("#samples button").first).to_be_visible()
    expect(page.locator("#samples [aria-pressed=true]")).to_have_count(0)
    expect(page.locator("#answer table")).to_contain_text("dog")
    assert visit.complaints == []
    page.close()


def test_a_picture_without_an_answer_is_told_in_words(visit: Visit, server: Server, photos: dict[str, bytes]) -> None:
    dog = photos["dog"]
    broken, large = dog[:4000], declared(dog, width=60_000, height=60_000)
    for data, name, words in (
        (broken, "cut.jpg", "cut.jpg is damaged, or only a part of it was saved."),
        (large, "sky.jpg", "sky.jpg is too large for this server. Make it smaller"),
        (b"no picture at all", "notes.txt", "notes.txt is not a picture that can be read here. Choose a JPEG, a PNG"),
        (b"", "nothing.jpg", "nothing.jpg is empty."),
    ):
        visit.drop(data, name)
        assert visit.said.startswith(words)
        sentence = server.detect(data, backend="both").json()["error"]
        assert f"The server says: {sentence[0].upper()}{sentence[1:]}" in visit.said
    expect(visit.page.locator("#answer figure")).to_have_count(0)


def declared(jpeg: bytes, *, width: int, height: int) -> bytes:
    """The same file, whose frame declares other sides."""
    at = next(jpeg.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in jpeg) + 5
    return jpeg[:at] + height.to_bytes(2) + width.to_bytes(2) + jpeg[at + 4 :]


def test_the_histograms_and_percentiles_follow_the_traffic(
    visit: Visit, server: Server, photos: dict[str, bytes]
) -> None:
    counts = server.get("/compare").json()["infer_histogram"]["counts"]
    before = {name: sum(counts[name]["serving"]) for name in ("native", "frozen")}
    for _ in range(10):  # of native enough for percentiles
        assert server.detect(photos["dog"], backend="native").status_code == 200
        assert server.detect(photos["dog"], backend="both").status_code == 200
    wanted = {"native": before["native"] + 20, "frozen": before["frozen"] + 10}
    for name, count in wanted.items():
        expect(visit.page.locator(f'.line[data-backend="{name}"][data-count="{count}"]')).to_be_visible(timeout=10_000)
    facts = server.get("/compare").json()["infer_ms"]["native"]["serving"]
    told = visit.page.locator('.line[data-backend="native"] .times').inner_text()
    assert f"{facts['p50']:.1f}" in told or f"{facts['p50']:.2f}" in told or f"{facts['p50']:.0f} ms" in told


def test_differences_are_marked(visit: Visit, photos: dict[str, bytes]) -> None:
    def change(body: dict[str, Any]) -> None:
        first, second, third, *rest = body["copy"]["detections"]
        first["box"] = {**first["box"], "xmin": first["box"]["xmin"] + 30}  # the dog moved
        second["score"] -= 0.2  # the bicycle's
        third["label"], third["class_id"] = "boat", 9  # the car
        lost = {"class_id": 1, "label": "person", "score": 0.9, "box": {"xmin": 5, "ymin": 5, "xmax": 60, "ymax": 90}}
        body["copy"]["detections"] = [lost, first, second, third, *rest]
        body["detections"].append(
            {**lost, "label": "kite", "class_id": 33, "box": {"xmin": 700, "ymin": 500, "xmax": 760, "ymax": 570}}
        )
        kites = {"kind": "missing", "native": len(body["detections"]) - 1, "copy": None}
        persons = {"kind": "extra", "native": None, "copy": 0}
        pairs = [
            {"kind": "matched", "native": 0, "copy": 1, "iou": 0.87, "score_diff": 0.0},
            {"kind": "matched", "native": 1, "copy": 2, "iou": 1.0, "score_diff": 0.2},
            {"kind": "class_flip", "native": 2, "copy": 3, "iou": 1.0, "score_diff": 0.0},
            *({**each, "iou": None, "score_diff": None} for each in (kites, persons)),
        ]
        body["comparison"] |= {"agree": False, "missing": 1, "extra": 1, "class_flips": 1, "pairs": pairs}

    visit.page.route("**/detect?**", changing(change))
    visit.drop(photos["dog"])
    assert visit.said.startswith("They disagree: ")
    told = visit.page.locator("#answer table").inner_text()
    cues = ["moved: overlap 0.87", "score differs by 0.2", "called boat by the copy", "missing: native’s alone"]
    for words in [*cues, "extra: "]:
        assert words in told
    kinds = [{each["kind"] for each in visit.boxes(figure)} for figure in (0, 1)]
    assert kinds[0] >= {"moved", "score", "flip", "missing"}
    assert kinds[1] >= {"moved", "score", "flip", "extra"}
    visit.page.get_by_role("radio", name="Overlaid").check()
    expect(visit.page.locator("#answer figure")).to_have_count(1)
    expect(visit.page.locator("#answer .box").first).to_be_attached()  # they are drawn once the picture is there
    assert {"missing", "extra"} <= {each["kind"] for each in visit.boxes(0)}


def test_boxes_in_no_pair_are_too_low_to_count(visit: Visit, photos: dict[str, bytes]) -> None:
    def change(body: dict[str, Any]) -> None:
        first, second, *_ = body["comparison"]["pairs"]
        body["comparison"]["pairs"] = [first, {**second, "copy": None}]  # as if it were below the threshold

    visit.page.route("**/detect?**", changing(change))
    visit.drop(photos["dog"])
    kinds = [[each["kind"] for each in visit.boxes(figure)] for figure in (0, 1)]
    assert [found.count("same") for found in kinds] == [2, 1]
    assert [set(found) for found in kinds] == [{"same", "near"}] * 2
    expect(visit.page.locator("#answer tr[data-kind=near] .why").first).to_have_text("too near the threshold")


def test_a_copy_is_asked_by_name_and_with_the_score_that_the_gate_judges_by(
    visit: Visit, server: Server, photos: dict[str, bytes]
) -> None:
    lowest = server.get("/compare").json()["rules"]["threshold"]
    assert float(visit.page.locator("#threshold").input_value()) == lowest
    expect(visit.page.locator("#threshold-now")).to_have_text(f"{lowest:.2f}")
    visit.page.get_by_label("Compare native with").select_option("frozen")
    visit.drop(photos["dog"])
    assert visit.said.startswith("Both found the same: ")
    *_, asked = [each.url for each in visit.requests if "/detect?" in each.url]
    assert f"threshold={lowest:g}&" in asked
    assert asked.endswith("compare_with=frozen&backend=both")


def test_requests_that_disagreed_are_listed(visit: Visit) -> None:
    def change(body: dict[str, Any]) -> None:
        numbers = {"matched": 3, "missing": 2, "extra": 0, "class_flips": 0, "mean_iou": 0.91}
        seen = {"request_id": "r-17", "at": 1.7e9, "agree": False, **numbers, "largest_score_diff": 0.2}
        body["copies"]["frozen"]["window"]["worst"] = [{**seen, "reason": "60 % matched"}]

    visit.page.route("**/compare", changing(change))
    row = visit.page.locator("#worst tbody tr")
    row.wait_for(timeout=10_000)
    assert [part for part in ("frozen", "0.910", "0.200", "60 % matched", "r-17") if part not in row.inner_text()] == []


def test_states_and_reasons_are_those_of_the_model(visit: Visit, server: Server) -> None:
    for name, backend in server.model()["backends"].items():
        visit.page.locator(f"#backend-{name} summary").click()
        told = visit.page.locator(f"#backend-{name}").inner_text()
        assert backend["state"] in told
        assert backend["reason"].lower() in told.lower()


def test_the_counts_agree(visit: Visit, server: Server, photos: dict[str, bytes]) -> None:
    visit.drop(photos["dog"])
    answer = server.detect(photos["dog"], backend="both").json()
    compared = len(answer["comparison"]["pairs"])
    assert compared == answer["count"] - 1, "a cat that is no cat has a score of 0.295"
    assert f"{answer['count']} found, {compared} compared: one is too near the threshold." in visit.said
    expect(visit.page.locator("#answer tr[data-kind=same]")).to_have_count(compared)

"""The evaluation's page in a real browser."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from toon_core.metrics.metric import HIGHER, LOWER, TRUTH, Metric
from train.eval.output import write_page
from train.eval.tables import Curve, Table


def metric(key, title, better, digits=1, meaning="-", model=None):
    return Metric(
        key=key,
        title=title,
        better=better,
        digits=digits,
        meaning=meaning,
        model=model,
        compute=float,
    )


METRICS = [
    metric("psnr", "PSNR", HIGHER, meaning="pixel error."),
    metric("motion", "motion ratio", TRUTH, digits=2, meaning="movement."),
    metric("fvd", "FVD", LOWER, model="I3D"),
    metric("clip_txt", "CLIP_txt", HIGHER, digits=2, model="no model"),
]
# "nano" is best in motion, "fade" in PSNR; "one" is nano's best clip and "two" its worst.
CLIPS = {
    "nano": {"one": {"psnr": 30.0, "motion": 0.9}, "two": {"psnr": 10.0, "motion": 1.0}},
    "fade": {"one": {"psnr": 28.0, "motion": 0.3}, "two": {"psnr": 32.0, "motion": 0.2}},
}
FEW = {"mean": None, "lo": None, "hi": None, "n": 2, "model": "I3D; too few clips: 2 of 401 needed"}
SHORT = FEW | {"n": 0, "model": "I3D; too few frames in every clip"}
NONE = {"mean": None, "lo": None, "hi": None, "n": 0, "model": "no model"}


NAMES = ["one", "two", *(f"z{i}" for i in range(40))]  # more than the screen has room for


def entry(mean):
    return {"mean": mean, "lo": mean - 0.1, "hi": mean + 0.1, "n": 3, "model": None}


def level(value):
    """Eight frames that get brighter from `value` on."""
    return torch.linspace(value, value + 0.2, 8).view(8, 1, 1, 1).expand(8, 3, 24, 32)


@pytest.fixture(scope="module")
def page(chrome, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    absent = {"fvd": FEW, "clip_txt": NONE}
    summary = {
        "nano": {"psnr": entry(20.0), "motion": entry(0.95), **absent},
        "fade": {"psnr": entry(30.0), "motion": entry(0.25) | {"n": 2}, **absent, "fvd": SHORT},
    }
    table = Table(
        title="All metrics", metrics=METRICS, summary=summary, clips=3, truth={"motion": 1.0}
    )
    leaving = replace(table, title="1 of these clips: something leaves", truth={"motion": 0.0})
    coded = {"nano": {"psnr": entry(33.0)}}
    rows = {"truth": level(0.0), "nano": level(0.4), "fade": level(0.7)}
    curve = Curve(
        title="PSNR over the frames",
        metric=METRICS[0],
        systems={"nano": [30.0, 20.0, 30.0], "fade": [31.0, 25.0, 31.0]},
    )
    four = Table(title="Table 4", note="Coded.", metrics=METRICS[:1], summary=coded, clips=3)
    clip = SimpleNamespace(prompt="a cat", fps=None, frames=8, size=(24, 32))
    report = SimpleNamespace(
        testset="<!--<script> </script> clips",
        caption=lambda: "Two clips.",
        ranked=NAMES,
        clips=dict.fromkeys(NAMES, clip) | {"one": SimpleNamespace(**vars(clip) | {"fps": 24})},
        table=table,
        paper={"table_4": four},
        groups={"leaves": leaving},
        curves={"frame_index": [curve]},
        values=CLIPS,
        rows=lambda name: rows,
    )
    write_page(file, report)
    tab = chrome.new_page()
    tab.faults, tab.asked = [], []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.goto(file.as_uri())
    yield tab
    assert tab.faults == []
    assert [url for url in tab.asked if not url.startswith(("file:", "data:"))] == []


def rows_of(page):
    return [row.split("\t")[0] for row in page.locator("#table tbody tr").all_inner_texts()]


def test_the_table_marks_the_best_and_sorts(page):
    assert page.title() == "42 clips of <!--<script> </script> clips"
    assert page.locator("#table .best").all_inner_texts() == ["0.95", "30.0"]
    assert "no model" in page.locator("#table").inner_text()
    assert rows_of(page) == ["nano", "fade"]
    page.locator("#table").get_by_role("button", name="PSNR").click()
    assert rows_of(page) == ["fade", "nano"]
    page.locator("#table").get_by_role("button", name="motion ratio").click()
    assert rows_of(page) == ["nano", "fade"]
    assert page.locator("#paper h3").all_inner_texts() == ["Table 4"]
    cells = page.locator("#paper tbody td").all_inner_texts()
    assert cells == ["nano", "33.0 [32.9, 33.1]"]


def test_a_group_is_marked_by_its_own_truth(page):
    assert page.locator("#groups h3").all_inner_texts() == ["1 of these clips: something leaves"]
    assert page.locator("#groups .best").all_inner_texts() == ["30.0", "0.25"]
    assert "0.00" in page.locator("#groups tfoot").inner_text()


def test_counts_and_missing_values_are_explained(page):
    cells = page.locator("#table tbody tr").first.locator("td")
    assert cells.nth(3).inner_text() == "too few clips: 2 of 401 needed"
    assert cells.nth(4).inner_text() == "no model"
    assert "too few frames in every clip" in page.locator("#table").inner_text()
    assert cells.nth(1).get_attribute("title") == "n = 3"
    assert "(n 2 to 3)" in page.locator("#table th").nth(2).inner_text()


def test_plots_show_every_measured_metric_and_the_curve(page):
    names = [svg.get_attribute("aria-label") for svg in page.locator("#plots svg").all()]
    assert names == ["PSNR over the frames", "PSNR", "motion ratio"]
    assert page.locator("#plots polyline").count() == 2


def test_keys_are_dots_apart_from_the_line_of_the_inner_frames(page):
    plot = page.locator("#plots svg").first
    assert plot.locator("circle.key").count() == 4, "two of each system"
    points = plot.locator("polyline").first.get_attribute("points").split()
    assert len(points) == 1, "of three frames one is no key"
    told = plot.locator("text").all_text_contents()
    assert told.count("key") == 2 and "30.0" in told, "a key off the scale says its value"


def test_clips_are_sorted_by_best_and_worst(page):
    def order():
        return [text.split(" ")[0] for text in page.locator("#clips h3").all_inner_texts()][:2]

    page.locator("#metric").select_option("psnr")
    page.locator("#system").select_option("nano")
    assert order() == ["one", "two"]
    page.locator("#order").select_option("worst")
    assert order()[1] != "one"
    page.locator("#system").select_option("fade")
    page.locator("#order").select_option("best")
    assert order() == ["two", "one"]


def test_only_clips_near_the_screen_hold_pictures(page):
    page.locator("#pause").scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('#clips canvas')")
    assert 3 <= page.locator("#clips canvas").count() < 3 * len(NAMES)
    page.locator("#clips article").last.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('#clips article:last-child canvas')")
    assert page.locator("#clips article").first.locator("canvas").count() == 0
    page.locator("#pause").scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('#clips article canvas')")


BRIGHT = """n => {
  const canvas = document.querySelectorAll("#clips article:first-child canvas")[n]
  return canvas ? canvas.getContext("2d").getImageData(9, 9, 1, 1).data[0] : 0
}"""


def test_clips_play_together(page):
    page.wait_for_function(f"() => ({BRIGHT})(2) > 0")
    page.locator("#frame").fill("7")
    bright = [page.evaluate(BRIGHT, n) for n in range(3)]
    page.locator("#frame").fill("0")
    dark = [page.evaluate(BRIGHT, n) for n in range(3)]
    assert all(40 <= b - d <= 60 for b, d in zip(bright, dark, strict=True))
    assert dark[0] < dark[1] < dark[2]
    page.locator("#pause").click()
    page.wait_for_function("() => Number(document.getElementById('frame').value) > 1")


def test_a_clip_plays_at_its_own_speed(page):
    """Frame 6 of 8: "one" has 24 frames a second, "two" does not say and gets 8."""
    turn = page.evaluate(
        """() => {
          playing = true
          const at = (name, seconds) => { clock = seconds; return numberOf(facts.media[name]) }
          return [at("one", 0.26), at("two", 0.26), at("one", 0.5), at("two", 0.8)]
        }"""
    )
    assert turn == [6, 2, 7, 6]
    page.locator("#speed").select_option("0.25")
    page.evaluate("clock = 0")
    page.wait_for_timeout(400)
    assert page.evaluate("clock") < 0.25

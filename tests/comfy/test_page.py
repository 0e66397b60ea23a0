"""The evaluation's page in a real browser."""

import pytest
import torch

from train.eval.columns import HIGHER, TRUTH, Metric
from train.eval.page import Page, write_page

METRICS = [
    Metric(key="psnr", title="PSNR", better=HIGHER, digits=1, meaning="pixel error."),
    Metric(key="motion", title="motion ratio", better=TRUTH, digits=2, meaning="movement."),
    Metric(
        key="clip_txt", title="CLIP_txt", better=HIGHER, digits=2, meaning="-", model="no model"
    ),
]
# "nano" is best in motion, "fade" in PSNR; "one" is nano's best clip and "two" its worst.
CLIPS = {
    "nano": {"one": {"psnr": 30.0, "motion": 0.9}, "two": {"psnr": 10.0, "motion": 1.0}},
    "fade": {"one": {"psnr": 28.0, "motion": 0.3}, "two": {"psnr": 32.0, "motion": 0.2}},
}
NONE = {"mean": None, "lo": None, "hi": None, "n": 0, "model": "no model"}


def entry(mean):
    return {"mean": mean, "lo": mean - 0.1, "hi": mean + 0.1, "n": 2, "model": None}


def level(value):
    """Eight frames that get brighter from `value` on."""
    return torch.linspace(value, value + 0.2, 8).view(8, 1, 1, 1).expand(8, 3, 24, 32)


@pytest.fixture(scope="module")
def page(chrome, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    summary = {
        "nano": {"psnr": entry(20.0), "motion": entry(0.95), "clip_txt": NONE},
        "fade": {"psnr": entry(30.0), "motion": entry(0.25), "clip_txt": NONE},
    }
    content = Page(
        title="Report of </script> clips",
        notes=["Two clips."],
        columns=METRICS,
        truth={"motion": 1.0},
        summary=summary,
        clips=CLIPS,
        prompts={"one": "a cat"},
        curves={"nano": [30.0, 20.0, 30.0], "fade": [31.0, 25.0, 31.0]},
        curve_title="PSNR over the frames",
        groups={"entering or leaving": (1, summary)},
    )
    rows = {"truth": level(0.0), "nano": level(0.4), "fade": level(0.7)}
    write_page(file, content, {"one": rows, "two": rows})
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
    assert page.title() == "Report of </script> clips"
    assert page.locator("#table .best").all_inner_texts() == ["0.95", "30.0"]
    assert "no model" in page.locator("#table").inner_text()
    assert rows_of(page) == ["nano", "fade"]
    page.get_by_role("button", name="PSNR").first.click()
    assert rows_of(page) == ["fade", "nano"]
    page.get_by_role("button", name="motion ratio").first.click()
    assert rows_of(page) == ["nano", "fade"]
    assert page.locator("#groups table").count() == 1


def test_plots_show_every_measured_metric_and_the_curve(page):
    names = [svg.get_attribute("aria-label") for svg in page.locator("#plots svg").all()]
    assert names == ["PSNR over the frames", "PSNR", "motion ratio"]
    assert page.locator("#plots polyline").count() == 2


def test_clips_are_sorted_by_best_and_worst(page):
    def order():
        return [text.split(" ")[0] for text in page.locator("#clips h3").all_inner_texts()]

    page.locator("#metric").select_option("psnr")
    page.locator("#system").select_option("nano")
    assert order() == ["one", "two"]
    page.locator("#order").select_option("worst")
    assert order() == ["two", "one"]
    page.locator("#system").select_option("fade")
    assert order() == ["one", "two"]


def test_clips_play_together(page):
    value = "n => document.querySelectorAll('#clips canvas')[n].getContext('2d')"
    value = f"n => ({value})(n).getImageData(9, 9, 1, 1).data[0]"
    page.locator("#frame").fill("7")
    bright = [page.evaluate(value, n) for n in range(3)]
    page.locator("#frame").fill("0")
    dark = [page.evaluate(value, n) for n in range(3)]
    assert all(40 <= b - d <= 60 for b, d in zip(bright, dark, strict=True))
    assert dark[0] < dark[1] < dark[2]
    page.locator("#pause").click()
    page.wait_for_function("() => Number(document.getElementById('frame').value) > 1")

"""The user study's page in a real browser, from its files alone, and Table 2 from its answers."""

import json
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from train import study
from train.eval import study as studies
from train.eval.testset import write_frames

ONE_PIXEL = "i => document.querySelectorAll('#choices canvas')[i].getContext('2d')"
RED = f"i => ({ONE_PIXEL})(i).getImageData(2, 2, 1, 1).data[0]"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Three clips of four frames; the red of a frame tells its system and number."""
    folder = tmp_path_factory.mktemp("study")
    for clip in range(3):
        for system, base in (("truth", 0), ("good", 40), ("bad", 80)):
            levels = torch.tensor([base + 10 * i + clip for i in range(4)])
            frames = (levels.view(4, 1, 1, 1) / 255).expand(4, 3, 16, 24)
            write_frames(frames, folder / system / f"clip{clip}")
        (folder / "truth" / f"clip{clip}" / "prompt.txt").write_text("a <!--<script> cat")
    good, bad = folder / "good", folder / "bad"
    options = f"--testset {folder / 'truth'} --system {good} --system {bad} --size 16 --out"
    study.main([*options.split(), str(folder / "out")])
    return folder / "out"


@pytest.fixture
def served(made):
    """The page's address on a web server; a file's canvas cannot be read."""
    handler = partial(SimpleHTTPRequestHandler, directory=made / "page")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def visit(chrome, made, rater, address=None):
    page = chrome.new_context(accept_downloads=True).new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto((address or (made / "page" / "index.html").as_uri()) + f"?rater={rater}")
    if page.locator("#start").is_visible():
        page.locator("#start").click()
    return page


def press(page, key):
    """As soon as an answer counts."""
    page.wait_for_function("ready()")
    page.keyboard.press(key)


def prefer(page, made, system, count):
    """Answer by keyboard for one system, which is known from the key alone."""
    media = json.loads((made / "key.json").read_text())["media"]
    for _ in range(count):
        shown = page.evaluate("questions[at].media")
        [wanted] = [i for i, name in enumerate(shown) if media[name]["system"] == system]
        press(page, str(wanted + 1))


def save(page, file: Path) -> Path:
    with page.expect_download() as download:
        page.locator("#save").press("Enter")
    download.value.save_as(file)
    return file


def test_the_page_says_nothing_of_the_systems(made):
    text = (made / "page" / "index.html").read_text()
    assert not any(name in text for name in ("good", "bad", "clip0"))
    key = json.loads((made / "key.json").read_text())
    assert {key["media"][path.stem]["system"] for path in media(made, key)} == {"good", "bad"}


def media(made: Path, key: dict) -> list[Path]:
    files = sorted((made / "page" / "media").iterdir())
    assert len(files) == 3 * 3, "two systems and the keys of every clip"
    return [file for file in files if file.stem in key["media"]]


def test_three_raters_by_keyboard_make_table_2(made, chrome, tmp_path):
    files, orders = [], set()
    for rater, choice in (("ann", "good"), ("bob", "good"), ("cy", "bad")):
        page = visit(chrome, made, rater)
        orders.add(page.evaluate("questions.map(q => q.id + q.media).join()"))
        prefer(page, made, choice, 9)
        files.append(save(page, tmp_path / f"{rater}.json"))
        assert page.faults == []
    assert len(orders) == 3, "every rater sees another order"
    study.main(["--tally", str(made), "--answers", *map(str, files)])
    table = json.loads((made / "table2.json").read_text())
    motion = table["criteria"]["motion_quality"]
    assert table["systems"] == ["good", "bad"]
    assert [round(p["mean"], 2) for p in motion["preference"]] == [66.67, 33.33]
    assert motion["preference"][0]["lo"] == 0.0 and motion["preference"][0]["hi"] == 100.0
    assert motion["votes"] == 9
    assert motion["tie"]["mean"] == 0 and motion["seconds"] > 0.4
    table = (made / "table2.md").read_text()
    assert "| 66.67 [0.0, 100.0] |" in table and "**" not in table, "the intervals overlap"
    with pytest.raises(ValueError, match="both of rater ann"):
        studies.tally(made, [files[0], files[0]])


def test_answers_survive_a_reload_and_can_be_changed(made, chrome, tmp_path):
    page = visit(chrome, made, "dee")
    prefer(page, made, "bad", 4)
    page.reload()
    assert page.locator("#question").inner_text().startswith("5 of 9")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#question").inner_text().startswith("4 of 9")
    assert page.locator(".choice[aria-pressed=true]").count() == 1
    prefer(page, made, "good", 6)
    answers = json.loads(save(page, tmp_path / "dee.json").read_text())["answers"]
    systems = json.loads((made / "key.json").read_text())["media"]
    chosen = [systems[a["chosen"]]["system"] for a in answers]
    assert chosen == ["bad"] * 3 + ["good"] * 6


def test_raters_of_one_browser_answer_apart(made, chrome, tmp_path):
    """By their names in the address, and after one another by the last page's button."""
    page = visit(chrome, made, "hal")
    prefer(page, made, "good", 9)
    page.goto((made / "page" / "index.html").as_uri() + "?rater=ida")
    page.locator("#start").click()
    prefer(page, made, "bad", 9)
    page.locator("#other").click()
    page.wait_for_function("typeof state === 'object' && state.rater !== 'ida'")
    page.locator("#start").click()
    assert page.locator("#question").inner_text().startswith("1 of 9")
    prefer(page, made, "bad", 9)
    page.reload()
    files = [save(page, tmp_path / "other.json")]
    for rater in ("hal", "ida"):
        page.goto((made / "page" / "index.html").as_uri() + f"?rater={rater}")
        files.append(save(page, tmp_path / f"{rater}.json"))
    study.main(["--tally", str(made), "--answers", *map(str, files)])
    motion = json.loads((made / "table2.json").read_text())["criteria"]["motion_quality"]
    assert [round(p["mean"], 2) for p in motion["preference"]] == [33.33, 66.67]


def test_a_held_key_answers_one_question(made, chrome):
    page = visit(chrome, made, "gil")
    for key in ("1", "Enter"):
        page.wait_for_function("ready()")
        for _ in range(3):  # after the first, the browser says that the key repeats
            page.keyboard.down(key)
        page.keyboard.up(key)
    assert page.locator("#question").inner_text().startswith("3 of 9")


def test_the_introduction_says_what_is_asked_before_anything_counts(made, chrome):
    page = chrome.new_context().new_page()
    page.goto((made / "page" / "index.html").as_uri() + "?rater=jon")
    text = page.locator("#intro").inner_text()
    assert "9 questions on 3 groups" in text and "Motion quality" in text
    assert not page.locator("#asking").is_visible()
    page.keyboard.press("1")
    assert page.evaluate("Object.keys(state.answers).length") == 0
    page.locator("#start").click()
    assert page.locator("#question").inner_text().startswith("1 of 9")
    page.reload()
    assert page.locator("#asking").is_visible(), "a rater reads it once"


def test_an_answer_counts_when_the_clips_have_played_to_their_end(made, chrome):
    page = visit(chrome, made, "kim")
    page.evaluate("playing = false; frame = 0; setWatched(false)")
    for key in ("1", "0"):
        page.keyboard.press(key)
    assert (
        page.locator("#choices button").first.is_disabled() and page.locator("#tie").is_disabled()
    )
    assert page.locator("#question").inner_text().startswith("1 of 9")
    assert "watch" in page.locator("#wait").inner_text()
    page.evaluate("playing = true")
    press(page, "1")
    page.keyboard.press("1")  # at once: the same press, or no look at the question
    assert page.locator("#question").inner_text().startswith("2 of 9")
    assert page.locator("#wait").inner_text() == ""


def test_no_difference_is_an_answer(made, chrome, tmp_path):
    files = []
    for rater, keys in (("lea", "0" * 9), ("max", "0" * 9)):
        page = visit(chrome, made, rater)
        for key in keys:
            press(page, key)
        files.append(save(page, tmp_path / f"{rater}.json"))
    study.main(["--tally", str(made), "--answers", *map(str, files)])
    motion = json.loads((made / "table2.json").read_text())["criteria"]["motion_quality"]
    assert motion["tie"]["mean"] == 100 and [p["mean"] for p in motion["preference"]] == [0, 0]
    table = (made / "table2.md").read_text()
    assert "| **100.00** [100.0, 100.0] |" in table and "| no difference |" in table


def test_the_clips_play_together_and_pause_on_a_web_server(made, chrome, served):
    page = visit(chrome, made, "eve", served)
    page.wait_for_function(f"({RED})(0) > 0 && ({RED})(1) > 0")
    page.keyboard.press("Space")
    both = [page.evaluate(RED, i) for i in (0, 1)]
    assert abs(both[0] - both[1]) == 40, "the same frame of both systems"
    page.keyboard.press("Space")
    page.wait_for_function(f"was => ({RED})(0) !== was", arg=both[0])
    assert page.faults == []


def test_a_missing_picture_is_said(made, chrome, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    for file in (copy / "page" / "media").iterdir():
        file.unlink()
    page = visit(chrome, copy, "fay")
    page.locator("#fault").wait_for(state="visible")


def test_agreement_equals_the_published_example():
    """Nominal data of Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", C."""
    observed = {
        "A": "1 2 3 3 2 1 4 1 2 * * *",
        "B": "1 2 3 3 2 2 4 1 2 5 * 3",
        "C": "* 3 3 3 2 3 4 2 2 5 1 *",
        "D": "1 2 3 3 2 4 4 1 2 5 1 *",
    }
    choices = {
        rater: {str(i): int(v) for i, v in enumerate(values.split()) if v != "*"}
        for rater, values in observed.items()
    }
    assert studies.agreement(choices) == pytest.approx(0.743, abs=5e-4)
    assert studies.agreement({"A": choices["A"]}) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"study": "other"}, "no answers to the study"),
        ({"answers": None}, r"answers\.json lacks a rater or a list of answers"),
        ({"answers": ["c00"]}, r"answers\.json lacks a rater or a list of answers"),
        ({"rater": None}, r"answers\.json lacks a rater or a list of answers"),
        ({"answers": [{"chosen": "x", "clip": "c00"}]}, "nothing that this study showed"),
        ({"answers": [{"chosen": ["x"], "clip": "c00"}]}, "nothing that this study showed"),
    ],
)
def test_answers_of_something_else_are_refused(made, tmp_path, change, reason):
    key = json.loads((made / "key.json").read_text())
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"study": key["study"], "rater": "x", "answers": []} | change))
    with pytest.raises(ValueError, match=reason):
        studies.tally(made, [file])


def test_a_study_needs_two_systems(made, tmp_path):
    testset = made.parent / "truth"
    with pytest.raises(ValueError, match="2 to 9"):
        study.main(["--testset", str(testset), "--system", "crossfade", "--out", str(tmp_path)])

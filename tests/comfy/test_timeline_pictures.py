"""Pictures on the timeline: keys and sketches from files, drops and the clipboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timeline_hand import CSS, FILES, KEYS, SAYS, WIDGET, Hand, sheet

if TYPE_CHECKING:
    from headless import Headless
    from playwright.sync_api import Page


def test_thumbnails_and_missing_pictures(hand: Hand) -> None:
    moved = sheet()
    moved["keys"][2]["image"] = "elsewhere/Frog_Jump_First.png"
    hand.load(moved)
    hand.until(f"() => ({SAYS})().startsWith('The picture elsewhere')")
    shown = (
        f"() => [...document.querySelectorAll('{CSS} .picture')].map(e => e.style.backgroundImage)"
    )
    urls = hand.browser.evaluate(shown)
    assert [FILES[i] in url for i, url in enumerate(urls)] == [True, True, False, True]
    hand.choose(".says button", [KEYS / FILES[0], KEYS / FILES[2]])
    hand.until(f"() => ({SAYS})().endsWith('ready.')")
    images = [key["image"] for key in hand.sheet()["keys"]]
    assert images == [FILES[0], FILES[1], f"keys/{FILES[2]}", FILES[3]]


def test_keys_from_files_drop_and_clipboard(hand: Hand, server: Headless) -> None:
    hand.load({"version": 1, "length": 24, "keys": []})
    states = hand.undo_states()
    hand.choose("[data-do=add]", [KEYS / file for file in FILES[:3]])
    hand.until_frames(0, 12, 24)
    made = hand.sheet()
    assert made["length"] == 25 and hand.undo_states() == states + 1
    assert [key["image"] for key in made["keys"]] == [f"keys/{file}" for file in FILES[:3]]
    assert (server.base / "input" / "keys" / FILES[0]).read_bytes() == (
        KEYS / FILES[0]
    ).read_bytes()
    assert hand.drop(".keys", "drawn.png", 6)
    hand.until_frames(0, 6, 12, 24)
    hand.click("[data-key]")
    assert hand.paste_picture("image.png")
    hand.until_frames(0, 6, 12, 24, 36)
    ids = [key["id"] for key in hand.sheet()["keys"]]
    assert len(set(ids)) == 5
    assert hand.browser.evaluate("() => app.graph.nodes.length") == 1, "the page made no node of it"


def test_sketches_have_a_row(hand: Hand) -> None:
    hand.load(sheet(sketches=[{"frame": 6, "image": FILES[0]}]))
    hand.drag("[data-sketch='6']", 2)
    assert hand.sheet()["sketches"] == [{"frame": 8, "image": FILES[0]}]
    hand.press("ArrowRight")
    assert hand.sheet()["sketches"][0]["frame"] == 9
    for _ in range(5):
        hand.press("Shift+ArrowRight")
    assert hand.sheet()["sketches"][0]["frame"] == hand.sheet()["length"] - 1
    hand.press("Shift+ArrowLeft")
    assert hand.sheet()["sketches"][0]["frame"] == hand.sheet()["length"] - 11, "still selected"
    hand.load(sheet(sketches=[{"frame": 9, "image": FILES[0]}]))
    hand.click("[data-sketch='9']")
    hand.browser.do(lambda page: page.locator(f"{CSS} .panel").get_by_label("Strength").fill("1.5"))
    hand.until(
        f"() => JSON.parse({WIDGET}.value).sketches[0].strength === 1.5".replace("[n]", "[0]")
    )
    hand.click("[data-sketch='9']")
    hand.press("Delete")
    assert "sketches" not in hand.sheet()


def test_sketches_from_files_drop_and_clipboard(hand: Hand) -> None:
    def sketches() -> list[tuple[int, str]]:
        return [(one["frame"], one["image"]) for one in hand.sheet().get("sketches", [])]

    states = hand.undo_states()
    assert hand.drop(".sketches", "lines.png", 6)
    hand.until(f"() => document.querySelector('{CSS} [data-sketch=\"6\"][aria-selected=true]')")
    assert sketches() == [(6, "keys/lines.png")] and hand.undo_states() == states + 1
    assert hand.frames() == [0, 12, 24, 40], "it is no key"
    hand.drag("[data-sketch='6']", 2)
    assert [frame for frame, _ in sketches()] == [8]
    assert hand.paste_picture("more.png"), "a sketch is selected: onto its row"
    hand.until(f"() => document.querySelectorAll('{CSS} .sketch').length === 2")
    box = hand.place(".sketches")
    x = hand.place("[data-key=b]")["x"] + 1.5 * hand.frame_width()
    hand.browser.do(lambda page: page.mouse.click(x, box["y"] + box["height"] / 2))
    hand.choose("[data-do=sketch]", [KEYS / FILES[0]])
    hand.until(f"() => document.querySelectorAll('{CSS} .sketch').length === 3")
    placed = [frame for frame, _ in sketches()]
    assert placed[-1] == 14, "on frame 13 the key is still shown, on 25 and later it is held"
    hand.until(f"() => ({SAYS})().endsWith('ready.')")
    hand.load({**sheet(), "segments": [{"from": id, "mode": "hold"} for id in "abc"]})
    hand.drop(".sketches", "lines.png", 6)
    hand.until(f"() => ({SAYS})().startsWith('There is no drawing')")
    assert sketches() == []


def test_a_key_is_copied_with_its_picture(hand: Hand) -> None:
    hand.click("[data-key=b]")
    states = hand.undo_states()
    hand.press("Control+c")
    hand.look_at(30)
    hand.press("Control+v")
    hand.until_frames(0, 12, 24, 30, 40)
    copy, original = hand.sheet()["keys"][3], hand.sheet()["keys"][1]
    assert copy == {**original, "id": copy["id"], "frame": 30} and copy["id"] != "b"
    assert hand.undo_states() == states + 1
    hand.press("Control+x")
    hand.until_frames(0, 12, 24, 40)
    hand.press("Control+v")
    hand.until_frames(0, 12, 24, 40, 52)
    assert hand.browser.evaluate("() => app.graph.nodes.length") == 1, "no node was copied"


def test_numbers_show_the_pictures_at_the_input(hand: Hand) -> None:
    numbered = sheet()
    for i, key in enumerate(numbered["keys"][:3]):
        key["image"] = 2 - i
    hand.load(numbered)
    hand.browser.evaluate(
        """files => { const node = app.graph.nodes[0]
        const add = type => {
            const one = LiteGraph.createNode(type)
            one.pos = [-400, 300 * app.graph.nodes.length] // not over the timeline
            app.graph.add(one)
            return one }
        const load = file => {
            const one = add('LoadImage'); one.widgets[0].value = file; return one }
        const [first, second] = [add('ImageBatch'), add('ImageBatch')]
        load(files[0]).connect(0, first, 0)
        load(files[1]).connect(0, first, 1)
        first.connect(0, second, 0)
        load(files[2]).connect(0, second, 1)
        second.connect(0, node, node.inputs.findIndex(input => input.name === 'images')) }""",
        FILES[:3],
    )
    shown = f"""() => [...document.querySelectorAll('{CSS} .picture')].map(
        e => new URLSearchParams(e.style.backgroundImage.match(/[?](.*)"/)?.[1]).get('filename'))"""
    hand.until(f"files => ({shown})().join() === files", ",".join(FILES[2::-1] + FILES[3:]))
    # Another place is chosen in the panel; a key with a file has no such field.
    hand.click("[data-key=a]")
    hand.browser.do(lambda page: write(page, "0"))
    hand.until(
        f"files => ({shown})().join() === files", ",".join([FILES[0], *FILES[1::-1], FILES[3]])
    )
    assert [key["image"] for key in hand.sheet()["keys"]] == [0, 1, 0, FILES[3]]
    hand.browser.do(lambda page: write(page, ""))
    assert hand.sheet()["keys"][0]["image"] == 0
    hand.click("[data-key=d]")
    hand.until(f"() => !document.querySelector('{CSS} .panel [name=image]')")


def write(page: Page, text: str) -> None:
    field = page.locator(f"{CSS} .panel").get_by_label("Picture", exact=True)
    field.fill(text)
    field.press("Enter")

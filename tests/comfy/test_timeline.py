"""The timeline in the real page, with a real mouse and keyboard, in both ways to draw nodes."""

from __future__ import annotations

import json
import re
import shutil
import wave
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browser import FIT, LITEGRAPH, NODES_2, PROMPT, RENDERER
from place import ROOT
from timeline_hand import CSS, NODES, SHOWN, Hand

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless
    from playwright.sync_api import Page

# Minutes of work, and its drags need a machine that has time for them: run by themselves.
pytestmark = pytest.mark.slow

KEYS = ROOT / "cast" / "keys"
FILES = ["fox_walk_first.png", "fox_walk_last.png", "frog_jump_first.png", "frog_jump_last.png"]
EMPTY_GRAPH = {"nodes": [], "links": [], "groups": [], "config": {}, "extra": {}, "version": 0.4}
EMPTY_GRAPH |= {"last_node_id": 0, "last_link_id": 0}
POSITION = f"() => [...{NODES}[0].pos].map(Math.round)"
SIZE = f"() => [...{NODES}[0].size].map(Math.round)"
SELECTED = "() => Object.values(app.canvas.selected_nodes).map(node => node.type)"
SIDEBAR = "() => app.extensionManager.sidebarTab?.activeSidebarTabId ?? null"
LIVE = f"""() => document.querySelectorAll('{CSS}').length === {NODES}.length && {NODES}.every(
    node => node.widgets.find(widget => widget.name === 'sheet').element.isConnected)"""
HELD = f"() => document.querySelector('{CSS} [aria-selected=true]')?.getAttribute('aria-label')"
SAYS = f"() => document.querySelector('{CSS} .says').textContent"


def sheet(**more: Any) -> dict[str, Any]:
    """Four keys, a hold, a prompt, and fields that the timeline does not show."""
    frames = {"a": 0, "b": 12, "c": 24, "d": 40}
    keys = [
        {"id": id, "frame": frame, "image": file}
        for (id, frame), file in zip(frames.items(), FILES, strict=True)
    ]
    keys[1]["note"] = "highest"
    segments = [
        {"from": "a", "prompt": "it leaps", "negative": "blur", "lock": "a_1"},
        {"from": "c", "mode": "hold", "takes": 3},
    ]
    return {
        "version": 1,
        "length": 48,
        "exposure": 2,
        "fit": "crop",
        "keys": keys,
        "segments": segments,
        **more,
    }


@pytest.fixture(scope="module", params=[LITEGRAPH, NODES_2])
def opened(request: Any, server: Headless, browser: Browser) -> Iterator[Hand]:
    for file in FILES:
        shutil.copy(KEYS / file, server.base / "input")
    assert request.param in browser.renderers()
    hand = Hand(browser, request.param)
    assert browser.open(EMPTY_GRAPH, request.param).complaints == []
    yield hand
    assert browser.errors() == []


@pytest.fixture
def hand(opened: Hand) -> Hand:
    opened.load(sheet())
    return opened


def test_a_drag_moves_one_key_and_is_one_state_for_undo(hand: Hand) -> None:
    at, states = hand.browser.evaluate(POSITION), hand.undo_states()
    hand.drag("[data-key=b]", 5)
    assert hand.frames() == [0, 17, 24, 40]
    assert hand.undo_states() == states + 1
    assert hand.browser.evaluate(POSITION) == at, "the node stays where it is"
    assert hand.browser.evaluate(SELECTED) == ["ToonEditTimeline"]
    hand.press("Control+z")
    hand.until_frames(0, 12, 24, 40)
    assert hand.browser.evaluate(LIVE), "the element in the page is the new node's"
    hand.until(f"() => document.activeElement?.closest('{CSS}')")
    hand.press("Control+Shift+z")
    hand.until_frames(0, 17, 24, 40)
    hand.press("ArrowRight")
    hand.until_frames(0, 18, 24, 40)
    given = sheet()
    given["keys"][1]["frame"] = 18
    assert hand.sheet() == given, "nothing else has changed"


def test_keys_keep_their_order_and_the_first_its_frame(hand: Hand) -> None:
    hand.drag("[data-key=b]", 30)
    assert hand.frames() == [0, 23, 24, 40]
    hand.drag("[data-key=b]", -40)
    assert hand.frames() == [0, 1, 24, 40]
    hand.drag("[data-key=a]", 8)
    assert hand.frames() == [0, 1, 24, 40]
    hand.drag("[data-key=d]", 30)
    assert hand.frames() == [0, 1, 24, 47]
    hand.drag("[data-end]", 2)
    assert hand.sheet()["length"] == 50


def test_shift_moves_all_that_follows(hand: Hand) -> None:
    sketched = sheet(sketches=[{"frame": 30, "image": FILES[0]}, {"frame": 6, "image": FILES[0]}])
    hand.load(sketched)
    hand.drag("[data-key=b]", 4, shift=True)
    now = hand.sheet()
    assert hand.frames() == [0, 16, 28, 44] and now["length"] == 52
    assert [sketch["frame"] for sketch in now["sketches"]] == [34, 6]
    hand.drag("[data-key=c]", -40, shift=True)
    assert hand.frames() == [0, 16, 17, 33] and hand.sheet()["length"] == 41


def test_escape_puts_a_drag_back(hand: Hand) -> None:
    states, text = hand.undo_states(), hand.text()
    hand.drag("[data-key=b]", 5, before_release=lambda page: page.keyboard.press("Escape"))
    assert hand.text() == text and hand.undo_states() == states


def test_arrows_move_and_each_is_a_state(hand: Hand) -> None:
    hand.click("[data-key=b]")
    states = hand.undo_states()
    hand.press("ArrowRight", "ArrowRight", "Shift+ArrowLeft")
    assert hand.frames() == [0, 4, 24, 40]
    assert hand.undo_states() == states + 3
    hand.press("Control+z")
    hand.until_frames(0, 14, 24, 40)


def test_letters_select(hand: Hand) -> None:
    hand.click("[data-key=b]")
    hand.until(f"() => ({HELD})()?.startsWith('Key 2, frame 13')")
    for key, number in (("k", 3), (".", 4), ("k", 4), ("j", 3), (",", 2), ("Home", 1), ("End", 4)):
        hand.press(key)
        hand.until(f"number => ({HELD})()?.startsWith(`Key ${{number}},`)", number)
    hand.press("ArrowDown", "j")
    hand.until(f"() => ({HELD})()?.startsWith('Segment 3,')")
    hand.press("Escape")
    hand.until(f"() => !({HELD})()")
    active = f"() => document.querySelector('{CSS} .scroll').hasAttribute('aria-activedescendant')"
    assert not hand.browser.evaluate(active)


def test_delete_takes_the_key_and_not_the_node(hand: Hand) -> None:
    hand.click("[data-key=b]")
    hand.press("Delete")
    assert hand.frames() == [0, 24, 40]
    hand.press("Home", "Backspace")
    assert hand.frames() == [0, 40], "the shot begins with what is first"
    assert [key["id"] for key in hand.sheet()["keys"]] == ["c", "d"]
    assert [segment["from"] for segment in hand.sheet()["segments"]] == ["c"]
    assert hand.browser.evaluate(f"() => {NODES}.length") == 1


def test_keys_of_the_segment(hand: Hand) -> None:
    hand.click("[data-segment=b]")

    def now() -> dict[str, Any]:
        return next((s for s in hand.sheet()["segments"] if s["from"] == "b"), {})

    for key, exposure in (("3", 3), ("+", 4), ("+", 4), ("-", 3), ("1", 1), ("-", 1), ("2", 2)):
        hand.press(key)
        assert now()["exposure"] == exposure, key
    hand.press("h")
    assert now()["mode"] == "hold"
    hand.press("H")
    assert "mode" not in now()
    hand.press("b")
    assert hand.sheet()["keys"][1]["kind"] == "breakdown"
    hand.press("b")
    assert "kind" not in hand.sheet()["keys"][1]


def test_other_letters_stay_in_the_widget(hand: Hand) -> None:
    hand.click("[data-key=b]")
    text, sidebar = hand.text(), hand.browser.evaluate(SIDEBAR)
    hand.press(*"rqwnmvp", "Space")
    assert hand.browser.evaluate(SIDEBAR) == sidebar
    assert hand.has_keyboard() and hand.text() == text
    assert hand.browser.evaluate(f"() => {NODES}[0].mode") == 0


def test_fields_of_a_segment(hand: Hand) -> None:
    hand.click("[data-segment=a]")
    states = hand.undo_states()

    def fill(page: Page) -> None:
        panel = page.locator(f"{CSS} .panel")
        panel.get_by_label("Prompt").fill("貓 jumps")
        panel.get_by_label("Exposure").fill("2, 2, 1")
        panel.get_by_label("Slow out").focus()  # which ends the edit before, as a hand does
        panel.get_by_label("Slow out").fill("0.5")
        panel.get_by_label("Seed").fill("7")
        panel.get_by_label("Seed").blur()

    hand.browser.do(fill)
    assert hand.undo_states() == states + 4
    kept = {"from": "a", "negative": "blur", "lock": "a_1", "seed": 7}
    asked = kept | {"prompt": "貓 jumps", "exposure": [2, 2, 1], "slow_out": 0.5}
    assert hand.sheet()["segments"][0] == asked
    assert hand.text().isascii(), "or the page of 1.32 cannot copy the node"

    def chart(page: Page) -> None:
        field = page.locator(f"{CSS} .panel").get_by_label("Chart", exact=True)
        field.fill("thirds")
        field.press("Delete")  # a field's own key
        field.press("Escape")

    hand.browser.do(chart)
    del asked["slow_out"]
    assert hand.sheet()["segments"][0] == asked | {"chart": "thirds"}
    hand.press("k")
    hand.until(f"() => ({HELD})()?.startsWith('Segment 2,')")
    hand.browser.do(
        lambda page: page.locator(f"{CSS} .panel").get_by_label("Mode").select_option("hold")
    )
    assert hand.sheet()["segments"][-1] == {"from": "b", "mode": "hold"}


def test_fields_of_key_and_shot(hand: Hand) -> None:
    def fill(page: Page, name: str, text: str) -> None:
        field = page.locator(f"{CSS} .panel").get_by_label(name, exact=True)
        field.fill(text)
        field.press("Enter")

    hand.click("[data-key=b]")
    hand.browser.do(lambda page: fill(page, "Frame", "20"))
    assert hand.frames() == [0, 19, 24, 40], "shown from 1, stored from 0"
    hand.browser.do(lambda page: fill(page, "Frame", "500"))
    assert hand.frames() == [0, 23, 24, 40]
    hand.until(f"() => document.querySelector('{CSS} [name=frame]').value === '24'")
    hand.browser.do(lambda page: fill(page, "Note", "lands"))
    assert hand.sheet()["keys"][1]["note"] == "lands"
    hand.click("[data-key=b]")
    hand.press("Escape")
    hand.browser.do(lambda page: fill(page, "Length", "30"))
    assert hand.sheet()["length"] == 41, "no key is lost"
    hand.browser.do(lambda page: page.locator(f"{CSS} .panel").get_by_label("Loop").check())
    assert hand.sheet()["loop"] is True
    hand.until(f"() => document.querySelector('{CSS} [data-segment=d]')?.title.includes('between')")


def test_what_is_wrong_is_said_and_nothing_refused(hand: Hand) -> None:
    crowded = sheet()
    crowded["keys"][2]["frame"] = 12
    hand.load(crowded)
    assert hand.browser.evaluate(SAYS) == ("Key “b” (frame 13) and “c” are on one frame: move one.")
    hand.click("[data-key=c]")
    hand.press("ArrowRight")
    hand.until(f"() => ({SAYS})().endsWith('ready.')")
    hand.load({"version": 2, "keys": []})
    assert "Version 2" in hand.browser.evaluate(SAYS)
    assert hand.sheet() == {"version": 2, "keys": []}
    hand.load({"version": 1, "length": 24, "keys": []})
    assert "Drop or paste" in hand.browser.evaluate(SAYS)


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

    def find(page: Page) -> None:
        with page.expect_file_chooser() as chooser:
            page.locator(f"{CSS} .says button").click()
        chooser.value.set_files([KEYS / FILES[0], KEYS / FILES[2]])

    hand.browser.do(find)
    hand.until(f"() => ({SAYS})().endsWith('ready.')")
    images = [key["image"] for key in hand.sheet()["keys"]]
    assert images == [FILES[0], FILES[1], f"keys/{FILES[2]}", FILES[3]]


def test_keys_from_files_drop_and_clipboard(hand: Hand, server: Headless) -> None:
    hand.load({"version": 1, "length": 24, "keys": []})

    def choose(page: Page) -> None:
        with page.expect_file_chooser() as chooser:
            page.locator(f"{CSS} [data-do=add]").click()
        chooser.value.set_files([KEYS / FILES[0], KEYS / FILES[1], KEYS / FILES[2]])

    states = hand.undo_states()
    hand.browser.do(choose)
    hand.until_frames(0, 12, 24)
    made = hand.sheet()
    assert made["length"] == 25 and hand.undo_states() == states + 1
    assert [key["image"] for key in made["keys"]] == [f"keys/{file}" for file in FILES[:3]]
    assert (server.base / "input" / "keys" / FILES[0]).read_bytes() == (
        KEYS / FILES[0]
    ).read_bytes()
    box = hand.place(".keys")
    width = hand.frame_width()
    first = hand.place(f"[data-key='{made['keys'][0]['id']}']")["x"]
    send = """([css, type, name, x, y]) => {
        const canvas = Object.assign(document.createElement('canvas'), {width: 8, height: 8})
        const bytes = atob(canvas.toDataURL('image/png').split(',')[1])
        const content = Uint8Array.from(bytes, c => c.charCodeAt(0))
        const file = new File([content], name, {type: 'image/png'})
        const data = new DataTransfer(); data.items.add(file)
        const more = {bubbles: true, cancelable: true, clientX: x, clientY: y}
        const event = type === 'drop' ? new DragEvent('drop', {...more, dataTransfer: data})
            : new ClipboardEvent('paste', {...more, clipboardData: data})
        const target = type === 'drop' ? document.querySelector(css) : document.body
        return !target.dispatchEvent(event) }"""
    at = [first + 6.5 * width, box["y"] + 8]
    assert hand.browser.evaluate(send, [f"{CSS} .keys", "drop", "drawn.png", *at])
    hand.until_frames(0, 6, 12, 24)
    hand.click("[data-key]")
    assert hand.browser.evaluate(send, ["", "paste", "image.png", 0, 0])
    hand.until_frames(0, 6, 12, 24, 36)
    ids = [key["id"] for key in hand.sheet()["keys"]]
    assert len(set(ids)) == 5
    assert hand.browser.evaluate("() => app.graph.nodes.length") == 1, "the page made no node of it"


def test_a_click_on_the_ruler_adds_nothing(hand: Hand) -> None:
    text = hand.text()
    hand.browser.do(
        lambda page: page.locator(f"{CSS} .ruler").dblclick(position={"x": 150, "y": 10})
    )
    hand.browser.do(lambda page: page.locator(f"{CSS} .ruler").click(position={"x": 90, "y": 10}))
    assert hand.text() == text
    assert hand.browser.evaluate(f"() => !document.querySelector('{CSS} .cursor').hidden")


def test_sketches_have_a_row(hand: Hand) -> None:
    hand.load(sheet(sketches=[{"frame": 6, "image": FILES[0]}]))
    hand.drag("[data-sketch='6']", 2)
    assert hand.sheet()["sketches"] == [{"frame": 8, "image": FILES[0]}]
    hand.press("ArrowRight")
    assert hand.sheet()["sketches"][0]["frame"] == 9
    hand.browser.do(lambda page: page.locator(f"{CSS} .panel").get_by_label("Strength").fill("1.5"))
    assert hand.sheet()["sketches"][0]["strength"] == 1.5
    hand.click("[data-sketch='9']")
    hand.press("Delete")
    assert "sketches" not in hand.sheet()


def test_copies_are_independent(hand: Hand) -> None:
    hand.browser.evaluate(f"() => app.canvas.selectNode({NODES}[0])")
    hand.press("Control+c", "Control+v")
    hand.until(f"() => {NODES}.length === 2 && ({SHOWN})()")
    hand.browser.evaluate(
        f"() => {{ {NODES}[1].pos = [100, 700]; app.canvas.deselectAll(); ({FIT})() }}"
    )
    second = hand.browser.evaluate(
        f"() => [...document.querySelectorAll('{CSS}')].indexOf("
        f"{NODES}[1].widgets.find(widget => widget.name === 'sheet').element)"
    )
    hand.until(LIVE)
    hand.drag("[data-key=b]", 5, n=second)
    assert hand.frames(0) == [0, 12, 24, 40] and hand.frames(1) == [0, 17, 24, 40]
    hand.browser.evaluate(f"() => app.graph.remove({NODES}[1])")
    hand.until(f"() => document.querySelectorAll('{CSS}').length === 1")


@pytest.mark.parametrize("scale", [0.7, 1.6])
def test_drags_hit_the_frame_at_any_zoom(hand: Hand, scale: float) -> None:
    move = """scale => { const node = app.graph.nodes[0]; app.canvas.ds.scale = scale
        app.canvas.ds.offset = [100 / scale - node.pos[0], 120 / scale - node.pos[1]]
        app.canvas.setDirty(true, true) }"""
    hand.browser.evaluate(move, scale)
    hand.browser.do(lambda page: page.wait_for_timeout(400))
    hand.drag("[data-key=b]", 4)
    assert hand.frames() == [0, 16, 24, 40]


def test_wheel_and_middle_button_are_the_graphs_until_the_timeline_has_the_keyboard(
    hand: Hand,
) -> None:
    box = hand.place(".keys")
    x, y = box["x"] + box["width"] / 2, box["y"] + 20
    view = "() => [app.canvas.ds.scale, ...app.canvas.ds.offset]"
    before = hand.browser.evaluate(view)

    def wheel(page: Page) -> None:
        page.mouse.move(x, y)
        page.mouse.wheel(0, 120)

    hand.browser.do(wheel)
    hand.until("scale => app.canvas.ds.scale !== scale", before[0])
    hand.browser.evaluate(FIT)
    before = hand.browser.evaluate(view)

    def pan(page: Page) -> None:
        page.mouse.move(x, y)
        page.mouse.down(button="middle")
        page.mouse.move(x + 60, y + 20, steps=4)
        page.mouse.up(button="middle")

    hand.browser.do(pan)
    hand.until("x => Math.abs(app.canvas.ds.offset[0] - x) > 10", before[1])
    hand.browser.evaluate(FIT)
    hand.click("[data-key=b]")
    hand.browser.do(lambda page: page.locator(f"{CSS} [data-do=closer]").click(click_count=3))
    hand.browser.do(lambda page: page.locator(f"{CSS} .scroll").focus())
    hand.press("Home")
    hand.until(f"() => document.querySelector('{CSS} .scroll').scrollLeft === 0")
    scrolled = f"() => document.querySelector('{CSS} .scroll').scrollLeft"
    before = hand.browser.evaluate(view), hand.browser.evaluate(scrolled)
    hand.browser.do(wheel)
    hand.until(f"left => ({scrolled})() > left + 50", before[1])
    assert hand.browser.evaluate(view) == before[0]


def test_save_load_and_prompt_carry_the_sheet(hand: Hand) -> None:
    hand.drag("[data-key=b]", 3)
    text = hand.text()
    prompt = json.loads(hand.browser.evaluate(PROMPT))
    assert [node["inputs"]["sheet"] for node in prompt.values()] == [text]
    size = hand.browser.evaluate(SIZE)
    for _ in range(3):
        saved = json.loads(hand.browser.evaluate("() => JSON.stringify(app.graph.serialize())"))
        hand.load_graph(saved)
        assert hand.text() == text and hand.browser.evaluate(LIVE)
        if hand.renderer == LITEGRAPH:  # Nodes 2.0 of 1.32 changes the sizes of all nodes
            assert hand.browser.evaluate(SIZE) == size
    hand.drag("[data-key=b]", 2)
    assert hand.frames() == [0, 17, 24, 40]


def test_in_a_subgraph(hand: Hand) -> None:
    inside = "async () => Object.values((await app.graphToPrompt()).output)[0].inputs.sheet"
    text = hand.text()
    hand.browser.evaluate(
        f"""() => {{ app.canvas.selectNode({NODES}[0])
        return app.extensionManager.command.execute('Comfy.Graph.ConvertToSubgraph') }}"""
    )
    hand.until("() => app.graph.nodes[0]?.isSubgraphNode?.()")
    assert hand.browser.evaluate(inside) == text
    hand.browser.evaluate(
        "() => { const node = app.graph.nodes[0]; app.canvas.openSubgraph(node.subgraph, node) }"
    )
    shown = f"""() => [...document.querySelectorAll('{CSS}')].some(
        element => element.getBoundingClientRect().width > 100)"""
    hand.until(shown)
    hand.browser.evaluate("() => app.canvas.setGraph(app.rootGraph ?? app.graph.rootGraph)")
    hand.until("() => app.graph.nodes[0]?.isSubgraphNode?.()")
    saved = json.loads(hand.browser.evaluate("() => JSON.stringify(app.graph.serialize())"))
    hand.browser.evaluate("graph => app.loadGraphData(graph, true, true, 'sub')", saved)
    hand.until("() => app.graph.nodes[0]?.isSubgraphNode?.()")
    assert hand.browser.evaluate(inside) == text


def test_the_node_is_resized_and_stays_usable_narrow(hand: Hand) -> None:
    size = f"""() => {{ const element = document.querySelector('{CSS}')
        return [element.offsetWidth, element.offsetHeight] }}"""
    width, height = hand.browser.evaluate(size)
    hand.resize((120, 90))
    wider, higher = hand.browser.evaluate(size)
    assert wider > width + 80 and higher > height + 60
    hand.resize((-900, -500))
    narrow, low = hand.browser.evaluate(size)
    assert narrow < 400 and low >= 330
    hand.click("[data-key=b]")
    hand.until(f"() => document.querySelector('{CSS} .panel [name=frame]')")
    overflow = f"""() => [...document.querySelectorAll('{CSS} .bar, {CSS} .panel, {CSS} fieldset')]
        .filter(part => part.scrollWidth > part.clientWidth + 1).map(part => part.className)"""
    assert hand.browser.evaluate(overflow) == []
    hand.drag("[data-key=b]", 3)
    assert hand.frames() == [0, 15, 24, 40]


def test_names_for_screen_readers(hand: Hand) -> None:
    def labels(page: Page) -> list[str]:
        options = page.get_by_role("listbox", name="Keys and segments").get_by_role("option")
        return [str(option.get_attribute("aria-label")) for option in options.all()]

    told = hand.browser.do(labels)
    assert told[1] == f"Key 2, frame 13, picture {FILES[1]}, highest"
    assert (
        told[4] == "Segment 1, frames 1 to 12, on 2s, 5 drawings between, locked to a_1: it leaps"
    )
    assert told[6] == "Segment 3, frames 25 to 40, hold"


def test_a_long_shot_scrolls_and_is_drawn_quickly(hand: Hand) -> None:
    keys = [{"id": f"k{i}", "frame": 5 * i, "image": FILES[i % 4]} for i in range(200)]
    hand.load({"version": 1, "length": 1000, "keys": keys})
    took = hand.browser.evaluate(
        f"""() => {{ const timeline = document.querySelector('{CSS}').toonTimeline
        return Math.min(...Array.from({{length: 20}}, (_, i) => {{
            const start = performance.now()
            const keys = [...timeline.sheet.keys]
            keys[1] = {{...keys[1], frame: 1 + i % 9}}
            timeline.take({{...timeline.sheet, keys}})
            timeline.drawNow()
            timeline.element.offsetHeight // the browser's own part
            return performance.now() - start }})) }}"""
    )
    assert took < 1000 / 30, "all keys are in sight"
    hand.browser.do(lambda page: page.locator(f"{CSS} [data-do=closer]").click(click_count=6))
    hand.browser.do(lambda page: page.locator(f"{CSS} .scroll").focus())
    hand.press("End")
    hand.until(f"() => ({HELD})()?.startsWith('Key 200, frame 996')")
    drawn = hand.browser.evaluate(f"() => document.querySelectorAll('{CSS} .card').length")
    assert drawn < 40, "only what is in sight is in the page"
    box = hand.place("[data-key=k199]")
    film = hand.place(".scroll")
    assert film["x"] <= box["x"] and box["x"] + box["width"] <= film["x"] + film["width"] + 1


def test_numbers_show_the_pictures_at_the_input(hand: Hand) -> None:
    numbered = sheet()
    for i, key in enumerate(numbered["keys"][:3]):
        key["image"] = 2 - i
    hand.load(numbered)
    hand.browser.evaluate(
        """files => { const node = app.graph.nodes[0]
        const add = type => app.graph.add(LiteGraph.createNode(type)) ?? app.graph.nodes.at(-1)
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


def test_control_s_is_the_pages(hand: Hand) -> None:
    hand.click("[data-key=b]")
    hand.press("Control+s")
    dialog = "() => document.querySelector('[role=dialog] input, .p-dialog input')?.offsetWidth"
    hand.until(dialog)
    hand.press("Escape")
    hand.until(f"() => !({dialog})()")


def test_the_other_way_to_draw_nodes_while_it_is_open(hand: Hand) -> None:
    switch = f"on => app.extensionManager.setting.set('{RENDERER}', on)"
    there = hand.renderer == NODES_2
    for on, frame in ((not there, 14), (there, 16)):
        hand.browser.evaluate(switch, on)
        hand.until(f"on => Boolean(document.querySelector('[data-node-id] {CSS}')) === on", on)
        hand.until(SHOWN)
        hand.browser.do(lambda page: page.wait_for_timeout(1200))
        hand.browser.evaluate(FIT)
        hand.browser.do(lambda page: page.wait_for_timeout(300))
        hand.drag("[data-key=b]", 2)
        assert hand.frames() == [0, frame, 24, 40]


def test_sound_is_drawn_where_it_is_heard(hand: Hand, server: Headless) -> None:
    """A second of silence and one of sound, half a second into the shot."""
    with wave.open(str(server.base / "input" / "late.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000) + b"\x00\x60\x00\xa0" * 4000)
    hand.load(sheet(audio={"file": "late.wav", "offset": -0.5}))
    path = f"document.querySelector('{CSS} .sound path')?.getAttribute('d')"
    hand.until(f"() => {path}?.match(/v2[0-9]/)")
    lines = re.findall(r"M([\d.]+) [\d.]+v([\d.]+)", hand.browser.evaluate(f"() => {path}"))
    loud = [float(x) for x, height in lines if float(height) > 15]
    left = f"id => parseFloat(document.querySelector(`{CSS} [data-key=${{id}}]`).style.left)"
    begin, end = (hand.browser.evaluate(left, id) for id in "bd")
    frame = (end - begin) / 28
    assert abs(min(loud) - begin) <= frame and abs(max(loud) - (begin + 24 * frame)) <= frame


def test_states_of_segments(hand: Hand) -> None:
    """Told by the node itself, or by one that it gives its sheet to."""
    states = ({"from": "a", "state": "made"}, {"from": "b", "state": "failed"})
    first, second = ({"toon_timeline": [{"segments": [state]}]} for state in states)
    hand.browser.evaluate(f"told => {NODES}[0].onExecuted(told)", first)
    hand.browser.evaluate(
        """output => {
        const node = LiteGraph.createNode('PreviewImage')
        app.graph.add(node)
        app.graph.nodes[0].connect(1, node, 0)
        app.api.dispatchCustomEvent('executed', {node: String(node.id), output}) }""",
        second,
    )
    state = f"""() => [...document.querySelectorAll('{CSS} .segment')].map(s => s.dataset.state)"""
    hand.until(f"() => ({state})().join() === 'made,failed,,'")
    hand.click("[data-segment=a]")
    hand.press("3")
    label = f"document.querySelector('{CSS} .segment span').textContent"
    hand.until(f"() => {label}.startsWith('on 3s')")
    assert hand.browser.evaluate(state)[0] == "made", "timing makes nothing stale"
    hand.browser.do(lambda page: page.locator(f"{CSS} .panel").get_by_label("Prompt").fill("other"))
    hand.until(f"() => ({state})()[0] === 'stale'")


def test_a_link_takes_the_place_of_the_widget(hand: Hand) -> None:
    hand.browser.evaluate(
        """() => { const text = LiteGraph.createNode('PrimitiveStringMultiline')
        app.graph.add(text)
        const node = app.graph.nodes.find(node => node.type === 'ToonEditTimeline')
        text.connect(0, node, node.inputs.findIndex(input => input.name === 'sheet')) }"""
    )
    hand.until(  # or it is hidden, as Nodes 2.0 of 1.58 does
        f"""() => {{ const element = document.querySelector('{CSS}')
        const says = element?.querySelector('.says').textContent
        return !element || element.inert && says.startsWith('The sheet comes over the link') }}"""
    )


def test_the_node_runs(hand: Hand, server: Headless) -> None:
    prompt = json.loads(hand.browser.evaluate(PROMPT))
    prompt["9"] = {"class_type": "PreviewImage", "inputs": {"images": [next(iter(prompt)), 1]}}
    run = server.run(prompt)
    assert run.status == "success", run.answer
    assert len(run.outputs["9"]["images"]) == 4

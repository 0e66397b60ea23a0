"""Edits on the timeline in the real page, by mouse and keyboard, in both ways to draw nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timeline_hand import CSS, FILES, HELD, LIVE, NODES, SAYS, Hand, sheet

from toon_core.shots.reading import read_sheet

if TYPE_CHECKING:
    from playwright.sync_api import Page

POSITION = f"() => [...{NODES}[0].pos].map(Math.round)"
SELECTED = "() => Object.values(app.canvas.selected_nodes).map(node => node.type)"
SIDEBAR = "() => app.extensionManager.sidebarTab?.activeSidebarTabId ?? null"


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
    hand.load(sheet(sketches=[{"frame": n, "image": FILES[0]} for n in (14, 6, 10)]))
    hand.drag("[data-key=b]", -9, shift=True)
    assert hand.frames() == [0, 11, 23, 39], "no sketch is passed or met"
    assert [sketch["frame"] for sketch in hand.sheet()["sketches"]] == [13, 6, 10]


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
    hand.press("End")
    before = hand.sheet()
    hand.press("2")
    hand.press("+")
    assert hand.sheet() == before, "after the last key nothing is drawn"


def test_keys_without_ids_are_called_as_the_engine_calls_them(hand: Hand) -> None:
    nameless = {**sheet(), "segments": []}
    nameless["keys"] = [{"frame": n, "image": FILES[0]} for n in (0, 8, 16)]
    hand.load(nameless)
    hand.click("[data-key]")
    hand.press("b")
    ids = [key["id"] for key in hand.sheet()["keys"]]
    assert ids == [key.id for key in read_sheet(nameless).keys]


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


def test_edits_in_quick_succession_are_a_state_each(hand: Hand) -> None:
    """The page makes what follows a state at once a part of it, from 1.49 on."""
    hand.click("[data-segment=a]")
    states = hand.undo_states()
    hand.browser.evaluate(
        f"""() => {{ const [panel] = document.querySelectorAll('{CSS} .panel')
        for (const [name, value] of [['seed', '1'], ['seed', '12'], ['prompt', 'so']]) {{
            const field = panel.querySelector(`fieldset [name=${{name}}]`)
            field.value = value
            for (const type of ['input', 'change'])
                field.dispatchEvent(new Event(type, {{bubbles: true}}))
            field.value += '3'
            field.dispatchEvent(new Event('input', {{bubbles: true}})) }} }}"""
    )
    assert hand.undo_states() == states + 3
    hand.browser.do(lambda page: page.wait_for_timeout(150))  # in which the page would take it
    hand.browser.evaluate(
        f"() => document.querySelector('{CSS} .panel [name=prompt]')"
        ".dispatchEvent(new Event('change', {bubbles: true}))"
    )
    assert hand.undo_states() == states + 4


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


def test_what_is_typed_before_the_next_drawing_stays(hand: Hand) -> None:
    hand.click("[data-key=b]")
    typed = hand.browser.evaluate(
        """async (css) => {
          const field = document.querySelector(css + " [name=frame]");
          field.focus();
          field.value = "20";
          field.dispatchEvent(new Event("change", {bubbles: true}));
          field.value = "500";
          const frame = () => new Promise(requestAnimationFrame);
          await frame().then(frame);
          return field.value;
        }""",
        CSS,
    )
    assert (typed, hand.frames()) == ("500", [0, 19, 24, 40])


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


def test_a_click_on_the_ruler_adds_nothing(hand: Hand) -> None:
    text = hand.text()
    hand.browser.do(
        lambda page: page.locator(f"{CSS} .ruler").dblclick(position={"x": 150, "y": 10})
    )
    hand.browser.do(lambda page: page.locator(f"{CSS} .ruler").click(position={"x": 90, "y": 10}))
    assert hand.text() == text
    assert hand.browser.evaluate(f"() => !document.querySelector('{CSS} .cursor').hidden")


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

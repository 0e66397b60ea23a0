"""The timeline as a part of ComfyUI's page: copies, zoom, size, saving, subgraphs, links."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from browser import FIT, LITEGRAPH, NODES_2, PROMPT, RENDERER
from timeline_hand import CSS, DRAWN, FILES, HELD, LIVE, NODES, SHOWN, Hand

if TYPE_CHECKING:
    from headless import Headless
    from playwright.sync_api import Page

SIZE = f"() => [...{NODES}[0].size].map(Math.round)"


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
    hand.browser.evaluate(DRAWN)
    hand.drag("[data-key=b]", 4)
    assert hand.frames() == [0, 16, 24, 40]


def test_wheel_and_middle_button_are_the_graphs_until_the_timeline_has_the_keyboard(
    hand: Hand,
) -> None:
    def middle() -> tuple[float, float]:
        box = hand.place(".scroll")
        return box["x"] + box["width"] / 2, box["y"] + 40

    def wheel() -> None:
        x, y = middle()

        def work(page: Page) -> None:
            page.mouse.move(x, y)
            page.mouse.wheel(0, 120)

        hand.browser.do(work)

    view = "() => [app.canvas.ds.scale, ...app.canvas.ds.offset]"
    hand.fit()
    before = hand.browser.evaluate(view)
    wheel()
    hand.until("scale => app.canvas.ds.scale !== scale", before[0])
    hand.fit()
    before = hand.browser.evaluate(view)
    x, y = middle()

    def pan(page: Page) -> None:
        page.mouse.move(x, y)
        page.mouse.down(button="middle")
        page.mouse.move(x + 60, y + 20, steps=4)
        page.mouse.up(button="middle")

    hand.browser.do(pan)
    hand.until("x => Math.abs(app.canvas.ds.offset[0] - x) > 10", before[1])
    hand.fit()
    hand.click("[data-key=b]")
    hand.browser.do(lambda page: page.locator(f"{CSS} [data-do=closer]").click(click_count=3))
    scrolled = f"() => document.querySelector('{CSS} .scroll').scrollLeft"
    hand.until(f"() => ({scrolled})() > 50")
    hand.browser.do(lambda page: page.locator(f"{CSS} .scroll").focus())
    hand.press("Home")
    hand.until(f"() => ({scrolled})() === 0")
    before = hand.browser.evaluate(view)
    wheel()
    hand.until(f"() => ({scrolled})() > 50")
    assert hand.browser.evaluate(view) == before


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


def test_many_keys_are_no_wall_on_a_narrow_node(hand: Hand) -> None:
    keys = [{"id": f"k{i}", "frame": 5 * i, "image": FILES[i % 4]} for i in range(200)]
    hand.load({"version": 1, "length": 1000, "keys": keys}, (225, 470))
    boxes = f"""() => [...document.querySelectorAll('{CSS} .card')].map(
        card => [card.offsetLeft, card.offsetWidth, card.querySelector('.number').textContent])"""
    cards = sorted(hand.browser.evaluate(boxes))
    assert len(cards) <= 8 and sum(int(text[1:]) for *_, text in cards) == 200
    for (left, width, _), (after, *_) in zip(cards, cards[1:], strict=False):
        assert width >= 18 and left + width <= after
    for _ in range(6):
        if hand.browser.evaluate(f"() => document.querySelector('{CSS} [data-key=k1]')"):
            break
        hand.click(".card.stack")
        hand.browser.evaluate(DRAWN)
    hand.drag("[data-key=k1]", 2)
    assert hand.frames()[:3] == [0, 7, 10]
    hand.press("End")
    hand.until(f"() => ({HELD})()?.startsWith('Key 200, frame 996')")
    hand.browser.do(lambda page: page.locator(f"{CSS} [data-do=fit]").click())
    hand.until(f"() => ({HELD})()?.startsWith('Key 200,')")  # it stands out of its stack


def test_control_s_is_the_pages(hand: Hand) -> None:
    hand.click("[data-key=b]")
    hand.press("Control+s")
    dialog = "() => document.querySelector('[role=dialog] input, .p-dialog input')?.offsetWidth"
    hand.until(dialog)
    hand.press("Escape")
    hand.until(f"() => !({dialog})()")


def test_the_other_way_to_draw_nodes_while_it_is_open(hand: Hand) -> None:
    if len(hand.browser.renderers()) == 1:
        pytest.skip("this ComfyUI's page has one way only")
    switch = f"on => app.extensionManager.setting.set('{RENDERER}', on)"
    there = hand.renderer == NODES_2
    for on, frame in ((not there, 14), (there, 16)):
        hand.browser.evaluate(switch, on)
        hand.until(f"on => Boolean(document.querySelector('[data-node-id] {CSS}')) === on", on)
        hand.until(SHOWN)
        hand.until(LIVE)
        hand.fit()
        hand.drag("[data-key=b]", 2)
        assert hand.frames() == [0, frame, 24, 40]


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

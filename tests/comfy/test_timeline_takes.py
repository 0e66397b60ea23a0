"""What was made, on the timeline: states, takes, the player, sound, a frame as a key."""

from __future__ import annotations

import json
import re
import wave
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from timeline_hand import CSS, FILES, HELD, NODES, Hand, sheet

from toon_core.shots.promote import promote
from toon_core.shots.reading import read_sheet

if TYPE_CHECKING:
    from headless import Headless


PLAYER = f"document.querySelector('{CSS}').toonTimeline.player"


def write_sound(path: Path) -> None:
    """A second of silence and one of sound."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000) + b"\x00\x60\x00\xa0" * 4000)


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


def test_sound_is_drawn_where_it_is_heard(hand: Hand, server: Headless) -> None:
    write_sound(server.base / "input" / "late.wav")
    hand.load(sheet(audio={"file": "late.wav", "offset": -0.5}))
    path = f"document.querySelector('{CSS} .sound path')?.getAttribute('d')"
    hand.until(f"() => {path}?.match(/v2[0-9]/)")
    lines = re.findall(r"M([\d.]+) [\d.]+v([\d.]+)", hand.browser.evaluate(f"() => {path}"))
    loud = [float(x) for x, height in lines if float(height) > 15]
    left = f"id => parseFloat(document.querySelector(`{CSS} [data-key=${{id}}]`).style.left)"
    begin, end = (hand.browser.evaluate(left, id) for id in "bd")
    frame = (end - begin) / 28
    assert abs(min(loud) - begin) <= frame and abs(max(loud) - (begin + 24 * frame)) <= frame


COLOURS = [(40 * n, 255 - 40 * n, 90) for n in range(6)]


def rendered(hand: Hand, base: Path, **more: Any) -> dict[str, Any]:
    """Files as Toon Render Shot leaves them, three takes of segment a, and what it tells of them;
    a drawing of segment a is one colour."""
    folder = base / "output" / "toontween" / "seen"
    (folder / "takes").mkdir(parents=True, exist_ok=True)
    for n in range(48):
        pixels = np.full((32, 64, 3), COLOURS[min(n, 11) // 2], np.uint8)
        Image.fromarray(pixels).save(folder / f"frame_{n:04d}.png")
    for n in range(1, 4):
        strip = np.repeat(np.arange(16, dtype=np.uint8) * 16, 32)[:, None, None]
        Image.fromarray(np.broadcast_to(strip, (512, 64, 3)) // n).save(
            folder / "takes" / f"a_{n}.png"
        )
    takes = [{"name": f"a_{n}", "frames": 16} for n in (1, 2, 3)]
    of_a = {"from": "a", "state": "made", "take": "a_1", "takes": takes, "begin": 0, "span": 12}
    return {
        "sheet": hand.text(),
        "folder": "toontween/seen",
        "segments": [of_a | {"frames": [2, 5, 7, 10, 12]}],
        "rendered": {"version": "1", "frames": 48},
        **more,
    }


TELLS = f"() => document.querySelector('{CSS} .tells').textContent"
WHICH = f"() => document.querySelector('{CSS} .takes .which').textContent"


def unlocked() -> dict[str, Any]:
    document = sheet()
    del document["segments"][0]["lock"]
    return document


def test_flipping_through_takes_and_locking_one(hand: Hand, server: Headless) -> None:
    hand.load(unlocked())
    hand.tell(rendered(hand, server.base))
    hand.click("[data-segment=a]")
    hand.until(f"() => ({WHICH})() === 'Take 1 of 3, used'")
    text, states = hand.text(), hand.undo_states()
    hand.press("]")
    hand.until(f"() => ({WHICH})() === 'Take 2 of 3'")
    hand.until(f"() => /take 2 of 3/.test(({TELLS})())")  # it plays
    picture = f"() => document.querySelector('{CSS} .stage img')?.src.includes('a_2.png')"
    hand.until(picture)
    hand.press("[", "[")
    hand.until(f"() => ({WHICH})() === 'Take 3 of 3'")
    thumbnails = hand.browser.evaluate(
        f"() => document.querySelectorAll('{CSS} .takes [data-take] img').length"
    )
    assert thumbnails == 3
    hand.browser.do(lambda page: page.locator(f"{CSS} [data-take=a_2]").click())
    hand.until(f"() => ({WHICH})() === 'Take 2 of 3'")
    assert hand.text() == text and hand.undo_states() == states, "looking changes nothing"
    hand.browser.do(lambda page: page.locator(f"{CSS} .takes .lock").click())
    assert hand.sheet()["segments"][0]["lock"] == "a_2" and hand.undo_states() == states + 1
    hand.until(f"() => ({WHICH})() === 'Take 2 of 3, used'")
    hand.browser.do(lambda page: page.locator(f"{CSS} .scroll").focus())
    hand.press("l")
    assert "lock" not in hand.sheet()["segments"][0]
    assert hand.undo_states() == states + 2


def test_it_plays_what_is_made_at_the_sheets_rate(hand: Hand, server: Headless) -> None:
    hand.load({**unlocked(), "fps": 12})
    hand.tell(rendered(hand, server.base))
    hand.click("[data-segment=a]")
    hand.press("Space")
    plays = f"""() => {{ const {{player}} = document.querySelector('{CSS}').toonTimeline
        return player.plays && player.began !== null }}"""
    hand.until(plays)
    seen, files = hand.browser.evaluate(
        f"""async () => {{
        const {{toonTimeline: timeline, toonTimeline: {{player}}}} = document.querySelector('{CSS}')
        const seen = [], files = new Set(), {{load}} = player
        player.load = (frame, to) => {{ // at every new frame
            seen.push([performance.now() - player.began, frame])
            return load.call(player, frame, to) }}
        while (new Set(seen.map(([, frame]) => frame)).size < 12) {{
            await new Promise(requestAnimationFrame)
            const src = timeline.parts.stage.querySelector('img')?.src ?? ''
            files.add(new URL(src, location).searchParams.get('filename')) }}
        delete player.load
        return [seen, [...files]] }}"""
    )
    for at, frame in seen:  # a busy machine leaves some out, and then goes on where it should
        assert frame in (int(at * 12 / 1000) % 12, int((at - 30) * 12 / 1000) % 12)
    assert {frame for _, frame in seen} == set(range(12)), "the segment, over and over"
    assert set(files) <= {f"frame_{n:04d}.png" for n in range(0, 12, 2)}, "a drawing is loaded once"
    hand.press("Space")
    hand.until(f"() => !document.querySelector('{CSS}').toonTimeline.player.plays")
    hand.press("Escape")
    hand.look_at(14)
    hand.until(f"() => ({TELLS})() === '15 · not made: the key is held'")
    hand.press("ArrowLeft", "Shift+ArrowLeft")
    hand.until(f"() => ({TELLS})() === '4 · rendered'")
    hand.click("[data-segment=a]")
    hand.press("1")
    hand.look_at(5)
    hand.until(f"() => ({TELLS})() === '6 · take 1 of 3'")  # timed anew, from the take
    top = f"() => parseFloat(document.querySelector('{CSS} .stage img').style.top)"
    hand.until(f"() => ({top})() < -400")


def test_the_sound_goes_with_the_film(hand: Hand, server: Headless) -> None:
    write_sound(server.base / "input" / "late.wav")
    hand.load({**unlocked(), "audio": {"file": "late.wav", "offset": 0.25}})
    hand.press("Space")  # nothing has the keyboard
    assert not hand.browser.evaluate(f"() => {PLAYER}.plays")
    hand.click("[data-segment=b]")
    hand.press("Space")
    hand.until(f"() => {PLAYER}.sound.audio?.currentTime > 0.3")
    apart = f"""() => {{ const {{frame, sound: {{audio}}}} = {PLAYER}
        return Math.abs((frame + 0.5) / 24 - 0.25 - audio.currentTime) }}"""
    assert hand.browser.evaluate(apart) < 0.3
    paused = f"() => {PLAYER}.sound.audio.paused"
    assert not hand.browser.evaluate(paused)
    hand.press("Space")
    hand.until(paused)


def test_a_rendered_frame_becomes_a_key(hand: Hand, server: Headless) -> None:
    """As toon_core.shots.promote has it."""
    asked = unlocked()
    asked["segments"][0] |= {"slow_in": 0.5, "slow_out": 0.25, "seed": 5, "exposure": 2}
    asked["sketches"] = [{"frame": 6, "image": FILES[0]}]
    hand.load(asked)
    hand.tell(rendered(hand, server.base))
    hand.click("[data-segment=a]")
    hand.press("Space", "Space", "Escape")
    hand.look_at(1)
    button = f"() => document.querySelector('{CSS} .promote').disabled"
    hand.until(f"() => ({TELLS})() === '2 · rendered' && ({button})()")  # the key itself
    hand.look_at(6)
    hand.until(f"() => ({TELLS})() === '7 · rendered' && !({button})()")
    states = hand.undo_states()
    hand.browser.do(lambda page: page.locator(f"{CSS} .promote").click())
    hand.until_frames(0, 6, 12, 24, 40)
    now = hand.sheet()
    new = now["keys"][1]
    assert new["image"].startswith("toontween/frame_0007")
    file = server.base / "input" / new["image"]
    made = server.base / "output" / "toontween" / "seen" / "frame_0006.png"
    assert file.read_bytes() == made.read_bytes()
    assert hand.undo_states() == states + 1
    expected = promote(read_sheet(asked), 6, new["image"])
    id = expected.keys[1].id
    keys = tuple(replace(key, id=new["id"]) if key.id == id else key for key in expected.keys)
    segments = tuple(
        replace(one, from_=new["id"]) if one.from_ == id else one for one in expected.segments
    )
    assert read_sheet(now) == replace(expected, keys=keys, segments=segments)
    assert "base64" not in hand.browser.evaluate("() => JSON.stringify(app.graph.serialize())")
    hand.until(f"() => ({HELD})()?.startsWith('Breakdown 2, frame 7')")


def test_states_are_told_apart_without_colour(hand: Hand) -> None:
    keys = [*sheet()["keys"], {"id": "e", "frame": 47, "image": FILES[0]}]
    hand.load({**sheet(), "keys": keys, "segments": []})
    told = hand.text()
    states = zip("abcd", ("made", "stale", "at work", "failed"), strict=True)
    old = json.loads(told)
    old["segments"] = [{"from": "b", "prompt": "before it was edited"}]
    for id, state in states:
        news = {"from": id, "state": "made" if state == "stale" else state}
        about = json.dumps(old) if state == "stale" else told
        hand.tell({"sheet": about, "segments": [news]})
    look = f"""() => [...document.querySelectorAll('{CSS} .segment[data-state]')].slice(0, 4).map(
        one => [one.dataset.state, getComputedStyle(one, '::before').content, one.title])"""
    hand.until(f"() => ({look})().map(one => one[0]).join() === 'made,stale,at work,failed'")
    found = hand.browser.evaluate(look)
    assert len({sign for _, sign, _ in found}) == 4 and all(len(s) == 3 for _, s, _ in found)
    assert all(title.endswith(state) for state, _, title in found), "also for a screen reader"
    hand.tell({"sheet": told, "segments": [{"from": "c", "state": ""}]})
    hand.until(f"() => ({look})()[2][0] === ''")  # cancelled


def test_sound_of_a_link_is_drawn(hand: Hand, server: Headless) -> None:
    told = rendered(hand, server.base)
    told["rendered"] |= {"peaks": [0] * 100 + [255] * 100, "rate": 100, "movie": "shot.mp4"}
    hand.tell(told)
    path = f"document.querySelector('{CSS} .sound path')?.getAttribute('d')"
    hand.until(f"() => {path}?.match(/v28/)")
    lines = re.findall(r"M([\d.]+) [\d.]+v([\d.]+)", hand.browser.evaluate(f"() => {path}"))
    loud = [float(x) for x, height in lines if float(height) > 15]
    left = f"id => parseFloat(document.querySelector(`{CSS} [data-key=${{id}}]`).style.left)"
    assert abs(min(loud) - hand.browser.evaluate(left, "c")) <= 12, "a second on, frame 25"

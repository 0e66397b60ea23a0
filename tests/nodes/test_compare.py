"""Toon Compare Clips in ComfyUI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import node

if TYPE_CHECKING:
    from inprocess import Comfy


def flat(level: float, frames: int = 5, height: int = 12, width: int = 30) -> torch.Tensor:
    """Frames whose number is in the second channel."""
    clip = torch.full((frames, height, width, 3), level)
    clip[..., 1] = torch.arange(frames).view(-1, 1, 1) / 10
    return clip


def compare(comfy: Comfy, *clips: torch.Tensor, **changes: Any) -> torch.Tensor:
    given = {f"clip_{'abc'[i]}": comfy.give(clip) for i, clip in enumerate(clips)}
    prompt = {str(i): item for i, item in enumerate(given.values())}
    links = {name: [str(i), 0] for i, name in enumerate(given)}
    values = {"layout": "strip", "columns": 3, "position": 0.5, **changes}
    run = comfy.run(prompt | {"9": node("ToonCompareClips", **links, **values)}, keep=["9"])
    assert run.success, run.error
    return run.value("9")


def test_a_strip_has_a_row_for_each_clip_and_both_ends(comfy: Comfy) -> None:
    a, b = flat(0.2), flat(0.7)
    picture = compare(comfy, a, b)
    assert picture.shape == (1, 12 + 4 + 12, 30 * 3 + 4 * 2, 3)
    assert torch.equal(picture[0, :12, :30], a[0]) and torch.equal(picture[0, :12, -30:], a[4])
    assert torch.equal(picture[0, 16:, 34:64], b[2])
    assert picture[0, 12:16].eq(1).all()


def test_a_wipe_shows_one_clip_left_and_the_other_right(comfy: Comfy) -> None:
    a, b, c = flat(0.2), flat(0.7), flat(0.4)
    two = compare(comfy, a, b, layout="wipe", position=0.4)
    assert torch.equal(two[:, :, :11], a[:, :, :11]) and torch.equal(two[:, :, 13:], b[:, :, 13:])
    assert two[:, :, 11:13].eq(1).all()
    whole = compare(comfy, a, b, layout="wipe", position=1.0)
    assert torch.equal(whole, a)
    three = compare(comfy, a, b, c, layout="wipe", position=0.4)
    assert torch.equal(three[:, :, 14:19], b[:, :, 14:19])
    assert torch.equal(three[:, :, 22:], c[:, :, 22:])


def test_a_moving_wipe_goes_from_one_clip_to_the_other(comfy: Comfy) -> None:
    a, b = flat(0.2), flat(0.7)
    made = compare(comfy, a, b, layout="moving wipe")
    assert torch.equal(made[0], b[0]) and torch.equal(made[-1], a[-1])
    share = (made[..., 0] == 0.2).float().mean(dim=(1, 2))
    assert (share.diff() > 0).all()


def test_another_size_is_fitted_to_the_first_clips(comfy: Comfy) -> None:
    made = compare(comfy, flat(0.2), flat(0.7, height=24, width=20), layout="side by side")
    assert made.shape == (5, 12, 64, 3)
    torch.testing.assert_close(made[:, :, 34:], flat(0.7))


def test_clips_of_different_lengths_are_refused(comfy: Comfy) -> None:
    prompt = {"1": comfy.give(flat(0.2)), "2": comfy.give(flat(0.2, frames=4))}
    values = {"clip_a": ["1", 0], "clip_b": ["2", 0], "layout": "strip"}
    prompt["9"] = node("ToonCompareClips", **values, columns=3, position=0.5)
    run = comfy.run(prompt, keep=["9"])
    assert not run.success and "clip_a 5, clip_b 4 frames" in run.error


@pytest.mark.parametrize("layout", ["strip", "moving wipe"])
def test_the_page_gets_a_preview(comfy: Comfy, layout: str) -> None:
    prompt = {"1": comfy.give(flat(0.2)), "2": comfy.give(flat(0.7))}
    values = {"clip_a": ["1", 0], "clip_b": ["2", 0], "layout": layout}
    prompt["9"] = node("ToonCompareClips", **values, columns=3, position=0.5)
    run = comfy.run(prompt)
    assert run.success, run.error
    [shown] = [event["output"]["images"] for event in run.of_kind("executed")]
    assert len(shown) == (1 if layout == "strip" else 5)

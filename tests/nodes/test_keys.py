"""Key frames of other shapes, and transparent ones: nothing of them is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import decode, encode, node, picture, sample
from PIL import Image

if TYPE_CHECKING:
    from inprocess import Comfy


def encoded(toon: Comfy, first: Any, last: Any, **changes: Any) -> Any:
    return toon.run(encode(toon, first, last, **changes), keep=["4"])


def same(a: Any, b: Any) -> None:
    """Everything the model is conditioned on."""
    assert a.success and b.success, (a.error, b.error)
    for slot in (0, 2):
        (tokens, values), (wanted, others) = a.value("4", slot)[0], b.value("4", slot)[0]
        assert torch.equal(tokens, wanted)
        assert torch.equal(values["concat_latent_image"], others["concat_latent_image"])


def masked(toon: Comfy, mask: torch.Tensor, **changes: Any) -> Any:
    prompt = encode(toon, picture(1), picture(2), first_mask=["7", 0], **changes)
    return toon.run({**prompt, "7": toon.give(mask)}, keep=["4"])


def half(size: tuple[int, int] = (64, 64)) -> torch.Tensor:
    """A MASK: transparent on the left."""
    mask = torch.zeros(1, *size)
    mask[..., : size[1] // 2] = 1
    return mask


@pytest.mark.parametrize(
    ("fill", "rgb"), [("white", (1, 1, 1)), ("#ff0080", (1, 0, 128 / 255)), (None, (1, 1, 1))]
)
def test_alpha_is_filled(toon: Comfy, fill: str | None, rgb: Any) -> None:
    """An alpha channel and a MASK of the same places are one; and the user reads of it."""
    options = {"fill": fill} if fill else {}
    on_colour = picture(1).clone()
    on_colour[:, :, :32] = torch.tensor(rgb)
    wanted = encoded(toon, on_colour, picture(2))
    assert wanted.said("4") in ([], [" "])
    alpha = torch.cat([picture(1), 1 - half()[..., None]], dim=-1)
    for run in (encoded(toon, alpha, picture(2), **options), masked(toon, half(), **options)):
        same(run, wanted)
        assert run.said("4")[-1] == (
            f"first_image: 50% transparent, filled with {fill or 'white'}."
        )


def test_half_transparent_places_are_mixed(comfy: Comfy) -> None:
    image, mask = torch.full((2, 4, 4, 4), 0.2), torch.full((1, 4, 4), 0.5)
    image[..., 3] = 0.5
    made, part = comfy.part("alpha").filled(image, mask, "#ffffff", "first_image")
    assert part == pytest.approx(0.75)  # of a mask over an alpha channel
    torch.testing.assert_close(made, torch.full((2, 4, 4, 3), 0.25 * 0.2 + 0.75))


def test_opaque_pictures_stay_as_they_are(toon: Comfy) -> None:
    """Load Image gives an empty mask of 64x64 for every picture without transparency."""
    wanted = encoded(toon, picture(1, (128, 64)), picture(2, (128, 64)))
    prompt = encode(toon, picture(1, (128, 64)), picture(2, (128, 64)), first_mask=["7", 0])
    prompt["7"] = toon.give(torch.zeros(1, 64, 64))
    same(toon.run(prompt, keep=["4"]), wanted)
    opaque = torch.cat([picture(1, (128, 64)), torch.ones(1, 128, 64, 1)], dim=-1)
    same(encoded(toon, opaque, picture(2, (128, 64))), wanted)


def test_load_images_own_mask(toon: Comfy) -> None:
    """A transparent PNG as a user has it."""
    drawn = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    drawn.paste((200, 30, 30, 255), (32, 0, 64, 64))
    drawn.save(toon.base / "input" / "drawn.png")
    prompt = encode(toon, picture(1), picture(2), first_image=["8", 0], first_mask=["8", 1])
    prompt["8"] = node("LoadImage", image="drawn.png")
    flat = torch.ones(1, 64, 64, 3)
    flat[:, :, 32:] = torch.tensor([200, 30, 30]) / 255
    run = toon.run(prompt, keep=["4"])
    same(run, encoded(toon, flat, picture(2)))
    assert "first_image: 50% transparent" in run.said("4")[-1]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (half((32, 64)), "first_mask is 64x32 and first_image 64x64: connect the MASK of the node"),
        (half().repeat(3, 1, 1), "first_mask is 3 of 64x64 and first_image 64x64"),
        (half()[None], "first_mask is of the shape (1, 1, 64, 64)"),
        (half() * float("nan"), "first_mask holds NaN"),
    ],
)
def test_masks_of_other_pictures(toon: Comfy, mask: torch.Tensor, message: str) -> None:
    assert message in masked(toon, mask).error


@pytest.mark.parametrize("fill", ["no such colour", "#12", "", "#ffffff80"])
def test_fill_that_is_no_colour_is_refused_at_once(toon: Comfy, fill: str) -> None:
    with pytest.raises(ValueError, match="is no colour: give a name like white, or #rrggbb"):
        encoded(toon, picture(1), picture(2), fill=fill)


@pytest.mark.parametrize(
    ("fit", "first", "last", "lines"),
    [
        ("crop", (64, 64), (128, 128), []),
        (
            "crop",
            (72, 128),
            (72, 128),
            ["Both keys: 43% cut off by the crop from 128x72 to 64x64"],
        ),
        (
            "crop",
            (128, 96),
            (64, 64),
            ["first_image: 25% cut off by the crop from 96x128 to 64x64"],
        ),
        (
            "pad",
            (64, 64),
            (72, 128),
            ["the clip is 64x36, where both have picture; cut off: 44% of first_image."],
        ),
        ("pad", (72, 128), (144, 256), []),
        ("stretch", (64, 64), (72, 128), ["last_image is stretched to that of first_image"]),
        ("stretch", (72, 128), (144, 256), []),
    ],
)
def test_what_a_fit_takes_stands_on_the_node(
    toon: Comfy, caplog: Any, fit: str, first: Any, last: Any, lines: list[str]
) -> None:
    run = encoded(toon, picture(1, first), picture(2, last), fit=fit)
    said = run.said("4")[-1].strip().split("\n") if run.said("4") else []
    assert len([s for s in said if s]) == len(lines)
    assert all(line in text for line, text in zip(lines, said, strict=False))
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warned == [f"node 4: {text}" for text in said if text]


def test_bars_of_the_frame_stand_on_the_node(toon: Comfy) -> None:
    """The release's crop of an upright picture into a wide frame."""
    run = encoded(toon, picture(1, (128, 64)), picture(2, (64, 128)), width=128)
    assert "first_image: bars fill 50% of its frame" in run.said("4")[-1]
    assert "first_image: 50% cut off" in run.said("4")[-1]


def test_no_bars_of_either_key_stay_in_the_clip(toon: Comfy) -> None:
    """A square and a wide key, as white pictures: grey bars would be dark."""
    first, last = torch.ones(1, 64, 64, 3), torch.ones(1, 72, 128, 3)
    prompt = {**encode(toon, first, last, fit="pad", width=128), **sample(steps=1, cfg_scale=1.0)}
    run = toon.run({**prompt, **decode()}, keep=["4", "6"])
    assert run.success, run.error
    assert run.value("6").shape == (4, 64, 64, 3)  # of 64x64 and 114x64 in the middle
    fit = run.value("4", 3)["toon"].fit
    frame = fit.of((72, 128)).apply(last.movedim(-1, 1) * 2 - 1)
    assert fit.undo(frame).min() > 0.99

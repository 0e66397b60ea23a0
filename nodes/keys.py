"""What Toon Encode Keys does: pictures to their place, to tokens and to latents."""

from __future__ import annotations

from typing import Any, get_args

from torch import Tensor

from ..toon_core.conditioning.encode import Keys, encode_branches, encode_keys
from ..toon_core.guidance import Branches
from ..toon_core.images import Fit, Mode
from . import finite, host, memory, tensors
from .clips import TextBranches
from .noise import posterior_noise
from .types import TOKENS_KEY, LoadedAutoencoder, LoadedConditioner

OWN_SIZE: dict[str, Mode] = {f"{mode} to own size": mode for mode in get_args(Mode)}
FITS = (*get_args(Mode), *OWN_SIZE)


def pair(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Two IMAGE batches -> as many first as last frames (b 3 h w) in [-1, 1]."""
    first = tensors.to_core(first, "first_image")
    last = tensors.to_core(last, "last_image")
    counts = {len(first), len(last)}
    if len(counts) == 2 and 1 not in counts:
        raise ValueError(
            f"first_image is a batch of {len(first)} and last_image of {len(last)}: give as many "
            "last frames as first frames, or one for all."
        )
    most = max(counts)
    return first.expand(most, -1, -1, -1), last.expand(most, -1, -1, -1)


def fit_of(first: Tensor, size: tuple[int, int], choice: Any) -> Fit:
    """Where the pictures come: into (height, width), or to their own size, for which `size` is
    not used."""
    source = (first.shape[-2], first.shape[-1])
    if choice in OWN_SIZE:
        return Fit.nearest(source, OWN_SIZE[choice])
    return Fit(source, size, choice)


def both_fits(fit: Fit, last: Tensor) -> tuple[Fit, Fit]:
    """The first key's fit and the last's, each of which knows the other."""
    first_size, last_size = fit.source, (last.shape[-2], last.shape[-1])
    return fit.beside(last_size), fit.of(last_size).beside(first_size)


def token_branches(
    loaded: LoadedConditioner,
    text: TextBranches,
    image: Any,
    first: Tensor,
    prompt: str,
    negative: str,
) -> Branches:
    """Context tokens of the three branches, on ComfyUI's intermediate device."""
    device, dtype = loaded.patcher.load_device, loaded.module.dtype
    width = loaded.module.resampler.config.embedding_dim
    room = memory.towers(width, len(first), dtype.itemsize)
    host.load([loaded.patcher], room, whole=True)
    branches = encode_branches(
        text(prompt, negative),
        image,
        loaded.module.resampler,
        first.to(device, dtype),
        grey=loaded.config.recipe.grey_uncond_image,
    )
    for tokens in vars(branches).values():
        finite.check(tokens, finite.TOWERS, dtype, loaded.module)
    return Branches(*(host.to_intermediate(t).float() for t in vars(branches).values()))


def key_latents(
    loaded: LoadedAutoencoder, keys: tuple[Tensor, Tensor], length: int, seed: int
) -> Keys:
    """Both keys (b 3 h w), fitted, encoded. The latents are unscaled, as ComfyUI's LATENT is; the
    model's latent format scales them."""
    device, config = loaded.patcher.load_device, loaded.config.vae
    count, _, height, width = keys[0].shape
    h, w = (side // config.downsample for side in (height, width))
    noise = posterior_noise(seed, count, length, config.z_channels, h, w)

    def run() -> Keys:
        host.load([loaded.patcher], memory.encode(loaded, 2 * count, (height, width)))
        begin, end, drawn = (x.to(device, loaded.module.dtype) for x in (*keys, noise))
        return encode_keys(loaded.module, begin, end, drawn, scale_factor=1.0)

    made = finite.made_again(
        loaded, finite.ENCODER, run, lambda made: (made.concat, *made.references)
    )
    return Keys(made.concat.float(), made.references)


def conditioning(tokens: Tensor, shared: dict[str, Any]) -> list:
    """ComfyUI's CONDITIONING of one branch."""
    return [[tokens, {**shared, TOKENS_KEY: tokens.shape[1]}]]

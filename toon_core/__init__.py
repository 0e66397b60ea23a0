"""ToonTween's core: the whole of ToonCrafter in plain torch, with no ComfyUI in it.

Legend for shapes: b batch, f frames, c channels, h w size (latent or pixel), n tokens, d width;
t is always the diffusion step. Images are floats in [-1, 1], (b c h w); clips are (b c f h w).

Read first: `pipeline.py` (the method), then `denoiser.py`, then `unet/model.py`.
"""


def load(path, **options):
    """Load any ToonCrafter-family file; see `toon_core.weights.load.load`."""
    from .weights.load import load as load_file

    return load_file(path, **options)

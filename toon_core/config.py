"""The schema of every part: frozen dataclasses. Field names are the official configuration's;
`official.py` reads the release's own options into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from .preview import Preview
from .recipe import Recipe

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Part:
    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class UNetConfig(_Part):
    """3D UNet (architecture.md 2). Widths must be multiples of `norm_groups`."""

    in_channels: int = 8  # noisy latent and concatenated key latents
    out_channels: int = 4
    model_channels: int = 320
    attention_resolutions: tuple[int, ...] = (4, 2, 1)  # downsample factors with transformers
    num_res_blocks: int = 2
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_head_channels: int = 64
    transformer_depth: int = 1
    context_dim: int = 1024
    temporal_length: int = 16
    default_fs: int = 24  # used when no frame rate is given
    dropout: float = 0.1  # training only
    norm_groups: int = 32  # released; small widths want fewer, or colours are normalised away

    def __post_init__(self) -> None:
        for mult in self.channel_mult:
            _require_multiple("width", self.model_channels * mult, self.norm_groups)
            _require_multiple("width", self.model_channels * mult, self.num_head_channels)


@dataclass(frozen=True, kw_only=True)
class SketchConfig(_Part):
    """Sketch encoder (architecture.md 10): the UNet's spatial encoder beside a hint network."""

    in_channels: int = 4
    hint_channels: int = 1
    model_channels: int = 320
    attention_resolutions: tuple[int, ...] = (4, 2, 1)
    num_res_blocks: int = 2
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_head_channels: int = 64
    transformer_depth: int = 1
    context_dim: int = 1024
    dropout: float = 0.0
    norm_groups: int = 32


@dataclass(frozen=True, kw_only=True)
class VAEConfig(_Part):
    """KL autoencoder f8 (architecture.md 6). `references` and `pseudo_3d` make its decoder the
    dual-reference 3D decoder; both off is the plain decoder of DynamiCrafter's files."""

    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    in_channels: int = 3
    out_ch: int = 3
    z_channels: int = 4
    references: bool = True
    pseudo_3d: bool = True
    norm_groups: int = 32
    reference_heads: int = 8  # of the cross-attention to the keys, whatever the channel count
    reference_head_width: int = 64
    reference_nearness: bool = False  # not the release's: that attention also knows where it is

    @property
    def plain(self) -> bool:
        return not (self.references or self.pseudo_3d)

    @property
    def downsample(self) -> int:
        return 2 ** (len(self.ch_mult) - 1)


@dataclass(frozen=True, kw_only=True)
class ResamplerConfig(_Part):
    """Image projector (architecture.md 3): `num_queries` tokens for each of `video_length`."""

    dim: int = 1024
    depth: int = 4
    dim_head: int = 64
    heads: int = 12
    num_queries: int = 16
    embedding_dim: int = 1280
    output_dim: int = 1024
    ff_mult: int = 4
    video_length: int | None = 16  # None: one group for all frames


@dataclass(frozen=True, kw_only=True)
class CLIPConfig(_Part):
    """Both OpenCLIP towers (architecture.md 4 and 5); defaults are ViT-H-14."""

    embed_dim: int = 1024
    text_width: int = 1024
    text_heads: int = 16
    text_layers: int = 24
    vocab_size: int = 49408
    context_length: int = 77
    vision_width: int = 1280
    vision_layers: int = 32
    vision_head_width: int = 80
    image_size: int = 224
    patch_size: int = 14


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(_Part):
    """Noise schedule (architecture.md 7)."""

    linear_start: float = 0.00085
    linear_end: float = 0.012
    timesteps: int = 1000
    rescale_betas_zero_snr: bool = True
    base_scale: float = 0.7  # dynamic rescale at and after `turning_step`
    turning_step: int = 400


@dataclass(frozen=True, kw_only=True)
class ToonConfig:
    """The complete model; `clip` and `resampler` are None in files without them. `recipe` is how
    its own samples hold together best: the release's unless its file says otherwise; `preview`
    None, as in the release, is Stable Diffusion's."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    vae: VAEConfig = field(default_factory=VAEConfig)
    resampler: ResamplerConfig | None = field(default_factory=ResamplerConfig)
    clip: CLIPConfig | None = field(default_factory=CLIPConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    scale_factor: float = 0.18215
    recipe: Recipe = Recipe()
    preview: Preview | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; ValueError on unknown fields."""
        known = [f.name for f in fields(cls)]
        if unknown := sorted(values.keys() - set(known)):
            raise ValueError(f"ToonConfig: unknown fields {unknown}, expected {', '.join(known)}")
        kinds = PARTS | {"recipe": Recipe, "preview": Preview}
        given = {k: v for k, v in values.items() if k in kinds and v is not None}
        return cls(**{**values, **{k: from_fields(kinds[k], v) for k, v in given.items()}})


PARTS = {
    "unet": UNetConfig,
    "vae": VAEConfig,
    "resampler": ResamplerConfig,
    "clip": CLIPConfig,
    "schedule": ScheduleConfig,
}


def from_fields(kind: type[T], values: Mapping[str, Any]) -> T:
    """A part of its fields, as `to_dict` gives them or JSON and YAML do; ValueError on unknown
    ones."""
    try:
        return kind(**{k: _frozen(v) for k, v in values.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _require_multiple(name: str, value: int, of: int) -> None:
    if value % of:
        raise ValueError(f"{name} = {value} must be a multiple of {of}")

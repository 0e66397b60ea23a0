"""The schema of every part: frozen dataclasses. Field names are the official configuration's;
`official.py` reads the release's own options into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from . import ranges
from .preview import Preview
from .ranges import Within
from .recipe import Recipe

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
Part = Literal["unet", "vae", "resampler", "text", "image"]  # of a model

# Ranges that hold every released size many times over, and nothing that takes minutes to build.
Channels = Annotated[int, Within(1, 64)]
Width = Annotated[int, Within(1, 16384)]
Heads = Annotated[int, Within(1, 256)]
Depth = Annotated[int, Within(1, 64)]
Blocks = Annotated[int, Within(1, 16)]
Groups = Annotated[int, Within(1, 1024)]
Multiples = Annotated[tuple[int, ...], Within(1, 1024)]
Share = Annotated[float, Within(0, 1)]

SCALE_LENGTH = 1400  # of the released table of scales; indices from 1000 on are never used


@dataclass(frozen=True, kw_only=True)
class _Part:
    """ValueError for a field of another type or out of its range."""

    def __post_init__(self) -> None:
        ranges.check(self)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class UNetConfig(_Part):
    """3D UNet (architecture.md 2). Widths must be multiples of `norm_groups`."""

    in_channels: Channels = 8  # noisy latent and concatenated key latents
    out_channels: Channels = 4
    model_channels: Width = 320
    attention_resolutions: Multiples = (4, 2, 1)  # downsample factors with transformers
    num_res_blocks: Blocks = 2
    channel_mult: Multiples = (1, 2, 4, 4)
    num_head_channels: Width = 64
    transformer_depth: Blocks = 1
    context_dim: Width = 1024
    temporal_length: Width = 16
    default_fs: Annotated[int, Within(0, 1000)] = 24  # used when no frame rate is given
    dropout: Share = 0.1  # training only
    norm_groups: Groups = 32  # released; small widths want fewer, or colours are normalised away

    def __post_init__(self) -> None:
        super().__post_init__()
        for mult in self.channel_mult:
            _require_multiple("width", self.model_channels * mult, self.norm_groups)
            _require_multiple("width", self.model_channels * mult, self.num_head_channels)


@dataclass(frozen=True, kw_only=True)
class SketchConfig(_Part):
    """Sketch encoder (architecture.md 10): the UNet's spatial encoder beside a hint network."""

    in_channels: Channels = 4
    hint_channels: Channels = 1
    model_channels: Width = 320
    attention_resolutions: Multiples = (4, 2, 1)
    num_res_blocks: Blocks = 2
    channel_mult: Multiples = (1, 2, 4, 4)
    num_head_channels: Width = 64
    transformer_depth: Blocks = 1
    context_dim: Width = 1024
    dropout: Share = 0.0
    norm_groups: Groups = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        for mult in self.channel_mult:
            _require_multiple("width", self.model_channels * mult, self.norm_groups)
            _require_multiple("width", self.model_channels * mult, self.num_head_channels)


@dataclass(frozen=True, kw_only=True)
class VAEConfig(_Part):
    """KL autoencoder f8 (architecture.md 6). `references` and `pseudo_3d` make its decoder the
    dual-reference 3D decoder; both off is the plain decoder of DynamiCrafter's files."""

    ch: Width = 128
    ch_mult: Multiples = (1, 2, 4, 4)
    num_res_blocks: Blocks = 2
    in_channels: Channels = 3
    out_ch: Channels = 3
    z_channels: Channels = 4
    references: bool = True
    pseudo_3d: bool = True
    norm_groups: Groups = 32
    reference_heads: Heads = 8  # of the cross-attention to the keys, whatever the channel count
    reference_head_width: Width = 64
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

    dim: Width = 1024
    depth: Depth = 4
    dim_head: Width = 64
    heads: Heads = 12
    num_queries: Width = 16
    embedding_dim: Width = 1280
    output_dim: Width = 1024
    ff_mult: Heads = 4
    video_length: Width | None = 16  # None: one group for all frames


@dataclass(frozen=True, kw_only=True)
class CLIPConfig(_Part):
    """Both OpenCLIP towers (architecture.md 4 and 5); defaults are ViT-H-14."""

    embed_dim: Width = 1024
    text_width: Width = 1024
    text_heads: Heads = 16
    text_layers: Depth = 24
    vocab_size: Annotated[int, Within(1, 1_000_000)] = 49408
    context_length: Annotated[int, Within(1, 1024)] = 77
    vision_width: Width = 1280
    vision_layers: Depth = 32
    vision_head_width: Width = 80
    image_size: Width = 224
    patch_size: Width = 14


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(_Part):
    """Noise schedule (architecture.md 7)."""

    linear_start: Annotated[float, Within(1e-8, 0.5)] = 0.00085
    linear_end: Annotated[float, Within(1e-8, 0.5)] = 0.012
    timesteps: Annotated[int, Within(2, SCALE_LENGTH)] = 1000
    rescale_betas_zero_snr: bool = True
    base_scale: Annotated[float, Within(0.01, 1)] = (
        0.7  # dynamic rescale at and after `turning_step`
    )
    turning_step: Annotated[int, Within(1, SCALE_LENGTH)] = 400


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
    scale_factor: Annotated[float, Within(1e-6, 1000)] = 0.18215
    recipe: Recipe = Recipe()
    preview: Preview | None = None

    def __post_init__(self) -> None:
        ranges.check(self)

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

"""The schema of every part: frozen dataclasses, also readable from the official release's YAML.

Field names are the official configuration's. `from_official` of a part accepts the release's
own dictionary: options this code has no branch for must have the released value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from .preview import Preview
from .recipe import Recipe

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, kw_only=True)
class _Part:
    @classmethod
    def from_official(cls, options: Mapping[str, Any]) -> Self:
        """Read the release's dictionary; ValueError on an option or a value unknown here."""
        names = {f.name for f in fields(cls)}
        known = {k: _frozen(v) for k, v in options.items() if k in names}
        for key in options.keys() - names:
            expected = cls._fixed().get(key, _UNKNOWN)
            if expected is _UNKNOWN:
                raise ValueError(f"{cls.__name__}: unknown option {key}={options[key]!r}")
            if expected is not _ANY and options[key] != expected:
                raise ValueError(
                    f"{cls.__name__}: {key}={options[key]!r} is not supported, only {expected!r}"
                )
        return cls(**known)

    @classmethod
    def _fixed(cls) -> dict[str, Any]:
        return {}

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_ANY, _UNKNOWN = object(), object()


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


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

    @classmethod
    def _fixed(cls) -> dict[str, Any]:
        return {
            "use_linear": True,
            "use_checkpoint": _ANY,
            "temporal_conv": True,
            "temporal_attention": True,
            "temporal_selfatt_only": True,
            "use_relative_position": False,
            "use_causal_attention": False,
            "addition_attention": True,
            "image_cross_attention": True,
            "image_cross_attention_scale_learnable": False,
            "fs_condition": True,
            "fps_condition": True,
            "dims": 2,
            "conv_resample": True,
            "legacy": _ANY,
        }


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

    @classmethod
    def _fixed(cls) -> dict[str, Any]:
        return {
            "image_size": _ANY,
            "use_checkpoint": _ANY,
            "use_spatial_transformer": True,
            "use_linear_in_transformer": True,
            "legacy": False,
        }


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

    @property
    def plain(self) -> bool:
        return not (self.references or self.pseudo_3d)

    @property
    def downsample(self) -> int:
        return 2 ** (len(self.ch_mult) - 1)

    @classmethod
    def _fixed(cls) -> dict[str, Any]:
        return {
            "double_z": True,
            "resolution": _ANY,
            "attn_resolutions": [],
            "dropout": 0.0,
            "attn_type": _ANY,
        }


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

    @classmethod
    def from_official(cls, options: Mapping[str, Any]) -> Self:
        text, vision = options["text_cfg"], options["vision_cfg"]
        return cls(
            embed_dim=options["embed_dim"],
            **{f"text_{k}": text[k] for k in ("width", "heads", "layers")},
            **{f"vision_{k}": vision[k] for k in ("width", "layers", "head_width")},
            **{k: text[k] for k in ("vocab_size", "context_length")},
            **{k: vision[k] for k in ("image_size", "patch_size")},
        )


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
        kinds = (UNetConfig, VAEConfig, ResamplerConfig, CLIPConfig, ScheduleConfig)
        names = ("unet", "vae", "resampler", "clip", "schedule")
        parts = dict(zip(names, kinds, strict=True)) | {"recipe": Recipe, "preview": Preview}
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"ToonConfig: unknown fields {sorted(unknown)}")
        return cls(**{k: _part(parts.get(k), v) for k, v in values.items()})


def _part(kind: type | None, value: Any) -> Any:
    if kind is None or value is None:
        return value
    try:
        return kind(**{k: _frozen(v) for k, v in value.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _require_multiple(name: str, value: int, of: int) -> None:
    if value % of:
        raise ValueError(f"{name} = {value} must be a multiple of {of}")

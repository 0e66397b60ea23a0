"""The model's own recipe in widgets: every widget that a recipe decides can leave it to the model,
and does so by default."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from ..toon_core.presets import full_size, turbo
from ..toon_core.recipe import LIMITS, Recipe
from . import host
from .model import native
from .model_sampling import sampling_of

OWN = "model's own"
SPACINGS = [OWN, "uniform_trailing", "uniform"]
SWITCH = [OWN, "on", "off"]

FIELDS = {"fs": "fps", "length": "frames", "strength": "sketch_scale"}  # where names differ
# What leaves a number to the model: 0 where that is no value of the field, -1 where it is one.
ZERO = ("steps", "cfg_scale", "fs", "width", "height", "length")


def sentinel(widget: str) -> float:
    return 0 if widget in ZERO else -1


def followed(recipe: Recipe, **widgets: Any) -> tuple[Recipe, str]:
    """The model's recipe with what the widgets set, and a text of what they left to it, such as
    "steps 6, cfg_scale 1"; empty where every widget was set.

    ValueError for a number that is neither in the field's range nor leaves it to the model.
    """
    own = [name for name, value in widgets.items() if value in (OWN, sentinel(name))]
    given = {FIELDS.get(k, k): _value(k, v) for k, v in widgets.items() if k not in own}
    taken = replace(recipe, **given)
    return taken, ", ".join(f"{k} {_text(getattr(taken, FIELDS.get(k, k)))}" for k in own)


def of_model(model: Any, fast: bool) -> Recipe:
    """The recipe of a MODEL, with its noise, or what turbo makes of it."""
    inner, sampling = native(model), sampling_of(model)
    own = replace(inner.toon.recipe, temperature=sampling.temperature)
    if not fast:
        return own
    r = turbo(own)
    unproven = " Measured on nano, not yet with this model." if full_size(inner.toon) else ""
    host.say(
        f"turbo: {r.reuse} steps share the UNet's deep features, and guidance, where there is any, "
        f"acts from {r.cfg_start:g} to {r.cfg_end:g} of the run.{unproven}"
    )
    return r


def settled(recipe: Recipe, **widgets: Any) -> Recipe:
    """`followed`, and what was left to the model is said on the node that runs."""
    taken, left = followed(recipe, **widgets)
    if left:
        host.say(f"The model's own: {left}")
    return taken


def _value(widget: str, value: Any) -> Any:
    if widget in ("replace_middle_frames", "keep_still"):
        return value == "on"
    if widget in LIMITS or widget in FIELDS:
        least, most = LIMITS[FIELDS.get(widget, widget)]
        if not least <= value <= most:  # nor NaN
            raise ValueError(
                f"{widget} = {value}: expected {least:g} to {most:g}, or {sentinel(widget)} for "
                "the model's own."
            )
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def steps_input(tooltip: str) -> io.Int.Input:
    return io.Int.Input("steps", default=0, min=0, max=1000, tooltip=f"{tooltip} {LEAVE_0}")


def spacing_input() -> io.Combo.Input:
    return io.Combo.Input(
        "spacing",
        options=SPACINGS,
        default=OWN,
        tooltip="Which timesteps are taken. uniform_trailing begins at the last one, as the "
        "release does at 512; uniform is its choice at 256 pixels width.",
    )


def eta_input() -> io.Float.Input:
    return _part("eta", "Fresh noise at each step: 1 as the release, 0 for none.")


def guidance_rescale_input() -> io.Float.Input:
    return _part(
        "guidance_rescale",
        "Brings back the contrast that a high cfg_scale changes; 0 turns it off, the release takes "
        "0.7.",
    )


def temperature_input(tooltip: str) -> io.Float.Input:
    return _part("temperature", tooltip, optional=True)


def turbo_input(tooltip: str) -> io.Boolean.Input:
    return io.Boolean.Input(
        "turbo",
        default=False,
        optional=True,
        tooltip="Shortcuts that make near the same frames faster: deep features that serve two "
        "steps, guidance in the middle of the run alone. Measured on nano, not yet on the official "
        f"model. {tooltip}",
    )


def keep_still_input() -> io.Combo.Input:
    return io.Combo.Input(
        "keep_still",
        options=SWITCH,
        default=OWN,
        optional=True,
        tooltip="Where both keys show the same, and the frame too, it takes their very pixels: "
        "still grounds keep lines and texture and do not flicker. What passes before them stays. "
        "The release has nothing like it.",
    )


def _part(name: str, tooltip: str, optional: bool = False) -> io.Float.Input:
    """Of 0 to 1."""
    return io.Float.Input(
        name,
        default=-1.0,
        min=-1.0,
        max=1.0,
        step=0.05,
        optional=optional,
        tooltip=f"{tooltip} {LEAVE_1}",
    )


CFG_SCALE = (
    "How strongly prompt and first image are followed, 1 to 30; the release takes 7.5. 1 without "
    "cfg_image leaves out the negative branch and takes half the time."
)


def cfg_scale_input(tooltip: str = CFG_SCALE) -> io.Float.Input:
    return io.Float.Input(
        "cfg_scale",
        default=0.0,
        min=0.0,
        max=30.0,
        step=0.1,
        tooltip=f"{tooltip} {LEAVE_0}",
    )


LEAVE_0 = "0: the model's own."
LEAVE_1 = "-1: the model's own."

"""What each of ComfyUI's patches, guiders, samplers and schedulers does to nano, one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from patch_bench import ROUNDING, Bench, NeedsInput, Outcome

Row = dict[str, Any]

# Settings with which a node does something; its defaults often do nothing, or only on large frames.
SETTINGS: dict[str, dict[str, Any]] = {
    "CFGOverride": {"cfg": 1.5, "start_percent": 0.2, "end_percent": 0.8},
    "ChromaRadianceOptions": {"nerf_tile_size": 32},
    "ContextWindowsManual": {"context_length": 8, "context_overlap": 4, "dim": 2},
    "FreSca": {"freq_cutoff": 4, "scale_high": 1.5},
    "LTXVContextWindows": {"context_length": 57, "context_overlap": 16},
    "ModelComputeDtype": {"dtype": "bf16"},
    "ModelNoiseScale": {"noise_scale": 1.2},
    "ScaleROPE": {"scale_x": 2.0, "scale_y": 2.0, "scale_t": 2.0},
    "SkipLayerGuidanceDiT": {"start_percent": 0.0, "end_percent": 1.0},
    "SkipLayerGuidanceSD3": {"start_percent": 0.0, "end_percent": 1.0},
    "UNetCrossAttentionMultiply": {"q": 1.3, "k": 1.3, "v": 1.1, "out": 1.1},
    "UNetSelfAttentionMultiply": {"q": 1.3, "k": 1.3, "v": 1.1, "out": 1.1},
    "UNetTemporalAttentionMultiply": {"self_structural": 1.2, "cross_structural": 1.2},
    "WanContextWindowsManual": {"context_length": 29, "context_overlap": 8},
}
CACHES = {"EasyCache": 20, "LazyCache": 20}  # steps: at 4 there is nothing to reuse
NOTHING_TO_DO = {
    "MultiGPU_WorkUnits": "one device here",
    "SelectModelDevice": "one device here",
    "FreSca": "all frequencies of 16x16 latents are below the cutoff",
    "UNetTemporalAttentionMultiply": "it knows temporal layers by another name",
    "wanBlockSwap": "an empty node in ComfyUI itself",
}
THE_SAME = {"TorchCompileModel": "the same clip, compiled; the first run takes minutes on a CPU"}
SLOW = ("TorchCompileModel",)  # measured by --only, and kept
LATER = "takes minutes: see the other column, or measure it with --only"
NOT_TRIED = {"TrainLoraNode": "trains; this pack's own is train.rectify with lora=..."}
CLOSE = 0.35  # distance from DDIM at eta 0, 30 steps
HOLDS = (0.8, 1.2)  # contrast against it


@dataclass(frozen=True)
class Variant:
    """One row: a node with settings, and how it is sampled with and without it."""

    node: str
    settings: dict[str, Any]
    sampling: dict[str, Any]
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.node} ({self.note})" if self.note else self.node


def variants(bench: Bench, node: str) -> Iterator[Variant]:
    settings, sampling = dict(SETTINGS.get(node, {})), {}
    if node in CACHES:
        sampling["steps"] = CACHES[node]
    if node == "DifferentialDiffusion":
        sampling["latent_image"] = masked(bench)
    if node == "PerpNeg":
        settings["empty_conditioning"] = bench.image_only
    if node.startswith("LoraLoader"):
        settings |= {"lora_name": bench.save_lora(), "clip": None}
        if "clip" not in bench.inputs(node):
            del settings["clip"]
    if node == "LoraModelLoader":
        settings["lora"] = bench.lora()
    if node == "LatentApplyOperationCFG":
        for kind in ("LatentOperationTonemapReinhard", "LatentOperationSharpen"):
            made = {**settings, "operation": bench.call(kind)[0]}
            yield Variant(node, made, sampling, kind.removeprefix("LatentOperation"))
        return
    yield Variant(node, settings, sampling)
    if node == "EasyCache":
        noisy = {**sampling, "sampler_name": "euler_ancestral"}
        yield Variant(node, settings, noisy, "with fresh noise at each step")
    if node == "UNetTemporalAttentionMultiply":
        temporal = {"self_temporal": 1.2, "cross_temporal": 1.2}
        yield Variant(node, temporal, sampling, "its temporal settings alone")
    if node == "FreSca":
        yield Variant(node, {"scale_high": 1.5}, sampling, "freq_cutoff 20, as by default")


def masked(bench: Bench) -> dict[str, Any]:
    """A LATENT whose left half is to stay as it is, softly."""
    f, h, w = bench.latent["samples"].shape[2:]
    ramp = torch.linspace(0, 1, w).expand(1, h, w)
    made = bench.call("SetLatentNoiseMask", samples=bench.latent, mask=ramp)[0]
    samples = torch.full_like(made["samples"], 0.5)
    return {**made, "samples": samples}


def not_now(node: str) -> Row:
    return {"name": node, "verdict": "not tried", "note": LATER}


def patch_rows(bench: Bench, node: str, base: Callable[..., Outcome]) -> Iterator[Row]:
    """base: the run without a patch, by its sampling settings."""
    if node in NOT_TRIED:
        yield {"name": node, "verdict": "not tried", "note": NOT_TRIED[node]}
        return
    if note := foreign_blocks(bench, node):
        yield {"name": node, "verdict": "for other models", "note": note}
        return
    try:
        found = list(variants(bench, node))
    except NeedsInput as error:
        found = []
        yield {"name": node, "verdict": "for other models", "note": str(error)}
    for variant in found:
        yield {"name": variant.name, **patch_row(bench, variant, base(**variant.sampling))}


def patch_row(bench: Bench, variant: Variant, base: Outcome) -> Row:
    try:
        model = patched(bench, variant)
    except NeedsInput as error:
        return {"verdict": "for other models", "note": str(error)}
    except Exception as error:  # of a node, as it comes
        return failed(bench, error)
    row: Row = {}
    if axes := axes_of(bench, model):
        row["axes"] = axes
    try:
        outcome = bench.sample(model, **variant.sampling)
    except Exception as error:
        return {**row, **unguarded(bench, model, variant, base), **failed(bench, error)}
    row |= figures(outcome, base)
    note = " ".join(outcome.said)
    if not outcome.finite:
        return {**row, "verdict": "not finite", "note": note}
    if outcome.distance(base) < ROUNDING:
        if variant.node in THE_SAME:
            return {**row, "verdict": "works", "note": THE_SAME[variant.node]}
        return {**row, "verdict": "no effect", "note": note or NOTHING_TO_DO.get(variant.node, "")}
    return {**row, "verdict": "works", "note": note}


def foreign_blocks(bench: Bench, node: str) -> str:
    """Of a merge by blocks: how many are not this model's, if most are not; ComfyUI then merges
    all of the model by the first number."""
    blocks = [n for n, spec in bench.inputs(node).items() if spec[0] == "FLOAT"]
    if not node.startswith("ModelMerge") or len(blocks) < 4:
        return ""
    weights = bench.model.model.diffusion_model.state_dict()
    found = [b for b in blocks if any(w.startswith(b) for w in weights)]
    if len(found) * 2 > len(blocks):
        return ""
    return f"{len(blocks) - len(found)} of its {len(blocks)} blocks are another model's"


def unguarded(bench: Bench, model: Any, variant: Variant, base: Outcome) -> Row:
    """What would have come without a refusal."""
    try:
        with bench.unguarded():
            return figures(bench.sample(model, **variant.sampling), base)
    except Exception as error:  # whatever would have reached the user
        return {"unguarded": f"{type(error).__name__}: {error}".strip().split("\n")[0]}


def patched(bench: Bench, variant: Variant) -> Any:
    """The MODEL that the node gives."""
    given = {}
    for name, spec in bench.inputs(variant.node).items():
        if spec[0] == "MODEL":
            given[name] = bench.other_model() if name == "model2" else bench.model
        elif spec[0] == "CONDITIONING":
            given[name] = bench.positive if name.startswith("pos") else bench.negative
        elif spec[0] == "LATENT":
            given[name] = bench.latent
        elif spec[0] == "FLOAT" and variant.node.startswith("ModelMerge"):
            given[name] = 0.5
    made = bench.call(variant.node, **{**given, **variant.settings})
    return made[bench.outputs(variant.node).index("MODEL")]


def figures(outcome: Outcome, base: Outcome) -> Row:
    return {
        "distance": round(outcome.distance(base), 6),
        "contrast": round(outcome.contrast(base), 3),
        "work": round(outcome.work / base.work, 2),
    }


def failed(bench: Bench, error: Exception) -> Row:
    """Refused by this pack or by core in so many words, or broken on the way."""
    ours = type(error) is ValueError
    text = str(error).strip().split("\n")[0]
    if ours:
        return {"verdict": "refused", "note": text}
    return {"verdict": "fails in its own node", "note": f"{type(error).__name__}: {text}"}


def axes_of(bench: Bench, model: Any) -> str:
    """Over what a guidance function of the MODEL acts, by this pack's trial."""
    axes = bench.comfy.part("axes")
    shape = bench.latent["samples"].shape
    for kind in axes.KINDS:
        made = model.model_options.get(kind) or []
        for function in made if isinstance(made, list) else [made]:
            trial = axes.tried(function, kind, shape, 1.0)
            if trial is None:
                return "not tried"
            if not (trial.runs and trial.order and (trial.clip or trial.frames)):
                return "wrong"
            if trial.clip and trial.frames:
                return "each place"
            return "the clip" if trial.clip else "each frame"
    return ""


def conditioning_rows(bench: Bench, base: Outcome) -> Iterator[Row]:
    """What core's nodes put into CONDITIONING and LATENT."""
    import comfy.controlnet

    positive, other, call = bench.positive, bench.image_only, bench.call
    ramp = torch.linspace(0, 1, bench.latent["samples"].shape[-1]).expand(1, 16, -1)

    def both(first: Any, second: Any) -> dict[str, Any]:
        made = call("ConditioningCombine", conditioning_1=first, conditioning_2=second)
        return {"positive": made[0]}

    def ranges() -> dict[str, Any]:
        node, halves = "ConditioningSetTimestepRange", ((positive, 0.0, 0.5), (other, 0.5, 1.0))
        return both(*(call(node, conditioning=c, start=a, end=b)[0] for c, a, b in halves))

    def part(node: str, **values: Any) -> dict[str, Any]:
        """The other conditioning in a part of the clip, beside the first."""
        return both(positive, call(node, conditioning=other, **values)[0])

    def average() -> dict[str, Any]:
        values = {"conditioning_to": positive, "conditioning_from": other}
        return {"positive": call("ConditioningAverage", conditioning_to_strength=0.5, **values)[0]}

    def controlled() -> dict[str, Any]:
        control = {"control": comfy.controlnet.ControlBase()}
        return {"positive": [[positive[0][0], {**positive[0][1], **control}]]}

    area = {"width": 1.0, "height": 1.0, "temporal": 0.5}
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "ConditioningSetTimestepRange": ranges,
        "ConditioningCombine": lambda: both(positive, other),
        "ConditioningAverage": average,
        "ConditioningZeroOut": lambda: {
            "negative": call("ConditioningZeroOut", conditioning=bench.negative)[0]
        },
        "ConditioningSetArea": lambda: part("ConditioningSetArea", width=64, height=64),
        "ConditioningSetMask": lambda: part("ConditioningSetMask", mask=ramp, strength=1.0),
        "ConditioningSetAreaPercentageVideo": lambda: part(
            "ConditioningSetAreaPercentageVideo", **area
        ),
        "ControlNetApplyAdvanced": controlled,
        "SetLatentNoiseMask": lambda: {"latent_image": masked(bench)},
        "LoRA by hooks": lambda: {"positive": hooked(bench)},
    }
    for name, make in makers.items():
        row: Row = {"name": name}
        try:
            outcome = bench.sample(**make())
        except NeedsInput as error:
            yield {**row, "verdict": "not tried", "note": str(error)}
        except Exception as error:  # as the user would meet it
            yield {**row, **failed(bench, error)}
        else:
            row |= figures(outcome, base)
            verdict = "works" if outcome.distance(base) >= ROUNDING else "no effect"
            verdict = verdict if outcome.finite else "not finite"
            yield {**row, "verdict": verdict, "note": " ".join(outcome.said)}


def hooked(bench: Bench) -> Any:
    """The positive CONDITIONING with a LoRA that acts in it alone."""
    hooks = bench.call("CreateHookLoraModelOnly", lora_name=bench.save_lora())[0]
    return bench.call("ConditioningSetProperties", cond_NEW=bench.positive, hooks=hooks)[0]


def guider_rows(bench: Bench, base: Outcome) -> Iterator[Row]:
    """Every node that takes a MODEL and gives a GUIDER, sampled with euler."""
    sampler = bench.call("KSamplerSelect", sampler_name="euler")[0]
    for node in sorted(bench.nodes):
        if "GUIDER" not in bench.outputs(node):
            continue
        kinds = {name: spec[0] for name, spec in bench.inputs(node).items()}
        if "MODEL" not in kinds.values():
            continue
        given = {n: bench.model for n, kind in kinds.items() if kind == "MODEL"}
        for name, kind in kinds.items():
            if kind == "CONDITIONING":
                given[name] = bench.negative if name.startswith("neg") else bench.positive
        given |= {n: bench.image_only for n in ("image_only", "cond2") if n in kinds}
        given |= {n: bench.image_only for n in ("empty_conditioning",) if n in kinds}
        given |= {n: 3.0 for n in kinds if n.startswith("cfg")}
        try:
            outcome = bench.sample_custom(bench.call(node, **given)[0], sampler)
        except Exception as error:  # as the user would meet it
            yield {"name": node, **failed(bench, error)}
            continue
        yield {"name": node, **figures(outcome, base), "verdict": "works", "note": ""}


def sampler_rows(bench: Bench, reference: Outcome, base: Outcome, steps: int) -> Iterator[Row]:
    """All samplers on sgm_uniform. Distances and contrast are against `reference`."""
    for name in bench.sampler_names:
        yield {"name": name, **sampled(bench, reference, base, steps=steps, sampler_name=name)}


def scheduler_rows(bench: Bench, reference: Outcome, base: Outcome, steps: int) -> Iterator[Row]:
    """All schedulers with euler."""
    for name in bench.scheduler_names:
        yield {"name": name, **sampled(bench, reference, base, steps=steps, scheduler=name)}


def sampled(bench: Bench, reference: Outcome, base: Outcome, **settings: Any) -> Row:
    row: Row = {}
    try:
        outcome = bench.sample(**settings)
    except Exception as error:  # as the user would meet it
        row = failed(bench, error)
        with bench.unguarded():
            outcome = bench.sample(**settings)
    row |= figures(outcome, reference)
    row["work"] = round(outcome.work / base.work, 2)
    if "verdict" in row:
        return row
    low, high = HOLDS
    if not outcome.finite:
        verdict = "not finite"
    elif not low <= row["contrast"] <= high:
        verdict = "wrong contrast"
    else:
        verdict = "the clip of DDIM" if row["distance"] <= CLOSE else "another clip"
    return {**row, "verdict": verdict, "note": ""}


def weight_rows(bench: Bench, base: Outcome) -> Iterator[Row]:
    """Toon Load Model's weight_dtype, against what ComfyUI chose here."""
    for name in bench.inputs("ToonLoadModel")["weight_dtype"][1]["options"]:
        plain = bench.call("ToonLoadModel", weight_dtype=name)[0]
        values = {"model": plain, "dynamic_rescale": True, "temperature": 0.5}
        outcome = bench.sample(bench.call("ToonSetSchedule", **values)[0])
        verdict = "works" if outcome.finite else "not finite"
        yield {"name": name, **figures(outcome, base), "verdict": verdict, "note": ""}

"""What the bundled workflows say and how their nodes are grouped; the nodes themselves are in
tests/comfy/prompts/."""

from __future__ import annotations

from shot_pages import SHOTS
from workflow_layout import NOTE, Group, Note
from workflow_page import BLUE, ENDS, GREEN, OWN_KEYS, VIOLET, WARM, Page


def _plain(
    note: Note, file: str, label: str, clip: str, model: str, more: list[int], runs: bool = False
) -> Page:
    return Page(
        file=file,
        runs=runs,
        clip=clip,
        label=label,
        note=note,
        stacks=[
            [Group(title=model, color=WARM, columns=[[NOTE, 1, *more]])],
            [Group(title="Keys", color=BLUE, columns=[[2, 3]])],
            [Group(title="In-betweens", color=GREEN, columns=[[4]])],
            [Group(title="Result", color=VIOLET, columns=[[5, 7, 6], [8]])],
        ],
        titles={6: "All frames", 8: "Movie"},
        app={"inputs": [[2, "clip"], [4, "seed"]], "outputs": [8]},
    )


NANO = Note(
    title="Two key frames in, fourteen frames between",
    size=(440, 230),
    text=f"""## First steps, without any download
Press **Run**: *nano*, the small model that comes with ToonTween, fills in the frames between two
pictures. A few seconds on a CPU.

**Another character:** choose a clip in *Toon Example Keys*.

{OWN_KEYS}

Numbers at 0 or -1 are the model's own: each node says what it took. Another *seed* changes the
motion.
{ENDS}
""",
)
OFFICIAL = Note(
    title="Which file goes where",
    size=(440, 290),
    text=f"""## ToonCrafter 512, the official checkpoint
1. Get *model.ckpt* (10.5 GB) from *Doubiiu/ToonCrafter* on Hugging Face.
2. Many models are called so: rename it to *tooncrafter_512_interp.ckpt*.
3. Put it into *ComfyUI/models/checkpoints/* and press **R** on the page.

Numbers at 0 or -1 are the model's own, the published recipe: 512x320, 16 frames, 50 steps, cfg 7.5,
rescale 0.7, eta 1.
*Toon Encode Keys* and *Toon Sample* have the same seed, as the release has one for both.

A lower *fs* means larger motion.

{OWN_KEYS}
{ENDS}
""",
)
PRUNED = Note(
    title="Which files go where",
    size=(440, 330),
    text=f"""## ToonCrafter 512, pruned: three files
- *tooncrafter_512_interp-fp16.safetensors* (3.2 GB, *Kijai/DynamiCrafter_pruned* on Hugging
  Face) in *ComfyUI/models/checkpoints/*
- the text encoder: *model.safetensors* of *laion/CLIP-ViT-H-14-laion2B-s32B-b79K* (3.9 GB),
  renamed *sd2_clip_vit_h.safetensors*, in *ComfyUI/models/text_encoders/*
- the image encoder: the same file, which holds both, renamed *clip_vision_h.safetensors*, in
  *ComfyUI/models/clip_vision/*

The pruned file has no CLIP encoders of its own: ComfyUI's own loaders give them to
*Toon Encode Keys*. Numbers at 0 or -1 are the model's own, the published recipe.

{OWN_KEYS}
{ENDS}
""",
)
KSAMPLER = Note(
    title="Any of ComfyUI's samplers",
    size=(440, 310),
    text=f"""## The MODEL is a native one
Our nodes follow the model's own recipe; *steps* and *cfg* of ComfyUI's samplers are yours to set:
6 and 1 for nano, 50 and 7.5 for the official model.

**Above:** the plain *KSampler*. *euler* with *sgm_uniform* is a good start; other samplers work.

**Below:** *SamplerCustomAdvanced* with the timesteps, the noise and the sampler of the release.
With the same numbers it gives the clip of *Toon Sample*.

*Toon Rescale Guidance* is the release's guidance rescale. Keep the LATENT of *Toon Encode Keys*
and the *denoise* of 1: it carries the key frames to *Toon Decode*.

{OWN_KEYS}
{ENDS}
""",
)
SKETCH = Note(
    title="Lines for a frame in the middle",
    size=(440, 380),
    text=f"""## Sketch-guided
The middle frame of the clip, which the model never sees, becomes a line drawing (ComfyUI's
*Canny*), and *Toon Apply Sketch* asks for these lines on frame 7.

**Your own drawing:** delete *The true middle frame*, *Canny* and *The sketch*. Connect a
*Load Image* to *sketches* of *Toon Apply Sketch*, and write its frame number, counted from 0, into
*frames*. For several drawings connect a batch and write *3, 7, 11*.

*strength* says how closely the lines are followed.

{OWN_KEYS} They need a drawing of your own, too: the true middle frame is the example's.

{ENDS}
""",
)

PAGES: dict[str, Page] = SHOTS | {
    "interpolate_nano": _plain(
        NANO,
        "Interpolate with nano",
        "built-in nano model",
        clip="girl_wave",
        model="Model",
        more=[],
        runs=True,
    ),
    "interpolate_official": _plain(
        OFFICIAL,
        "Interpolate with the official file",
        "official checkpoint",
        clip="girl_wave",
        model="Model",
        more=[],
    ),
    "interpolate_pruned": _plain(
        PRUNED,
        "Interpolate with a pruned file",
        "pruned file, CLIP, CLIP_VISION",
        clip="frog_jump",
        model="Model and encoders",
        more=[9, 10],
    ),
    "interpolate_ksampler": Page(
        file="Interpolate with KSampler",
        clip="bird_takeoff",
        label="through KSampler",
        note=KSAMPLER,
        stacks=[
            [Group(title="Model", color=WARM, columns=[[NOTE, 1, 9]])],
            [Group(title="Keys", color=BLUE, columns=[[2, 3]])],
            [
                Group(title="KSampler", color=GREEN, columns=[[4], [5, 7], [8], [6]]),
                Group(
                    title="SamplerCustomAdvanced, as the release samples",
                    color=VIOLET,
                    columns=[[11, 13, 12, 10], [14], [15, 17], [18], [16]],
                ),
            ],
        ],
        titles={6: "All frames", 8: "Movie", 16: "All frames", 18: "Movie"},
    ),
    "sketch_guided_nano": Page(
        file="Guide a frame with a sketch",
        clip="frog_jump",
        label="sketch-guided",
        note=SKETCH,
        stacks=[
            [Group(title="Model", color=WARM, columns=[[NOTE, 1, 11]])],
            [Group(title="Keys", color=BLUE, columns=[[2, 3]])],
            [Group(title="Sketch", color=WARM, columns=[[9, 10, 12, 13]])],
            [Group(title="In-betweens", color=GREEN, columns=[[4]])],
            [Group(title="Result", color=VIOLET, columns=[[5, 7, 6], [8]])],
        ],
        titles={6: "All frames", 8: "Movie", 9: "The true middle frame", 13: "The sketch"},
    ),
}

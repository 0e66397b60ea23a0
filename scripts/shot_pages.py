"""The pages of the bundled workflows around Toon Timeline."""

from __future__ import annotations

from dataclasses import replace

from workflow_layout import NOTE, Group, Note
from workflow_page import BLUE, ENDS, GREEN, VIOLET, WARM, Page

OWN_DRAWINGS = """**Your own key frames:** drop pictures on the timeline, select the old keys and
press *Delete*; then delete *Toon Example Shot*."""
KEPT = "Takes are kept in *output/toontween/*: only what you change is drawn again."

SHOT = Note(
    title="Seven key drawings in, a shot out",
    size=(440, 420),
    text=f"""## A shot, without any download
Press **Run**: *nano*, the small model that comes with ToonTween, draws what lies between the keys.
Half a minute on two CPU cores.

**On the timeline:** drag a key to another frame, click a strip for its exposure, slow out and slow
in, prompt and seed. One strip is a hold. Press **Run** again: segments that only move in
time are not drawn anew.

{OWN_DRAWINGS}

{KEPT}
{ENDS}
""",
)
REROLL = Note(
    title="One segment again, the others as they are",
    size=(440, 360),
    text=f"""## Take after take
The segment from *reach* has three takes here. After **Run** flip through them on the timeline, and
lock the one that you want: it stays, whatever else you change.

**Another one:** give the segment more takes, or another seed. All other segments keep their pixels.

*best_take* shows the take that jumps least, until one is locked. *Toon Render Shot* says what was
drawn in this run, and its report how each segment came out.

{OWN_DRAWINGS}

{KEPT}
{ENDS}
""",
)
SKETCHES = Note(
    title="Lines on two frames of a segment",
    size=(440, 340),
    text=f"""## Two sketches
Lines on frames 6 and 11 lead the drawings there. They stand in the second row of the timeline;
select one for its strength.

Here they are made from the true frames by ComfyUI's *Canny*.

**Your own key frames:** drop pictures on the timeline, and line drawings on its second row. Then
delete *Toon Example Keys*, *Frame 6*, *Frame 11*, *Both frames*, *Canny* and *The sketches*.

{KEPT}
{ENDS}
""",
)
LOOP = Note(
    title="A shot that ends where it begins",
    size=(440, 300),
    text=f"""## A loop
*Loop* is on in the timeline's panel (select no key): the last segment ends at the first drawing,
which is not shown a second time there. Played again and again, nothing jumps.

{OWN_DRAWINGS}

{KEPT}
{ENDS}
""",
)
VIDEO = Note(
    title="Keys that are frames of a video",
    size=(440, 330),
    text=f"""## Frames picked from a video
The *picture* of each key is a number: the place of its frame in the video, counted from 0. Here the
frames 0, 5, 10 and 15 of a clip are keys at half its speed, and all else is drawn anew.

**Your own key frames:** put a *Load Video* node in place of *Create Video*, and delete
*Toon Example Keys*. Select a key and write another number into *Picture*.

{KEPT}
{ENDS}
""",
)
TWICE = Note(
    title="Twos to ones",
    size=(440, 360),
    text=f"""## From 12 drawings a second to 24 frames
The shot is drawn with 12 drawings a second, and ComfyUI's own *Run Frame Interpolation Model* puts
one between every two of them. Flow is good at such small steps.

**It needs** a newer ComfyUI, and *rife_v4.26.safetensors* of *Comfy-Org/frame_interpolation* on
Hugging Face in *ComfyUI/models/frame_interpolation/*.

Where the keys must stay alone on their frames, draw on ones instead: *exposure* 1.

{OWN_DRAWINGS}

{KEPT}
{ENDS}
""",
)


def _shot(
    note: Note,
    file: str,
    label: str,
    clip: str = "wave",
    drawings: Group | None = None,
    result: list[list[int | str]] | None = None,
    needs: tuple[str, ...] = (),
    titles: dict[int, str] | None = None,
) -> Page:
    return Page(
        file=file,
        clip=clip,
        label=label,
        note=note,
        stacks=[
            [Group(title="Model", color=WARM, columns=[[NOTE, 1]])],
            [drawings or Group(title="Drawings", color=WARM, columns=[[2]])],
            [Group(title="Timeline", color=BLUE, columns=[[3]])],
            [Group(title="Frames", color=GREEN, columns=[[4]])],
            [Group(title="Result", color=VIOLET, columns=result or [[5]])],
        ],
        titles={5: "Movie", **(titles or {})},
        runs=not needs,
        needs=needs,
    )


SHOTS: dict[str, Page] = {
    "shot_nano": replace(
        _shot(SHOT, "Draw a shot between keys", "a shot of seven keys"),
        app={"inputs": [[2, "shot"]], "outputs": [5]},
    ),
    "shot_reroll_nano": _shot(
        REROLL,
        "Draw one segment again",
        "takes of one segment",
    ),
    "shot_sketches_nano": _shot(
        SKETCHES,
        "Sketch two frames of a shot",
        "sketches on two frames",
        clip="frog_jump",
        drawings=Group(
            title="Drawings and sketches", color=WARM, columns=[[2, 11], [6, 7, 8], [10, 12]]
        ),
        titles={6: "Frame 6", 7: "Frame 11", 8: "Both frames", 12: "The sketches"},
    ),
    "shot_loop_nano": _shot(LOOP, "Loop a shot", "a loop", clip="dance"),
    "shot_from_video_nano": _shot(
        VIDEO,
        "Pick keys from a video",
        "keys from a video",
        clip="owl_turn",
        drawings=Group(title="Video", color=WARM, columns=[[2, 6, 7]]),
    ),
    "shot_interpolated_nano": _shot(
        TWICE,
        "Twos to ones with frame interpolation",
        "twos to ones",
        result=[[6, 7], [8, 5]],
        needs=("FrameInterpolate", "FrameInterpolationModelLoader"),
    ),
}

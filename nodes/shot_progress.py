"""How a shot goes on, for its user: a bar, a preview, the time that is left, and on the timeline
what has become of each segment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import comfy.utils
import latent_preview
import numpy as np
from torch import Tensor

from ..toon_core.shots.movie import RATE
from ..toon_core.shots.render import MAKING, MOVIE
from ..toon_core.shots.sheet import Key
from ..toon_core.shots.shot import Shot
from ..toon_core.shots.takes import Takes
from . import host
from .model import native
from .sheets import LoadedSheet

UI = "toon_timeline"  # as in js/timeline/progress.js
PEAKS = 100  # a second


class ShotProgress:
    """Of one run. place: the shot's folder as the page names it, below ComfyUI's output folder."""

    def __init__(
        self, model: Any, loaded: LoadedSheet, shot: Shot, takes: Takes, place: str
    ) -> None:
        self._loaded, self._shot, self._takes, self._place = loaded, shot, takes, place
        self._bar = comfy.utils.ProgressBar(1000)
        self._previewer = latent_preview.get_previewer(
            model.load_device, native(model).latent_format
        )
        self._begin, self._key = time.monotonic(), ""
        self._at_work = ""

    def start(self) -> None:
        """Tells what is there already, and what is not."""
        missing = {segment.key.id for segment, _ in self._shot.missing(self._takes)}
        self._tell(
            [
                self._made(key) | ({"state": "", "take": ""} if key in missing else {})
                for key in self._shot.takes
            ]
        )

    def __call__(self, part: float, key: Key, x0: Tensor | None) -> None:
        host.stop_if_cancelled()
        picture = None
        if self._previewer is not None and x0 is not None:
            picture = self._previewer.decode_latent_to_preview_image("JPEG", x0)
        self._bar.update_absolute(round(1000 * part), 1000, picture)
        if key.id == self._key:
            return
        self._key = key.id
        gone = time.monotonic() - self._begin
        left = f", {gone / part * (1 - part):.0f} s left" if part > 0 else ""
        host.say(f"From key {key.id!r}{left}", level=host.PASSING)
        told = [self._made(self._at_work)] if self._at_work else []
        self._at_work = key.id if x0 is None and part < MAKING else ""
        if self._at_work:
            told.append({"from": key.id, "state": "at work"})
        self._tell(told)

    def stop(self, failed: bool) -> None:
        """Nothing is at work any more: the run was cancelled, or has failed."""
        if self._at_work:
            self._tell([{"from": self._at_work, "state": "failed" if failed else ""}])

    def done(self, report: Mapping[str, Any], sound: np.ndarray | None) -> dict[str, Any]:
        """What the node shows, and has told the timeline: every segment with its takes, and where
        frames and movie are."""
        self._bar.update_absolute(1000, 1000)
        segments = []
        plans = {segment.key.id: segment for segment in self._shot.plan.segments}
        for told in report["segments"]:
            plan = plans[told["from"]]
            about: dict[str, Any] = {"from": told["from"], "state": "made"}
            about |= {"begin": plan.key.frame, "span": plan.span}
            if told["take"]:
                about |= self._made(told["from"], told["take"]) | {"frames": told["frames"]}
            segments.append(about)
        # The files have the names of those of the run before, which a page may have kept.
        movie = (Path(self._takes.folder).parent / MOVIE).stat()
        rendered = {"version": str(movie.st_mtime_ns), "frames": report["frames"]}
        if sound is not None:
            rendered |= {"movie": MOVIE, "peaks": peaks(sound), "rate": PEAKS}
        return self._tell(segments, rendered=rendered)

    def _made(self, key: str, shown: str = "") -> dict[str, Any]:
        """shown: the take, if it is known; else the locked one, or the first."""
        [plan] = [s for s in self._shot.plan.segments if s.key.id == key]
        assert plan.next is not None
        wanted = [name for name in self._shot.takes[key] if self._takes.has(name)]
        first, last = (self._shot.key_picture(k).digest for k in (plan.key, plan.next))
        between = self._takes.between(key, first, last)
        locked = [plan.lock] if plan.lock else []
        names = list(dict.fromkeys([*wanted, *between, *locked]))
        takes = [{"name": name, "frames": between.get(name, plan.made)} for name in names]
        shown = shown or (locked or wanted or [""])[0]
        return {"from": key, "state": "made", "take": shown, "takes": takes}

    def _tell(self, segments: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
        output = {"sheet": self._loaded.text, "folder": self._place, "segments": segments, **more}
        ui = {UI: [output]}
        if self._loaded.node and (segments or more):
            host.send_output(self._loaded.node, ui)
        return ui


def peaks(sound: np.ndarray) -> list[int]:
    """Of stereo samples (2 n) at 48 kHz, PEAKS a second, 0 to 255: what a waveform is drawn of."""
    each = RATE // PEAKS
    whole = np.abs(sound).max(0)[: sound.shape[1] // each * each].reshape(-1, each)
    return [int(most) for most in (whole.max(1, initial=0).clip(0, 1) * 255).round()]

"""What two Lottie clips can share: colours, outlines up to similarity, and tracks of motion.

Outlines and tracks are compared as complex curves: the residual of the best similarity that takes
one to the other, as a share of its size (0: the same but for place, size, turn and mirroring).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SAMPLES = 64
PLAIN = 0.97  # share of an ellipse's in an outline, above which it is an oval or a mere stroke
FLAT = 0.02  # second over first singular value, below which a track is a straight line
WINDOW = 16


def groups(clip: dict) -> Iterator[list[dict]]:
    for layer in clip["layers"]:
        for group in layer.get("shapes", []):
            yield group["it"]


def colours_of(clip: dict) -> np.ndarray:
    """Fill and line colours (n 3) of 255, without near white and near black."""
    found = {
        tuple(np.round(np.array(item["c"]["k"][:3]) * 255))
        for group in groups(clip)
        for item in group
        if item["ty"] in ("fl", "st")
    }
    return np.array([c for c in found if max(c) > 24 and min(c) < 236]).reshape(-1, 3)


def outlines_of(clip: dict) -> np.ndarray:
    """Outlines (n SAMPLES) complex, centred and of size 1, that are more than ovals and strokes."""
    found = []
    for group in groups(clip):
        path = group[0]["ks"]
        keys = [path["k"]] if path["a"] == 0 else [key["s"][0] for key in path["k"][::8]]
        found += [curve for key in keys if (curve := _resampled(key)) is not None]
    curves = np.array(found)
    waves = np.abs(np.fft.fft(curves, axis=1)) ** 2 / SAMPLES
    return curves[waves[:, 1] + waves[:, -1] < PLAIN]


def _resampled(path: dict) -> np.ndarray | None:
    v, into, out = (np.array(path[key], float) for key in "vio")
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    after, arriving = np.roll(v, -1, 0), np.roll(v + into, -1, 0)
    parts = [
        (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        for a, b, c, d in zip(v, v + out, arriving, after, strict=True)
    ]
    ring = np.concatenate([*parts, v[:1]])
    run = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
    if run[-1] < 1e-6:
        return None
    places = np.linspace(0, run[-1], SAMPLES, endpoint=False)
    curve = np.interp(places, run, ring[:, 0]) + 1j * np.interp(places, run, ring[:, 1])
    curve -= curve.mean()
    return curve / np.linalg.norm(curve)


def nearest_outlines(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Of each of theirs the residual to the most alike of ours, wherever the curves begin."""
    views = [ours, ours.conj(), ours[:, ::-1], ours[:, ::-1].conj()]
    waves = [np.fft.fft(view, axis=1) for view in views]
    best = [
        max(np.abs(np.fft.ifft(np.fft.fft(curve).conj() * w, axis=1)).max() for w in waves)
        for curve in theirs
    ]
    return np.sqrt(np.maximum(1 - np.array(best) ** 2, 0))


def tracks_of(clip: dict) -> np.ndarray:
    """Tracks (n WINDOW) complex of shapes that go about in two dimensions, centred and of size 1:
    the positions of transforms and the middles of paths, in every window."""
    length, found = round(clip["op"]), []
    for group in groups(clip):
        path, transform = group[0]["ks"], group[-1]["p"]
        if path["a"]:
            found.append(_sampled(path, length, lambda key: np.mean(key["s"][0]["v"], 0)))
        if transform["a"]:
            found.append(_sampled(transform, length, lambda key: key["s"]))
    windows = [
        track[start : start + WINDOW]
        for track in found
        for start in range(0, length - WINDOW + 1, 4)
    ]
    kept = []
    for window in windows:
        window = window - window.mean()
        spread = np.linalg.svd(np.stack([window.real, window.imag]), compute_uv=False)
        if spread[0] > 8 and spread[1] > FLAT * spread[0]:
            kept.append(window / np.linalg.norm(window))
    return np.array(kept).reshape(-1, WINDOW)


def _sampled(prop: dict, length: int, value) -> np.ndarray:
    """The property at whole frames: held, or straight between keys."""
    keys = prop["k"]
    points = np.array([value(key) for key in keys], float)[:, :2]
    times, frames = [key["t"] for key in keys], np.arange(length)
    which = np.clip(np.searchsorted(times, frames, side="right") - 1, 0, len(keys) - 1)
    after = np.minimum(which + 1, len(keys) - 1)
    gap = np.maximum(np.array(times)[after] - np.array(times)[which], 1)
    held = np.array([bool(key.get("h")) for key in keys])[which]
    share = np.where(held, 0, np.clip((frames - np.array(times)[which]) / gap, 0, 1))[:, None]
    return (points[which] * (1 - share) + points[after] * share) @ [1, 1j]


def nearest_tracks(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Of each of theirs the residual to the most alike of ours, forwards, backwards or mirrored."""
    views = np.concatenate([ours, ours[:, ::-1], ours.conj(), ours[:, ::-1].conj()])
    return np.sqrt(np.maximum(1 - np.abs(theirs.conj() @ views.T).max(1) ** 2, 0))

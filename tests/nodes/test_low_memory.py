"""What the nodes ask of the device's memory, and how they go on where it is too small."""

from __future__ import annotations

import weakref
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import decode, sample

if TYPE_CHECKING:
    from conftest import Ready


class Asked:
    """What is asked of ComfyUI, on a device with `free` bytes."""

    def __init__(self, ready: Ready, monkeypatch: pytest.MonkeyPatch, free: float) -> None:
        self.management = ready.comfy.part("host").mm
        self.calls: list[dict[str, Any]] = []
        self.load = self.management.load_models_gpu
        monkeypatch.setattr(self.management, "load_models_gpu", self.record)
        monkeypatch.setattr(self.management, "get_free_memory", lambda *_: free)

    def record(self, models: list[Any], **asked: Any) -> None:
        self.calls.append({"name": type(models[0].model).__name__, **asked})
        self.load(models, **asked)

    def by(self, name: str) -> list[tuple[float, float | None]]:
        """(memory_required, minimum_memory_required) of a model's loads, in order."""
        calls = (c for c in self.calls if c["name"] == name)
        return [(c["memory_required"], c["minimum_memory_required"]) for c in calls]


class Decoder:
    """The node's autoencoder: how many frames it decodes at once, and where it is too much."""

    def __init__(self, ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
        clips = ready.comfy.part("decode")
        self.inner, self.at_once, self.most, self.held = clips.decode, [], None, None
        monkeypatch.setattr(clips, "decode", self.decode)

    def decode(self, vae: Any, z: Any, references: Any, twice: bool, at_once: Any, *more: Any):
        assert self.held is None or self.held() is None, "the first try's tensors are still there"
        self.at_once.append(at_once)
        if self.most is not None and (at_once or z.shape[2]) > self.most:
            tensor = z.clone()
            self.held = weakref.ref(tensor)
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.25 GiB")
        return self.inner(vae, z, references, twice, at_once, *more)


SEEDS = count(2000)


@pytest.fixture
def decoder(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> Decoder:
    return Decoder(ready, monkeypatch)


def run(ready: Ready, **changes: Any) -> Any:
    """Toon Sample and Toon Decode, not from the cache."""
    prompt = {**sample(steps=1, cfg_scale=2.0, seed=next(SEEDS)), **decode(**changes)}
    return ready.run(prompt, keep=["6"])


@pytest.mark.parametrize("low_memory", ["auto", "off"])
def test_decoding_goes_on_frame_by_frame_when_memory_runs_out(
    ready: Ready, decoder: Decoder, low_memory: str, caplog: pytest.LogCaptureFixture
) -> None:
    decoder.most = 3
    prompt = {**sample(steps=1, cfg_scale=2.0, seed=next(SEEDS)), **decode(low_memory=low_memory)}
    done = ready.run(prompt, keep=["6"])
    assert done.success, done.error
    assert decoder.at_once == [None, 1]
    said = done.said("6")[-1]
    assert "decoded one at a time" in said and "low_memory = on" in said
    assert f"node 6: {said}" in caplog.messages
    decoder.most = None
    frames = done.value("6")
    toon_vae = done.value("1", 2)
    clip = done.value("5")
    z, references = clip["samples"], clip["toon"].references
    whole = decoder.inner(toon_vae.module, z, references, True, None)
    torch.testing.assert_close(
        frames.movedim(-1, 0)[None] * 2 - 1, whole.clamp(-1, 1), atol=1e-4, rtol=0
    )


def test_memory_that_is_too_small_for_one_frame_is_an_error(ready: Ready, decoder: Decoder) -> None:
    decoder.most = 0
    done = run(ready)
    assert decoder.at_once == [None, 1] and "CUDA out of memory" in done.error
    decoder.most = decoder.held = None
    assert run(ready).success


def test_other_errors_are_not_tried_again(
    ready: Ready, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        decoder.at_once.append(None)
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(decoder, "inner", fail)
    assert "device-side assert" in run(ready).error
    assert decoder.at_once == [None, None]  # of the call, of `fail`


def test_newer_releases_name_out_of_memory_themselves(
    ready: Ready, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They know more of an accelerator's errors."""
    host = ready.comfy.part("host")
    monkeypatch.setattr(host.mm, "is_oom", lambda e: "memory" in str(e), raising=False)
    monkeypatch.setattr(host.mm, "OOM_EXCEPTION", KeyError)
    decoder.most = 1
    assert run(ready).success and decoder.at_once == [None, 1]


@pytest.mark.parametrize(
    ("low_memory", "free", "at_once", "loads"),
    [
        ("auto", 10.0, None, ["whole"]),
        ("auto", 0.9, 1, ["whole", "streamed"]),
        ("off", 0.9, None, ["whole"]),
        ("on", 10.0, 1, ["streamed"]),
    ],
)
def test_decoding_asks_for_what_it_needs(
    ready: Ready, decoder: Decoder, monkeypatch: Any, low_memory, free, at_once, loads
) -> None:
    """free: as a part of what all frames at once need."""
    memory = ready.comfy.part("memory")
    loaded = ready.run({}, keep=["1"]).value("1", 2)
    needs = {s: memory.decode(loaded, 1, 4, (64, 64), streamed=s) for s in (False, True)}
    assert 0 < needs[True] < 0.6 * needs[False]
    asked = Asked(ready, monkeypatch, free * needs[False])
    assert run(ready, low_memory=low_memory).success
    assert decoder.at_once == [at_once]
    known = {"whole": (needs[False], needs[True]), "streamed": (needs[True], None)}
    assert asked.by("Autoencoder") == [known[name] for name in loads]


def test_sampling_asks_for_all_branches_and_needs_one(ready: Ready, monkeypatch: Any) -> None:
    asked = Asked(ready, monkeypatch, 1e12)
    assert run(ready).success
    [(most, least)] = asked.by("ToonVideoModel")
    assert most == 2 * least > 0

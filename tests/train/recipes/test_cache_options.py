"""What `train.cache` refuses before it encodes a clip."""

from dataclasses import replace

import pytest
from caches import options

from toon_core import presets
from toon_core.model import ToonModel
from toon_core.weights.save import save
from train import cache
from train.engine.stop import exit_on_user_error
from train.recipes.cache import build_cache as build


def test_shards_of_clips_are_not_written_over(clip_folders, tmp_path):
    for name in ("train-000000.tar", "index.jsonl"):
        out = tmp_path / name.partition(".")[0]
        out.mkdir()
        (out / name).write_text("of train.prepare")
        with pytest.raises(ValueError, match=f"holds {name}, which train.cache did not write"):
            build(options(clip_folders, out, base="model.safetensors"))
        assert {file.name for file in out.iterdir()} - {".lock"} == {name}
    with pytest.raises(ValueError, match="out=.* lies in data="):
        build(options(clip_folders, clip_folders / "right" / "..", base="model.safetensors"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "give base=.* or autoencoder="),
        (["base=m", "precision=fp8"], "fp16 or fp32"),
        (["base=m", "count=0"], "count=0"),
        (["base=m", "held_out=-1"], "held_out=-1: expected 0 or more"),
        (["base=m", "device=gpu"], "device=gpu: expected cpu, cuda"),
        (["base=none.safetensors"], "none.safetensors"),
    ],
)
def test_bad_options_end_the_command_with_a_reason(clip_folders, tmp_path, words, reason):
    out = tmp_path / "out"
    with pytest.raises(SystemExit, match=f"^error: .*{reason}"), exit_on_user_error():
        cache.main([f"data={clip_folders}", f"out={out}", *words])
    assert not out.exists()


def test_a_pruned_base_needs_tokens_false(clip_folders, tmp_path):
    path = save(ToonModel(replace(presets.nano(), clip=None)), tmp_path / "pruned.safetensors")
    with pytest.raises(ValueError, match="no CLIP towers.*tokens=false"):
        build(options(clip_folders, tmp_path / "out", base=str(path)))

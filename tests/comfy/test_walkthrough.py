"""The README's trial, its own commands and YAML, from the cast to a run of the demo workflow."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import demo
import pytest
from graph_to_prompt import prompt_from_graph
from place import ROOT
from walkthrough import borrow, commands

if TYPE_CHECKING:
    from headless import Headless

# Fewer steps, smaller pictures, and no networks that filter or draw: the same way in less time.
SHORTER = {
    "train.prepare": [
        "workers=0",
        "size=64",
        "filters.shots=none",
        "filters.text=0",
        "filters.sketch=none",
    ],
    "train.rectify": [
        *("steps=1", "batch=1", "height=64", "width=64"),
        *("sheet_clips=1", "sheet_steps=1", "workers=0", "threads=1"),
    ],
}


def test_the_trial_trains_on_the_cast_and_its_model_runs_in_the_demo(
    server: Headless, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("cast", "weights", "train", "workflows"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    *training, last = commands(ROOT)
    assert [words[:3] for words in training] == [
        [".venv/bin/python", "-m", name] for name in SHORTER
    ]
    for _, _, name, *words in training:
        import_module(name).main([*words, *SHORTER[name]])
    assert last[:2] == [".venv/bin/python", "scripts/demo.py"]
    options = demo.read_options(last[2:])
    assert options.model.is_file(), "what the second command made is what the third one takes"
    manifest = json.loads(options.model.with_suffix(".json").read_text())
    assert manifest["step"] == 1 and manifest["options"]["variant"] == "IV"

    graph = json.loads(options.workflow.read_text())
    demo.copy_keys(graph, server.base / "input")
    with demo.use_weights(graph, server.base / "models", options.model, options.lora):
        prompt = prompt_from_graph(graph, server.get("/object_info"))
        for node in prompt.values():
            if node["class_type"] == "ToonLoadModel":
                assert node["inputs"]["file"] == "demo_model.safetensors"
            if node["class_type"] == "ToonSample":
                node["inputs"]["steps"] = 2
        run = server.run(prompt)
    assert run.status == "success", demo.explain(run)
    _, frames = demo.collect(server, run)
    assert len(frames) == 16


def test_a_clone_runs_its_own_nodes_in_folders_of_its_own(tmp_path: Path) -> None:
    borrow(tmp_path)
    base = tmp_path / ".comfyui" / "base"
    assert (base / "custom_nodes" / "ToonTween").resolve() == tmp_path.resolve()
    assert not base.is_symlink() and (base.parent / "ComfyUI" / "main.py").is_file()
    assert (tmp_path / ".venv" / "bin" / "python").exists()


def test_weights_lie_in_the_folders_only_while_they_are_used(tmp_path: Path) -> None:
    file, models = tmp_path / "mine.safetensors", tmp_path / "models"
    file.touch()
    graph = {"nodes": [{"type": "ToonLoadModel", "widgets_values": ["nano", "default", "none"]}]}
    links = [models / "checkpoints" / "demo_mine.safetensors"]
    links.append(models / "loras" / links[0].name)
    with pytest.raises(KeyError), demo.use_weights(graph, models, file, file):
        assert all(link.resolve() == file for link in links)
        raise KeyError("whatever goes wrong")
    assert not any(link.is_symlink() for link in links)
    assert graph["nodes"][0]["widgets_values"] == [links[0].name, "default", links[1].name]

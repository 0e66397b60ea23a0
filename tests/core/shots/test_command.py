"""The command: what it leaves, and what it says where it cannot work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shot_pictures import drawing, pixels

from toon_core.shots.__main__ import main
from toon_core.shots.reading import read_sheet

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sheet(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "shot.json"
    path.write_text(json.dumps(document))
    return path


def test_from_a_sheet_to_files_with_nano(
    sheet: Path, folder: Path, document: dict[str, Any], capsys: Any
) -> None:
    """Draft, takes, a promoted frame: one after the other, as they are used."""
    out = folder / "out"
    words = [str(sheet), "--out", str(out), "--draft"]
    main(words)
    assert "26 frames" in capsys.readouterr().out
    assert {"shot.mp4", "report.json", "takes", "frame_0025.png"} <= {p.name for p in out.iterdir()}
    report = json.loads((out / "report.json").read_text())
    assert report["sampled"] == ["one", "two"] and report["keys"][1]["difference"] == 0
    main(words)
    assert "sampled: nothing" in capsys.readouterr().out

    main([*words, "--list-takes"])
    told = capsys.readouterr().out
    assert all(s["take"] in told for s in report["segments"] if s["take"])
    document["segments"] = [{"from": "two", "mode": "hold"}]
    sheet.write_text(json.dumps(document))
    main([*words[:-1], "--clear-takes"])
    assert "0 takes removed, 2 kept" in capsys.readouterr().out, "a draft's stay"
    main([*words, "--clear-takes"])
    assert "1 takes removed, 1 kept" in capsys.readouterr().out

    main([*words, "--promote", "6"])
    promoted = read_sheet(folder / "shot_0006.json")
    assert [k.frame for k in promoted.keys] == [0, 6, 12, 22]
    picture = pixels(folder / str(promoted.keys[1].image))
    assert (picture == pixels(out / "frame_0006.png")).all()
    with pytest.raises(ValueError, match="already"):
        main([*words, "--promote", "6"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 20}, ("three", "frame 22")),
        ({"keys": [{"frame": 0, "image": "a.png"}, {"frame": 9, "image": "gone.png"}]}, ("gone",)),
        ({"audio": {"file": "gone.wav"}}, ("gone.wav",)),
        ({"segments": [{"from": "one", "lock": "gone"}]}, ("gone",)),
    ],
)
def test_one_line_says_what_is_wrong(
    sheet: Path, folder: Path, document: dict[str, Any], change: Any, words: tuple[str, ...]
) -> None:
    sheet.write_text(json.dumps(document | change))
    command = [sys.executable, "-m", "toon_core.shots", str(sheet), "--out", str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1 and all(word in done.stderr for word in words)
    assert not (folder / "out" / "shot.mp4").exists()


def test_a_device_that_is_not_there_is_named(sheet: Path, folder: Path) -> None:
    with pytest.raises(ValueError, match="--device=cuda:99: this torch cannot use it"):
        main([str(sheet), "--out", str(folder / "out"), "--device", "cuda:99"])


def test_pictures_of_a_second_folder(folder: Path, document: dict[str, Any]) -> None:
    place = folder / "sheets"
    place.mkdir()
    (place / "shot.json").write_text(json.dumps(document | {"length": 23}))
    drawing(50).save(place / "b.png")
    out = folder / "out"
    main([str(place / "shot.json"), "--out", str(out), "--draft", "--input", str(folder)])
    assert (pixels(out / "frame_0012.png") == pixels(place / "b.png")).all(), (
        "the sheet's own first"
    )
    assert (pixels(out / "frame_0000.png") == pixels(folder / "a.png")).all()

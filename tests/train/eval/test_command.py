"""The command line of `train.evaluate`: what is refused in one clear line."""

from pathlib import Path

import pytest

from train.engine.stop import exit_on_user_error
from train.evaluate import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--system", "film"], "no baseline"),
        (["--system", "crossfade", "--system", "crossfade"], "one name"),
        (["--system", "a b=crossfade", "--system", "A_b=nearest"], r"\['a b', 'A_b'\]"),
        (["--system", "..=nearest"], r"named '\.\.'"),
        (["--system", "{testset}/slow"], r"lacks .*frame_000\.png"),
        (["--testset", "{testset}/slow"], "holds no clip"),
        (["--testset", "{testset}/none"], "train.heldout"),
        (["--system", "nearest", "--recipe", "stepz=3"], "stepz"),
        (["--system", "nearest", "--recipe", "fps=12"], "cannot be set"),
    ],
)
def test_bad_requests_are_one_clear_error(
    testset: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    given = [text.format(testset=testset) for text in arguments]
    base = ["--testset", str(testset), "--out", str(tmp_path / "out"), "--size", "64"]
    system = [] if "--system" in given else ["--system", "nearest"]
    with pytest.raises(SystemExit, match=f"error: .*{words}"), exit_on_user_error():
        main([*base, *system, *given, "--workers", "1"])

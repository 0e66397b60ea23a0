"""What a bundled workflow's page is made of, and what several of them say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_layout import Group, Note

ROOT = Path(__file__).resolve().parents[1]
WARM, BLUE, GREEN, VIOLET = "#b06634", "#3f789e", "#5a8f5a", "#7a5c99"

OWN_KEYS = """**Your own key frames:** put two *Load Image* nodes in place of *Toon Example Keys*,
connect them to *first_image* and *last_image* of *Toon Encode Keys*, and write into *prompt* what
happens between them."""
ENDS = "The movie goes to *output/toontween/*."


@dataclass(frozen=True, kw_only=True)
class Page:
    """file: the workflow's name without its ending, which ComfyUI shows as the template's title.

    app: what ComfyUI's app mode shows, which leaves the graph away: "inputs" as [node, widget],
    "outputs" as nodes."""

    file: str
    clip: str
    label: str
    stacks: list[list[Group]]
    note: Note
    titles: dict[int, str] = field(default_factory=dict)
    runs: bool = True
    needs: tuple[str, ...] = ()
    app: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def keys(self) -> list[Path]:
        """The pictures of its thumbnail."""
        drawings = sorted((ROOT / "js" / "example" / self.clip).glob("*.png"))
        ends = [ROOT / "cast" / "keys" / f"{self.clip}_{end}.png" for end in ("first", "last")]
        return drawings or ends

"""What a run was begun with, kept in its checkpoints: so that it goes on as the same run."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from train.engine.config import RunConfig
from train.engine.files import file_digest
from train.engine.result import sources, without_folders

log = logging.getLogger("toon.train")

Options = dict[str, Any]


class History:
    """Options and data of a run now, and what of its options has changed on the way."""

    def __init__(self, config: RunConfig, stamp: str) -> None:
        self.config, self.stamp = config, stamp
        self.options = flat(json.loads(json.dumps(asdict(config))))
        self.sources = {name: file_digest(Path(path)) for name, path in sources(config).items()}
        self.changes: list[dict[str, Any]] = []  # {"step", "changed": {name: [before, then]}}

    def state_dict(self) -> dict[str, Any]:
        return {
            "options": self.options,
            "sources": self.sources,
            "data_stamp": self.stamp,
            "history": self.changes,
        }

    def go_on(self, state: dict[str, Any]) -> None:
        """From a checkpoint. ValueError naming what it was begun with, where that is not an
        option that may change, or the data or a file it starts from are others. Checkpoints of
        before have less to tell."""
        before = state.get("options") or {name: state[name] for name in ("seed", "batch")}
        changed = {
            name: [value, self.options[name]]
            for name, value in before.items()
            if name in self.options and value != self.options[name]
        }
        for name, (value, _) in changed.items():
            if name not in self.config.FREE:
                raise ValueError(
                    f"{self.config.out} was begun with {name}={_text(value)}, which decides what "
                    "it learns: give that again, or another out folder"
                )
        self._check_sources(state.get("sources", {}))
        self._check_data(state.get("data_stamp", self.stamp))
        self.changes = list(state.get("history", ()))
        if changed:
            self.changes.append({"step": state["step"], "changed": changed})

    def _check_sources(self, before: dict[str, str]) -> None:
        for name, digest in before.items():
            now = self.sources.get(name, digest)
            if now != digest:
                raise ValueError(
                    f"{self.config.out} was begun with another file as {name}="
                    f"{getattr(self.config, name)} (sha256 {digest[:16]}..., now {now[:16]}...): "
                    "give that again, or another out folder"
                )

    def _check_data(self, before: str) -> None:
        out, data = self.config.out, self.config.data
        if self.stamp.startswith(f"{before}-"):
            log.warning(
                "%s was begun when of a cache the clips alone were stamped: if data=%s has grown "
                "since, or was made anew with other options, begin again in another out folder",
                out,
                data,
            )
        elif before != self.stamp:
            raise ValueError(
                f"{out} was begun on other clips than data={data} has now, or on another cache of "
                f"them (stamp {before}, now {self.stamp}): give those again (of a cache that has "
                "grown, one made with its count of before), or another out folder"
            )


def flat(values: Options, above: str = "") -> Options:
    """Nested options by dotted names; of a path only its last parts, as in a manifest."""
    found: Options = {}
    for name, value in values.items():
        inner = isinstance(value, dict)
        found |= flat(value, f"{above}{name}.") if inner else {above + name: without_folders(value)}
    return found


def _text(value: Any) -> str:
    """As it is given on a command line."""
    return value if isinstance(value, str) else json.dumps(value)

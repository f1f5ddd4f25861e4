"""Folders of runs as a training leaves them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resbench.config.yaml import dump_yaml
from resbench.records.schema import Record, write_record


def tile_line(
    epoch: int, layer: str = "fc1", tile: str = "A", *, pulses: int = 0, share: float = 1.0, **more: Any
) -> dict[str, Any]:
    """A line of ``tiles.jsonl`` about a tile with four devices."""
    line: dict[str, Any] = {
        **{"epoch": epoch, "step": 10 * (epoch + 1), "layer": layer, "tile": tile, "gamma": 0.5},
        **{"mean": 0.0, "std": 0.1, "saturated": 0.25, "pulses_up": pulses, "pulses_down": 0},
        **{"transfers_in": 0, "transfers_out": 0, "slots": 0, "share": share},
        **{"range": [-1.0, 1.0], "histogram": [1, 2, 1]},
    }
    return line | more


def write_run(
    folder: Path,
    record: Record | None,
    lines: Sequence[dict[str, Any]] = (),
    metrics: str = "",
    config: dict[str, Any] | None = None,
) -> Path:
    """The folder, with the files that are given."""
    folder.mkdir(parents=True)
    if record is not None:
        write_record(folder / "record.json", record)
        config = record.config
    if config is not None:
        (folder / "config.yaml").write_text(dump_yaml(config))
    if lines:
        (folder / "tiles.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if metrics:
        (folder / "metrics.csv").write_text(metrics)
    return folder

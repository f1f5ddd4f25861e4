"""The state of every tile over the epochs: to all loggers as scalars, to the run folder as a full series."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from resbench.callbacks.histograms import log_histograms
from resbench.crossbar.tile import Tile
from resbench.errors import BadValue
from resbench.nn import analog_layers
from resbench.records.files import keep_lines
from resbench.records.names import TILES

#: What a line says of a tile beside these is a number, and goes to the loggers.
NOT_SCALARS = ("epoch", "step", "layer", "tile", "gamma", "range", "histogram")


class TileState(Callback):
    """Logs each tile of each analog layer after an epoch, whatever the algorithm.

    Scalars go to every logger as ``tile/LAYER/TILE/QUANTITY``, histograms to Weights & Biases and TensorBoard. One JSON
    line for each tile and epoch, with the histogram, goes to ``tiles.jsonl`` in ``trainer.log_dir``. Quantities:
    ``mean`` and ``std`` of the weights, weight units; ``saturated``, fraction of devices within 5 % of their range from
    a bound; ``pulses_up``, ``pulses_down``, ``transfers_in``, ``transfers_out`` and ``slots`` of pulse trains since the
    start; ``share``, the norm ``gamma_k ||W_k||_F`` of the tile's part in the composite weight.

    Args:
        every_n_epochs: epochs between two entries; 0 for none.
        bins: bins of the histogram, over the mean range of the device; the outer bins also count what lies beyond.

    Raises:
        BadValue: for a negative period or fewer than one bin.
    """

    def __init__(self, every_n_epochs: int = 1, bins: int = 32) -> None:
        if every_n_epochs < 0:
            raise BadValue("every_n_epochs", every_n_epochs, "is negative; write 0 for no log of the tiles")
        if bins < 1:
            raise BadValue("bins", bins, "is too few; write a whole number of 1 or more")
        self.every_n_epochs = every_n_epochs
        self.bins = bins
        self._lines = 0

    def state_dict(self) -> dict[str, int]:
        """How far the file goes, for the checkpoint."""
        return {"lines": self._lines}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Take the length of the file from a checkpoint."""
        self._lines = state_dict["lines"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop entries beyond the checkpoint that a run resumes from."""
        path = self._path(trainer)
        if path is not None and trainer.is_global_zero:
            keep_lines(path, self._lines)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log all tiles."""
        if self.every_n_epochs == 0 or (trainer.current_epoch + 1) % self.every_n_epochs:
            return
        place = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        network = getattr(pl_module, "network", pl_module)
        entries = [
            {**place, "layer": layer_name, "tile": name, **self.describe(gamma, tile)}
            for layer_name, layer in analog_layers(network)
            for name, gamma, tile in layer.algorithm.named_tiles()
        ]
        if not entries:
            return
        scalars = {
            f"tile/{entry['layer']}/{entry['tile']}/{quantity}": value
            for entry in entries
            for quantity, value in entry.items()
            if quantity not in NOT_SCALARS
        }
        histograms = {
            f"tile/{entry['layer']}/{entry['tile']}/histogram": (entry["histogram"], self._edges(*entry["range"]))
            for entry in entries
        }
        for logger in trainer.loggers:
            logger.log_metrics({**scalars, "epoch": trainer.current_epoch}, step=trainer.global_step)
            log_histograms(logger, histograms, step=trainer.global_step)
        path = self._path(trainer)
        if path is not None and trainer.is_global_zero:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)
        self._lines += len(entries)

    def describe(self, gamma: float, tile: Tile) -> dict[str, Any]:
        """The state of one tile, with share ``gamma`` in the composite weight."""
        weight, bounds = tile.weight, tile.constants
        margin = 0.05 * (bounds["w_max"] - bounds["w_min"])
        saturated = (weight >= bounds["w_max"] - margin) | (weight <= bounds["w_min"] + margin)
        low, high = tile.device.w_min, tile.device.w_max
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = weight.min().item(), weight.max().item()
        return {
            "gamma": gamma,
            "mean": weight.mean().item(),
            "std": weight.std(correction=0).item(),
            "saturated": saturated.float().mean().item(),
            "pulses_up": int(tile.pulses_up.sum(dtype=torch.int64)),
            "pulses_down": int(tile.pulses_down.sum(dtype=torch.int64)),
            "transfers_in": tile.transfers_in,
            "transfers_out": tile.transfers_out,
            "slots": tile.slots,
            "share": gamma * torch.linalg.vector_norm(weight).item(),
            "range": [low, high],
            "histogram": self._histogram(weight, low, high),
        }

    def _histogram(self, weight: torch.Tensor, low: float, high: float) -> list[int]:
        position = (weight.double() - low) / max(high - low, 1e-30) * self.bins
        counts: list[int] = torch.bincount(
            position.floor().clamp(0, self.bins - 1).long().flatten().cpu(), minlength=self.bins
        ).tolist()
        return counts

    def _edges(self, low: float, high: float) -> list[float]:
        return [low + (high - low) * edge / self.bins for edge in range(self.bins + 1)]

    @staticmethod
    def _path(trainer: Trainer) -> Path | None:
        return Path(trainer.log_dir, TILES) if trainer.log_dir else None

"""A run in Weights & Biases: metrics, config, histograms of the tiles, the record and the checkpoint."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from resbench.errors import UserError
from resbench.records.names import ARTIFACT

#: Type of the artifact with the checkpoint of a run.
CHECKPOINT_TYPE = "checkpoint"


class WandbRunLogger(WandbLogger):
    """Lightning's logger for Weights & Biases, which also logs histograms of tiles, the record and the checkpoint.

    The group of a run is its track, and its job type is the hash of its config, so the pages of a project can be
    grouped by both. An offline run needs neither an account nor a network; ``wandb sync FOLDER`` uploads it later.
    ``WANDB_MODE=disabled`` in the environment turns it off, and ``WANDB_MODE=offline`` makes every run an offline one.

    Args:
        project: project of the run.
        entity: user or team; null for the default one.
        offline: write to the run folder only; false uploads during the run and needs an account.
        save_dir: folder of W&B's files, absolute or relative to the run folder.
        name: name of the run; null for experiment and hash.
        group: null for the track.
        job_type: null for the first digits of the config hash.
        tags: words to filter runs by.
        notes: a text about the run.
        checkpoint: also keep the checkpoint of the run as an artifact.
    """

    def __init__(
        self,
        project: str = "resbench",
        entity: str | None = None,
        offline: bool = True,
        save_dir: str = ".",
        name: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: Sequence[str] = (),
        notes: str | None = None,
        checkpoint: bool = True,
    ) -> None:
        import wandb

        disabled = os.environ.get("WANDB_MODE") == "disabled"
        super().__init__(
            name=name,
            save_dir=save_dir,
            # Not by Lightning's `offline`, which overwrites the variable WANDB_MODE for the rest of the process.
            mode="disabled" if disabled else "offline" if offline else None,
            project=project,
            entity=entity,
            group=group,
            job_type=job_type,
            tags=list(tags),
            notes=notes,
            # Offline, its last message names the folder of the attempt, which is renamed when the run is complete.
            settings=wandb.Settings(silent=offline),
        )
        # Lightning still passes this, and wandb would warn about it in every run.
        self._wandb_init.pop("anonymous", None)
        self.with_checkpoint = checkpoint

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Begin the run with its config.

        Raises:
            UserError: if W&B refuses, for example without an account.
        """
        from wandb.errors import Error

        try:
            super().log_hyperparams(params)
        except Error as error:
            raise UserError(f"trainer.logger: {' '.join(str(error).split())} Or write offline: true") from error

    @rank_zero_only
    def log_histograms(self, histograms: Mapping[str, tuple[Sequence[int], Sequence[float]]], step: int) -> None:
        """Log counts and edges of bins, by name, at an optimiser step."""
        import wandb

        items = {
            name: wandb.Histogram(np_histogram=(np.array(counts), np.array(edges)))
            for name, (counts, edges) in histograms.items()
        }
        self.experiment.log({**items, "trainer/global_step": step})

    @rank_zero_only
    def log_results(self, record: Path, checkpoint: Path, about: Mapping[str, Any]) -> None:
        """Save the record, and the checkpoint if there is one, as artifacts of the run.

        Args:
            record: file of the record.
            checkpoint: file of the checkpoint; it need not exist.
            about: metadata; ``config_hash`` names the artifacts.
        """
        self._log_file(record, ARTIFACT, about)
        if self.with_checkpoint and checkpoint.exists():
            self._log_file(checkpoint, CHECKPOINT_TYPE, about)

    def _log_file(self, path: Path, type_: str, about: Mapping[str, Any]) -> None:
        import wandb

        artifact = wandb.Artifact(f"{type_}-{about['config_hash'][:12]}", type=type_, metadata=dict(about))
        artifact.add_file(str(path))
        self.experiment.log_artifact(artifact)

    @rank_zero_only
    def close(self, exit_code: int) -> None:
        """End the run, and wait until everything is written: W&B's own process still writes when ``finish`` returns."""
        import wandb

        self.experiment.finish(exit_code=exit_code)
        wandb.teardown(exit_code=exit_code)

    def offline_parts(self, folder: Path) -> list[Path]:
        """Folders of an offline run, the oldest first; empty for any other run.

        Args:
            folder: the run folder. Paths in it are relative to it, and a run that was resumed has one for each part. If
                ``save_dir`` is elsewhere, where other runs may write too, there is only the last part, absolute.
        """
        if not self.experiment.offline:
            return []
        last, folder = Path(self.experiment.dir).resolve().parent, folder.resolve()
        if not last.is_relative_to(folder):
            return [last]
        return [part.relative_to(folder) for part in sorted(last.parent.glob("offline-run-*"))]

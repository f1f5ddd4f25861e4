"""`resbench export RUN --to FILE`: the logical weights of a run, for plain torch and for `weights` of another run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import safetensors.torch

from resbench.config.files import read_mapping
from resbench.config.imports import only_named
from resbench.config.trust import refusals, why
from resbench.config.weights import digest_of
from resbench.errors import UserError
from resbench.nn import digital_state
from resbench.records.files import replacing
from resbench.records.names import CHECKPOINT, CONFIG
from resbench.training.cli import RunCLI
from resbench.training.resume import made_by
from resbench.training.trained import load_trained


def export(folder: Path, to: Path, trusted: Sequence[str] = ()) -> int:
    """Write the state of the digital network that computes as a run's network does with perfect periphery.

    Analog layers give their composite weight times mapping scale and output scale, by the names of the digital network;
    everything else is as it is in the checkpoint. The same checkpoint gives the same bytes.

    The folder may come from somebody else: its config may only name classes that resbench offers or that are trusted.

    Args:
        folder: folder of the run, complete or not.
        to: the file to write, ``NAME.safetensors``.
        trusted: modules whose classes the config may name.

    Returns:
        0.

    Raises:
        UserError: if there is no checkpoint, its config names other classes, or the file cannot be written.
    """
    if to.suffix != ".safetensors":
        raise UserError(f"--to {to}: the format is that of safetensors; write a name that ends in .safetensors")
    config, checkpoint = folder / CONFIG, folder / CHECKPOINT
    if missing := [path.name for path in (config, checkpoint) if not path.is_file()]:
        raise UserError(f"{folder}: no run with a checkpoint, it has no {' and '.join(missing)}; name runs/NAME/HASH")
    content = read_mapping(config)
    if refused := refusals(content, trusted, own_paths=True):
        raise UserError(f"{config}: {why(refused, 'resbench export', made_by(folder))}")
    with only_named(content, trusted):
        cli = RunCLI(["--config", str(config)], "resbench export", build=False)
        model = cli.model_alone()
        load_trained(checkpoint, cli.resolved, model)
    state = {name: tensor.contiguous() for name, tensor in digital_state(model.network).items()}
    try:
        with replacing(to) as stream:
            stream.write(safetensors.torch.save(state))
    except OSError as error:
        raise UserError(f"--to {to}: it cannot be written ({error.strerror}); name another file") from None
    count = sum(tensor.numel() for tensor in state.values())
    print(f"{to}: {len(state)} tensors, {count:,} numbers, sha256 {digest_of(str(to))}")
    return 0

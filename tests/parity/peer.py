"""The peer's side of the parity test: runs in an environment of its own that has aihwkit and nothing of ours.

Reads test vectors of kind ``update`` without their expectations from standard input, runs each of them on fresh
devices, and writes mean and standard deviation of the weights after the update, as JSON.
"""

import json
import sys
from typing import Any

import torch
from aihwkit.simulator import configs
from aihwkit.simulator.configs import SingleRPUConfig, UpdateParameters
from aihwkit.simulator.tiles import AnalogTile

OURS = {"write_noise_std", "apply_write_noise_on_set"}


def run(vector: dict[str, Any]) -> torch.Tensor:
    """Weights ``[repeats, out, in]`` after the update."""
    fields = dict(vector["config"]["device"])
    model = getattr(configs, fields.pop("model") + "Device")
    device = model(**{name: value for name, value in fields.items() if hasattr(model(), name) or name not in OURS})
    inputs = vector["inputs"]
    x, d = torch.tensor(inputs["x"]), torch.tensor(inputs["d"])
    weights = []
    for _ in range(vector["n_repeats"]):
        tile = AnalogTile(d.shape[1], x.shape[1], SingleRPUConfig(device=device, update=UpdateParameters()))
        tile.set_weights(torch.full((d.shape[1], x.shape[1]), float(inputs["w0"])))
        tile.set_learning_rate(inputs["lr"])
        tile.update(x, d)
        weights.append(tile.get_weights()[0].double())
    return torch.stack(weights)


def main() -> None:
    """One line of JSON for all vectors."""
    results = []
    for vector in json.load(sys.stdin):
        weights = run(vector)
        results.append({"mean": weights.mean(dim=0).tolist(), "std": weights.std(dim=0).tolist()})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()

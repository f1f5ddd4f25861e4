"""aihwkit's side of the test: runs in an environment of its own that has aihwkit and nothing of ours but two files.

Writes one line of JSON: the dict of every training preset of the installed aihwkit, and how its devices answer to
pulses. With ``--compact`` the dicts leave out what is the default of their class; `presets.json` was made so::

    PYTHONPATH=. /path/to/env/bin/python tests/interop/peer.py --compact > tests/interop/presets.json
"""

import json
import sys
from typing import Any

import torch
from aihwkit.simulator import configs, presets
from aihwkit.simulator.configs import IOParameters, SingleRPUConfig, UnitCellRPUConfig, UpdateParameters
from aihwkit.simulator.tiles import AnalogTile

from resbench.interop.fields import as_dict

#: Configs without pulses.
OTHERS = ("FloatingPointPreset", "StandardHWATrainingPreset")
SIDE, UP, DOWN, TILES = 64, 8, 4, 16
ANSWERS = (
    "Capacitor",
    "EcRam",
    "EcRamMO",
    "GokmenVlasov",
    "Idealized",
    "PCM",
    "ReRamES",
    "ReRamSB",
    "EcRam2",
    "ReRamSB4",
)


def all_presets() -> dict[str, Any]:
    """A config of each training preset."""
    names = sorted(name for name in dir(presets) if name.endswith("Preset") and name not in OTHERS)
    return {name: getattr(presets, name)() for name in names}


def compact(content: Any) -> Any:
    """The dict without what is the default of its class."""
    if isinstance(content, list):
        return [compact(one) for one in content]
    if not isinstance(content, dict):
        return content
    made = getattr(configs, content["class"], None)
    default = as_dict(made()) if made is not None else {}
    kept = {name: compact(value) for name, value in content.items() if name == "class" or value != default.get(name)}
    return kept


def answer(name: str) -> dict[str, list[float]]:
    """Mean and standard deviation of the weights of a tile after each of some pulses, as means over the tiles."""
    device = getattr(presets, f"{name}Preset")().device
    made = SingleRPUConfig if hasattr(device, "dw_min") else UnitCellRPUConfig
    update = UpdateParameters(desired_bl=1, update_bl_management=False, update_management=False)
    perfect = IOParameters(is_perfect=True)
    config = made(device=device, update=update, forward=perfect, backward=perfect)
    mean, std = torch.zeros(2, TILES, UP + DOWN, dtype=torch.float64)
    for k in range(TILES):
        tile = AnalogTile(SIDE, SIDE, config)
        tile.set_weights(torch.zeros(SIDE, SIDE))
        tile.set_learning_rate(10.0)
        for pulse, sign in enumerate((*[-1.0] * UP, *[1.0] * DOWN)):
            tile.update(torch.ones(1, SIDE), sign * torch.ones(1, SIDE))
            weights = tile.get_weights()[0].double()
            mean[k, pulse], std[k, pulse] = weights.mean(), weights.std()
    return {"mean": mean.mean(0).tolist(), "std": std.mean(0).tolist()}


def main() -> None:
    """One line of JSON."""
    found = {name: as_dict(config) for name, config in all_presets().items()}
    if "--compact" in sys.argv:
        lines = [f"{json.dumps(name)}: {json.dumps(compact(content))}" for name, content in found.items()]
        print("{\n" + ",\n".join(lines) + "\n}")
    else:
        answers = {name: answer(name) for name in ANSWERS}
        json.dump({"presets": found, "answers": answers, "tiles": TILES}, sys.stdout)


if __name__ == "__main__":
    main()

"""Every experiment of the paper has the settings of docs/experiments.md, which says where they come from."""

from pathlib import Path

import pytest

from resbench.cli import main
from resbench.config.files import read_config

EXPERIMENTS = sorted((Path(__file__).resolve().parent.parent / "configs" / "paper").glob("*.yaml"))
#: What the experiments of a table share, by a part of their names.
SETTINGS: dict[str, dict[str, object]] = {
    "t1_mnist": {"batch": 8, "lr": 0.05, "schedule": (30, 0.5), "epochs": 100, "smoothing": 0.0},
    "t1_fashion": {"batch": 16, "lr": 0.1, "schedule": (30, 0.5), "epochs": 100, "smoothing": 0.0},
    "cifar10_": {"batch": 128, "lr": 0.1, "schedule": (100, 0.1), "epochs": 200, "smoothing": 0.1},
    "cifar100_": {"batch": 128, "lr": 0.1, "schedule": (100, 0.1), "epochs": 400, "smoothing": 0.1},
    "t12": {"batch": 64, "lr": 0.1, "schedule": None, "epochs": 20, "smoothing": 0.0},
}
GAMMA = {
    "t1_mnist_10": 0.5, "t1_fashion_mnist_4": 0.2, "t2_cifar10_4": 0.5, "t2_cifar100_4": 0.5, "t2_cifar10_16": 0.1,
    "t2_cifar100_16": 0.1, "t9_cifar10_4": 0.5, "t9_cifar10_10": 0.2, "t10_cifar100_4": 0.5, "t11_cifar10_80": 0.1,
    "t11_cifar100_80": 0.1, "t12_shakespeare_4": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_settings_of_the_paper(path: Path) -> None:
    config = read_config(path)
    model, name = config["model"]["init_args"], path.stem
    algorithm = model["algorithm"].get("init_args", {})
    (expected,) = (dict(settings) for key, settings in SETTINGS.items() if key in name)
    if name.startswith("t1_fashion") and "residual" in name:
        expected["lr"] = 0.2
    schedule = (config.get("lr_scheduler") or {}).get("init_args")
    assert expected == {
        "batch": config["data"]["init_args"]["batch_size"],
        "lr": config["optimizer"]["init_args"]["lr"],
        "schedule": schedule and (schedule["step_size"], schedule["gamma"]),
        "epochs": config["trainer"]["max_epochs"],
        "smoothing": model.get("label_smoothing", 0.0),
    }
    lenet = name.startswith("t1_")
    if "residual" in name:
        assert {key: algorithm[key] for key in ("transfer_every", "transfer_every_growth", "transfer_lr")} == (
            {"transfer_every": 2, "transfer_every_growth": 5, "transfer_lr": 0.1}
            if lenet
            else {"transfer_every": 3, "transfer_every_growth": 2, "transfer_lr": 0.3}
        )
        assert (algorithm["transfer_lr_growth"], algorithm["scale_transfer_lr"]) == (1.2, False)
        assert algorithm["gamma"] == GAMMA[name.partition("states")[0]]
        assert algorithm["fast_lr"] == (None if name == "t1_mnist_10states_residual3" else 1.0)
    if name.endswith("_tt1"):
        rates = (0.01, 0.1) if lenet else (0.1, 1.0)
        assert (algorithm["fast_lr"], algorithm["transfer_lr"], algorithm["scale_transfer_lr"]) == (*rates, True)
    if name.endswith("_tt2"):
        rates = (0.05 if name.startswith("t1_fashion") else 0.1, 1.0)
        assert (algorithm["fast_lr"], algorithm["transfer_lr"], algorithm["scale_transfer_lr"]) == (*rates, True)
    if "digital" not in name:
        device = model["device"]["init_args"]
        assert model["device"]["class_path"] == "resbench.crossbar.devices.SoftBounds"
        assert (device["w_min"], device["w_max"]) == (-1, 1)
        assert model.get("mapping", {}).get("learn_out_scaling", False) == (
            name.endswith(("_tt1", "_tt2")) if lenet else "cifar" in name and not name.endswith("_mp")
        )


def test_gamma_of_the_algorithm_is_told_from_that_of_the_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    """The message finds its key by the value, so it must not hold numbers that another key may have."""
    config = EXPERIMENTS[0].parent / "t1_mnist_10states_residual6.yaml"
    digits = EXPERIMENTS[0].parents[1] / "data" / "digits.yaml"  # which are always there, and are looked for first
    assert main(["fit", "--config", str(config), "--config", str(digits), "--model.algorithm.gamma=1.5"]) == 2
    expected = "error: model.init_args.algorithm.init_args.gamma: 1.5 is outside (0, 1]; write the scale"
    assert capsys.readouterr().err.startswith(expected)

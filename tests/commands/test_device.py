"""`resbench device`: the numbers it prints, the figure it draws, and its hints."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
import yaml

from resbench.commands import device
from resbench.errors import UserError
from tests.crossbar.zoo import PRESETS, model_name


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    device.add_arguments(parser)
    return device.run(parser.parse_args(arguments))


def rows(text: str) -> dict[str, str]:
    """What is printed, by the name in the first column."""
    return {name.strip(): value for name, value in re.findall(r"^(\S+(?: \S+)*)\s{2,}(.*)$", text, flags=re.M)}


def test_prints_what_a_published_device_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ReRamArrayHfO2") == 0
    printed = rows(capsys.readouterr().out)
    assert printed["states"] == "4.32713 (2.11 bits)"
    assert printed["granularity"] == "0.4622"
    assert printed["step at 0"] == "up 0.4622, down 0.4622"
    assert printed["step slope"].startswith("up -0.462, down 0.462 per unit of weight")
    assert re.match(r"-?0\.000; of devices -?0\.00\d \+- 0\.05", printed["symmetric point"])
    assert printed["source"] == "Gong et al., IEDM, 2022"


@pytest.mark.parametrize(("states", "says"), [("4", "4 (2 bits)"), ("inf", "inf (inf bits)")])
def test_other_numbers_of_states(states: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ReRamES", "--states", states) == 0
    assert rows(capsys.readouterr().out)["states"] == says


def test_devices_without_or_with_other_elements(capsys: pytest.CaptureFixture[str]) -> None:
    run("Idealized")
    assert rows(capsys.readouterr().out)["symmetric point"] == "none: the steps do not depend on the weight"
    run("Ideal")
    assert "step at 0" not in rows(capsys.readouterr().out)
    run("ReRamES2")
    assert rows(capsys.readouterr().out)["elements"] == "0.5 x ReRamES, 0.5 x ReRamES"


def test_a_class_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    run("resbench.crossbar.devices.curves.PowStep")
    assert rows(capsys.readouterr().out)["states"] == "2400 (11.2 bits)"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ReRamArrayHf02"], "no 'ReRamArrayHf02': did you mean ReRamArrayHfO2"),
        (["Flux"], "'resbench list devices' shows all"),
        (["PulsedDevice"], "no 'PulsedDevice'"),
        (["VectorCell"], "name a published cell"),
        (["torch.nn.Linear"], "no 'torch.nn.Linear'"),
        (["nowhere.Device"], "cannot be imported"),
        (["SoftBounds", "--states", "1.5"], "states: 1.5 is impossible"),
        (["Ideal", "--plot", "x.png"], "no response to pulses"),
        (["SoftBounds", "--plot", "x.bmp"], ".png, .pdf or .svg"),
        (
            ["SoftBounds", "--states", "1e6", "--plot", "x.png"],
            "states: 1e+06 are too many to draw, a figure shows at mo",
        ),
        (["."], "device: . cannot be imported: Empty module name"),
        ([".."], "device: .. cannot be imported: "),
        ([], "write either the name of a device or --fit data.csv"),
        (["SoftBounds", "--fit", "x.csv"], "write either the name of a device or --fit data.csv"),
        (["SoftBounds", "--out", "x"], "--range and --out belong to --fit"),
        (["--fit", "x.csv", "--states", "4"], "--fit finds the number of states"),
        (["--fit", "x.csv", "--plot", "x.bmp"], ".png, .pdf or .svg"),
        (["--fit", "x.csv"], "x.csv cannot be read (No such file or directory)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_get_a_hint(arguments: list[str], says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        run(*arguments)


@pytest.mark.parametrize("name", ["ReRamArrayHfO2", "PCMPair", "EcRam2"])
def test_draws_a_figure(name: str, tmp_path: Path) -> None:
    path = tmp_path / "figures" / "device.png"
    run(name, "--plot", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 50_000


def test_a_figure_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UserError, match=r"plot: .*taken.png cannot be written \(Is a directory\); name another file"):
        run("SoftBounds", "--states", "4", "--plot", str(tmp_path / "taken.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]


def test_draws_the_limit_without_granularity(tmp_path: Path) -> None:
    run("SoftBounds", "--states", "inf", "--plot", str(tmp_path / "device.svg"))
    text = (tmp_path / "device.svg").read_text(encoding="utf-8")
    assert "</svg>" in text


@pytest.mark.parametrize("preset", PRESETS, ids=model_name)
def test_every_published_device_has_a_description(preset: object) -> None:
    found = dict(device.describe(device.find(type(preset).__name__)))
    assert found["source"] != "model; aihwkit 1.1.0 for its behaviour"
    assert {"states", "step at 0", "symmetric point"} <= found.keys()


def test_fits_a_device_to_measurements(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Steps of 0.1 weight units in both directions, between hard bounds that stop the weight."""
    up = [min(-1 + 0.1 * pulse, 1) for pulse in range(30)]
    (tmp_path / "my data.csv").write_text("up,down\n" + "".join(f"{weight:g},{-weight:g}\n" for weight in up))
    assert run("--fit", str(tmp_path / "my data.csv"), "--range", "-1", "1", "--out", str(tmp_path / "fit")) == 0
    printed = rows(capsys.readouterr().out)
    assert printed["device"] == "LinearStep: 1 device, 2 branches, 60 readings"
    assert printed["states"].startswith("20 (4.32 bits)")
    assert sorted(path.name for path in (tmp_path / "fit").iterdir()) == [
        *("my_data_device.yaml", "my_data_fit.json", "my_data_fit.png"),
    ]
    written = yaml.safe_load((tmp_path / "fit" / "my_data_device.yaml").read_text())["model"]["init_args"]["device"]
    assert written["class_path"] == "resbench.crossbar.devices.LinearStep"
    assert written["init_args"]["dw_min"] == pytest.approx(0.1, rel=1e-3)
    assert (tmp_path / "fit" / "my_data_fit.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("up,down\n" + "".join(f"{i},{9 - i}\n" for i in range(10)))
    with pytest.raises(UserError, match=r"out: .* cannot be written"):
        run("--fit", str(tmp_path / "data.csv"), "--out", str(tmp_path / "data.csv"))

"""From a sweep file to command lines."""

import math
from pathlib import Path

import pytest

from resbench.cli import main
from resbench.errors import UserError
from resbench.sweep.plan import read_plan
from resbench.training.folder import RunFolder

SWEEP = """
seeds: [0, 1]
base: base.yaml
runs:
  - name: digital
  - name: residual
    config: [residual.yaml]
    set: {optimizer.lr: 0.1, model.layers: [fc1]}
    grid: {model.device.states: [4, inf], model.algorithm.tiles: [2, 3]}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    for name in ("base", "residual"):
        (tmp_path / f"{name}.yaml").touch()
    (tmp_path / "demo.yaml").write_text(SWEEP)
    return tmp_path / "demo.yaml"


def test_every_combination_with_every_seed(sweep: Path) -> None:
    folder, cells = read_plan(sweep)
    assert folder == Path("runs/demo")
    assert [(cell.name, cell.seed) for cell in cells] == [
        (name, seed)
        for name in [
            "digital",
            *(f"residual-states{states}-tiles{tiles}" for states in (4, math.inf) for tiles in (2, 3)),
        ]
        for seed in (0, 1)
    ]
    base, own = (str(sweep.with_name(f"{name}.yaml")) for name in ("base", "residual"))
    assert cells[0].argv == (
        "--config", base, "--experiment.root=runs/demo", "--experiment.name=digital", "--seed_everything=0",
    )  # fmt: skip
    assert cells[-1].argv == (
        "--config", base, "--config", own, "--optimizer.lr=0.1", '--model.layers=["fc1"]',
        "--model.device.states=.inf", "--model.algorithm.tiles=3",
        "--experiment.root=runs/demo", "--experiment.name=residual-statesinf-tiles3", "--seed_everything=1",
    )  # fmt: skip


def test_a_grid_of_config_files(sweep: Path) -> None:
    sweep.write_text("runs: [{name: a, set: {x: 1}, grid: {config: [base.yaml, residual.yaml], w: [-0.1, 0.1]}}]")
    cells = read_plan(sweep)[1]
    assert [cell.name for cell in cells] == ["a-base-w-0.1", "a-base-w0.1", "a-residual-w-0.1", "a-residual-w0.1"]
    assert cells[-1].argv[:4] == ("--config", str(sweep.with_name("residual.yaml")), "--x=1", "--w=0.1")


def test_values_inside_of_values_are_read_again(sweep: Path) -> None:
    sweep.write_text('runs: [{name: a, set: {x: [inf, {y: -inf, z: null}], t: "a\\nb", u: 1e-9}}]')
    (cell,) = read_plan(sweep)[1]
    assert cell.argv[:3] == ('--x=[.inf, {"y": -.inf, "z": null}]', "--t=a\nb", "--u=1.0e-09")


def test_different_runs_of_one_name_are_numbered(sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "base.yaml").touch()
    sweep.write_text(
        "runs: [{name: a, grid: {config: [base.yaml, other/base.yaml]}}, {name: a-base-2}, "
        "{name: b, grid: {x: [a b, a_b]}}, {name: b, set: {x: a c}, grid: {x: [a b]}}]"
    )
    cells = read_plan(sweep)[1]
    assert [cell.name for cell in cells] == ["a-base", "a-base-3", "a-base-2", "b-xa_b", "b-xa_b-2", "b-xa_b-3"]
    assert [cell.argv[-2] for cell in cells] == [f"--experiment.name={cell.name}" for cell in cells]
    assert cells[1].argv[1] == str(tmp_path / "other" / "base.yaml")


def test_another_folder(sweep: Path, tmp_path: Path) -> None:
    assert read_plan(sweep, tmp_path / "out")[0] == tmp_path / "out"
    sweep.write_text(SWEEP + "out: elsewhere\n")
    assert read_plan(sweep)[0] == Path("elsewhere")


def test_the_home_folder_may_be_written_short(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    sweep.write_text(SWEEP + "out: ~/runs\n")
    folder, cells = read_plan(sweep)
    assert folder == tmp_path / "runs"
    assert f"--experiment.root={folder}" in cells[0].argv
    assert RunFolder("~/runs", "a", 64 * "0").complete == folder / "a" / (12 * "0")
    assert main(["submit", "~/nothing"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'nothing'}: there is no such file")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("seeds:", "seed:", "seed: there is no such key; did you mean seeds?"),
        ("    grid:", "    grids:", "runs: residual: grids: there is no such key; did you mean grid?"),
        ("[0, 1]", "3", r"seeds: 3 is no list of seeds; write for example \[0, 1, 2\]"),
        ("[0, 1]", "[true]", r"seeds: \[True\] is no list of seeds"),
        ("[0, 1]", "[0, -1]", "seeds: -1 is no seed; write a whole number from 0 to 4294967295"),
        ("[0, 1]", "[1, 1]", "seeds: 1 is there twice; take one out"),
        ("[2, 3]", "[2, 2]", "runs: residual-states4-tiles2 is there twice with the same values; take one out"),
        ("name: residual", "name: digital/a", "name: 'digital/a'; write letters, digits"),
        ("name: residual", "nam: residual", "name: missing; write letters, digits"),
        ("[4, inf]", "4", r"grid: model.device.states: 4 is no list of values; write for example \[4, 10, 16\]"),
        ("{optimizer.lr: 0.1, model.layers: [fc1]}", "4", "set: 4 is no mapping; write lines such as"),
        ("base.yaml", "bas.yaml", "demo.yaml: base: there is no bas.yaml"),
        ("base.yaml", "5", r"demo.yaml: base: 5 is no list of config files; write \[device/softbounds.yaml, ...\]"),
        ("[residual.yaml]", "[5]", r"runs: residual: config: \[5\] is no list of config files; write"),
        ("optimizer.lr:", "seed_everything:", "residual: set: seed_everything: the sweep gives it; write seeds"),
        (
            "optimizer.lr: 0.1",
            "model: {init_args: {seed: 1}}",
            "set: model.init_args.seed: the sweep gives it; write s",
        ),
        ("model.device.states:", "experiment.name:", "residual: grid: experiment.name: the sweep gives it; write name"),
        (
            "model.device.states: [4, inf]",
            "experiment: [{name: x}]",
            "grid: experiment.name: the sweep gives it; write",
        ),
        ("optimizer.lr: 0.1", "experiment: {root: x}", "residual: set: experiment.root: the sweep gives it; write out"),
        (
            "optimizer.lr:",
            "experiment.tuning:",
            "residual: set: experiment.tuning: resbench tune gives it; leave it out",
        ),
        ("optimizer.lr:", "ckpt_path:", "residual: set: ckpt_path: the sweep gives it; leave it out"),
        ("optimizer.lr:", "config:", "residual: set: config: it lists files and is no value; write it beside set"),
        ("optimizer.lr:", "print_config:", "set: print_config: it is an option of the command line, not a key of a c"),
        ("model.device.states:", "model.algorithm.help:", "grid: model.algorithm.help: it is an option of the command"),
        ("optimizer.lr:", "optimizer.lr=1 --help:", "set: 'optimizer.lr=1 --help' is no dotted key; write lines such"),
        ("optimizer.lr:", "--help:", "set: '--help' is no dotted key; write lines such as 'model.device.states: 4'"),
        ("optimizer.lr:", "'':", "set: '' is no dotted key; write lines such as 'model.device.states: 4'"),
        ("optimizer.lr:", "5:", "demo.yaml, line 8: the key 5 is a number in YAML, no string; write '5' in quotes"),
        (
            "model.device.states:",
            "on:",
            "demo.yaml, line 9: the key on is true or false in YAML, no string; write 'on'",
        ),
        (
            "optimizer.lr: 0.1",
            "x: !!binary aGk=",
            "demo.yaml, line 8: no config holds a binary; write a list, a string",
        ),
        ("seeds:", "out: 3\nseeds:", "out: 3 is no folder; write for example runs/demo"),
        ("    grid:", "    '5':", "runs: residual: 5: there is no such key; write one of name, config, set, grid"),
        ("runs:", "rums:", "rums: there is no such key; did you mean runs?"),
    ],
)
def test_mistakes_are_named(sweep: Path, before: str, after: str, message: str) -> None:
    sweep.write_text(SWEEP.replace(before, after, 1))
    with pytest.raises(UserError, match=message):
        read_plan(sweep)


def test_a_sweep_has_runs(sweep: Path) -> None:
    sweep.write_text("seeds: [0]")
    with pytest.raises(UserError, match="runs: write a list of entries"):
        read_plan(sweep)

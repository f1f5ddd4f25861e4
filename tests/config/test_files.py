"""Composed config files."""

import math
import re
from pathlib import Path

import pytest

from resbench.config.files import merge, merged_arguments, named_plan, read_config
from resbench.config.yaml import load_yaml
from resbench.errors import UserError


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_fragments_come_first_and_own_keys_last(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="x: {p: 1, q: 1}\ny: a",
        b="x: {q: 2}\nz: [1]",
        whole="compose: [a.yaml, b.yaml]\nz: [3]",
    )
    assert read_config(tmp_path / "whole.yaml") == {"x": {"p": 1, "q": 2}, "y": "a", "z": [3]}


def test_fragments_of_fragments_and_of_the_package(tmp_path: Path) -> None:
    write(tmp_path, own="compose: [digits_2bit_residual.yaml]\nseed_everything: 3")
    config = read_config(tmp_path / "own.yaml")
    assert config["seed_everything"] == 3
    assert config["model"]["init_args"]["device"]["init_args"]["states"] == 4


@pytest.mark.parametrize("name", ["B", "package.B"])
def test_another_class_drops_the_arguments_of_the_one_before(name: str) -> None:
    before = {"class_path": "package.A", "init_args": {"tiles": 4}}
    assert merge({"m": before}, {"m": {"class_path": name}}) == {"m": {"class_path": name}}
    same = merge({"m": before}, {"m": {"class_path": "A", "init_args": {"gamma": 0.5}}})
    assert same["m"]["init_args"] == {"tiles": 4, "gamma": 0.5}


def test_plus_appends_to_a_list() -> None:
    assert merge({"callbacks": [1]}, {"callbacks+": [2]}) == {"callbacks": [1, 2]}
    assert merge({"callbacks+": [1]}, {"callbacks+": 2}) == {"callbacks+": [1, 2]}
    assert merge({}, {"callbacks+": [2]}) == {"callbacks+": [2]}


def test_files_from_left_to_right_then_flags(tmp_path: Path) -> None:
    write(tmp_path, a="x: 1\ny: 1", b="y: 2")
    first, second = str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")
    merged = merged_arguments(["--x=inf", "--config", first, f"-c={second}", "--z", "-inf", "--print_config"])
    assert merged[0] == "--config"
    assert load_yaml(merged[1]) == {"x": 1, "y": 2}
    assert merged[2:] == ["--x=.inf", "--z", "-.inf", "--print_config"]


def test_null_reaches_an_argument_of_a_class(tmp_path: Path) -> None:
    write(tmp_path, a="model: {class_path: A, init_args: {inner: {class_path: B, init_args: {rate: 1}}}}")
    merged = merged_arguments(["--config", str(tmp_path / "a.yaml"), "--model.inner.rate=null", "--z=null"])
    assert load_yaml(merged[1])["model"]["init_args"]["inner"]["init_args"] == {"rate": None}
    assert merged[2:] == ["--z=null"]


INNER = "model: {class_path: A, init_args: {inner: {class_path: B, init_args: {rate: 1, other: 2}}}}"


@pytest.mark.parametrize(
    ("flags", "inner", "left"),
    [
        (["--model.inner.rate=3", "--model.inner.rate=null"], {"rate": None, "other": 2}, []),
        (["--model.inner.rate=null", "--model.inner.rate=3"], {"rate": None, "other": 2}, ["--model.inner.rate=3"]),
        (["--model.init_args.inner.init_args.rate", "3", "--model.inner.rate=~"], {"rate": None, "other": 2}, []),
        (["--z", "4", "--model.inner.rate", "null"], {"rate": None, "other": 2}, ["--z", "4"]),
        (["--model.inner.rate.a=3", "--model.inner.rate=null"], {"rate": None, "other": 2}, []),
        (["--model.inner.rates=3", "--model.inner.rate=null"], {"rate": None, "other": 2}, ["--model.inner.rates=3"]),
        (["--model.inner=C", "--model.inner.size=null"], {"size": None}, []),
        (["--model.inner.size=null", "--model.inner=C"], {"rate": 1, "other": 2, "size": None}, ["--model.inner=C"]),
    ],
)
def test_of_two_flags_the_last_one_decides_null_or_not(
    tmp_path: Path, flags: list[str], inner: dict[str, object], left: list[str]
) -> None:
    """What is left goes to the parser, where a flag overrides the files."""
    write(tmp_path, a=INNER)
    merged = merged_arguments(["--config", str(tmp_path / "a.yaml"), *flags])
    assert load_yaml(merged[1])["model"]["init_args"]["inner"]["init_args"] == inner
    assert merged[2:] == left


TWO = "model: {init_args: {device: [{class_path: A}, {class_path: B, init_args: {states: 4}}], empty: []}}"


def test_a_flag_with_a_number_reaches_an_entry_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TWO)
    flags = ["--model.device.0.states=16", "--model.device.1.init_args.states=inf", "--model.device.0.drift={nu: 0.1}"]
    merged = merged_arguments(["--config", str(tmp_path / "a.yaml"), *flags, "--model.device+=C", "--model.device.x=1"])
    first = {"class_path": "A", "init_args": {"states": 16, "drift": {"nu": 0.1}}}
    second = {"class_path": "B", "init_args": {"states": math.inf}}
    assert load_yaml(merged[1])["model"]["init_args"]["device"] == [first, second]
    assert merged[2:] == ["--model.device+=C", "--model.device.x=1"]  # the parser adds an entry with x


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--model.device.states=4",
            "model.device.states: model.device is a list; write the number of an entry, such as model.device.0.states",
        ),
        ("--model.device.2.states=4", "model.device.2.states: model.device has no entry 2; the last one is model.devi"),
        ("--model.empty.0=1", "model.empty.0: model.empty is an empty list in the files; write its entries there"),
        ("--model.device.0.states", "--model.device.0.states: the value is missing; write --model.device.0.states=VA"),
        ("--model.device.1.drift.nu=1", "model.device.1.drift.nu: there is no drift in the files; write it there"),
    ],
)
def test_a_flag_that_reaches_no_entry_of_a_list_is_refused(tmp_path: Path, flag: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(TWO)
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        merged_arguments(["--config", str(tmp_path / "a.yaml"), flag])


def test_config_finds_the_files_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    merged = merged_arguments(["--config", "device/softbounds.yaml", "-c", "digits_4bit_sgd.yaml"])
    assert load_yaml(merged[1])["model"]["init_args"]["device"]["init_args"]["states"] == 16
    write(tmp_path, digits_4bit_sgd="threads: 3")
    assert load_yaml(merged_arguments(["--config=digits_4bit_sgd.yaml"])[1]) == {"threads": 3}


@pytest.mark.parametrize("name", ["digits_demo.yaml", "sweeps/digits_demo.yaml"])
def test_a_plan_of_the_package_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_plan(Path(name), "sweeps").parts[-2:] == ("sweeps", "digits_demo.yaml")


def test_a_misspelt_plan_is_not_mixed_up_with_a_config_of_another_kind() -> None:
    with pytest.raises(
        UserError, match=r"^track/digits_mpl.yaml: there is no such file; did you mean digits_mlp.yaml\?"
    ):
        named_plan(Path("track/digits_mpl.yaml"), "tuning")


@pytest.mark.parametrize(("plan", "command"), [("tuning/digits_mlp.yaml", "tune"), ("sweeps/digits_mlp.yaml", "sweep")])
def test_a_plan_is_refused_as_a_config_with_the_command_that_runs_it(plan: str, command: str) -> None:
    path = Path(__file__).parents[2] / "configs" / plan
    with pytest.raises(UserError, match=re.escape(f"{path}: this is a plan of several runs; write resbench {command}")):
        read_config(path)


def test_a_link_to_itself_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    write(tmp_path, whole="compose: [loop.yaml]")
    assert named_plan(tmp_path / "loop.yaml", "sweeps") == tmp_path / "loop.yaml"
    for name in ("loop", "whole"):
        with pytest.raises(UserError, match=r"loop\.yaml: Too many levels of symbolic links; "):
            read_config(tmp_path / f"{name}.yaml")


def test_the_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, part="x: 1", whole="compose: ['~/part.yaml']")
    assert load_yaml(merged_arguments(["--config", "~/whole.yaml"])[1]) == {"x": 1}

"""Records and run folders of somebody else: nothing that they say is run, and nothing is written outside."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import resbench
from resbench.cli import main
from resbench.config.imports import only_named
from resbench.config.trust import missing, options, refusals
from resbench.errors import UserError
from resbench.records.identity import config_hash, counted_callbacks
from resbench.training.cli import RunCLI
from tests.fuzz import corpus

Config = dict[str, Any]
HOSTILE = dict(corpus.configs())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the files that the corpus names, inside a folder that is watched."""
    folder = tmp_path / "here"
    folder.mkdir()
    corpus.prepare(folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    sys.modules.pop("evil", None)


def write(config: Config) -> Path:
    """A record of this config, in the arithmetic of these tests: a process has only one."""
    config = {"arithmetic": "portable", **config}
    document = json.loads(corpus.RECORD.read_text())
    path = Path("record.json")
    path.write_text(json.dumps(document | {"config": config, "config_hash": config_hash(config)}))
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_verify_runs_nothing_that_a_record_says(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(HOSTILE[name])
    before = corpus.files(here)
    assert main(["verify", "record.json", "--epochs", "1"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1), captured.err
    assert captured.err.startswith("error: record.json: its config ")
    assert "evil" not in sys.modules
    assert corpus.files(here) == before


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("dotted_key", "compose")])
def test_resume_runs_nothing_that_a_folder_says(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name in ("data_elsewhere", "download_elsewhere", "text_elsewhere", "weights_elsewhere"):
        pytest.skip("a run may have its data and weights anywhere; resume only reads them")
    folder = Path("runs/theirs/0123456789ab.attempt")
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps(HOSTILE[name]))
    before = corpus.files(here)
    assert main(["resume", str(folder)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1), captured.err
    assert "evil" not in sys.modules
    assert corpus.files(here) == before


BY_THE_PARSER = (
    *("any_argument_is_a_command", "callback_strings", "callbacks_in_a_string", "hook_of_a_callback"),
    *("lambda_of_a_scheduler", "network_file", "callbacks_file", "appended_callbacks", "dotted_key", "theme_of_a_bar"),
)


@pytest.mark.parametrize("name", BY_THE_PARSER)
def test_the_parser_alone_imports_nothing_either(name: str, here: Path) -> None:
    """The second wall: each of these runs code where there is none."""
    config = HOSTILE[name]
    for section in (config["model"], config["data"]):
        del section["init_args"]["seed"]
    Path("config.yaml").write_text(json.dumps(config))
    with only_named(corpus.base()), pytest.raises(UserError):
        RunCLI(["--config", "config.yaml"], "test")
    assert not Path(corpus.MARK).exists()
    assert "evil" not in sys.modules


def test_the_parser_builds_what_a_config_has_without_a_name(here: Path) -> None:
    """Converters, noise and drift are plain mappings."""
    config = corpus.base()
    model = config["model"]["init_args"]
    del model["seed"], config["data"]["init_args"]["seed"]
    model["forward_io"] = {"out_noise": 0.5}
    model["device"]["init_args"]["drift"] = {"nu": 0.1}
    Path("config.yaml").write_text(json.dumps(config))
    with only_named(config):
        built = RunCLI(["--config", "config.yaml"], "test", build=False).config.model.init_args
    assert (built.forward_io.out_noise, built.device.init_args.drift.nu) == (0.5, 0.1)


def test_the_wall_stands_in_the_other_processes_of_a_training_too(here: Path) -> None:
    """They are started as `resbench fit` with the same config."""
    config = HOSTILE["callback_strings"]
    for section in (config["model"], config["data"]):
        section["init_args"].pop("seed", None)
    Path("config.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-B", "-m", "resbench", "fit", "--config", "config.yaml"]
    places = os.pathsep.join([str(Path(resbench.__file__).parents[1]), "."])
    with only_named(corpus.base()):
        process = subprocess.run(command, env={**os.environ, "PYTHONPATH": places}, capture_output=True, text=True)
    assert (process.returncode, Path(corpus.MARK).exists()) == (2, False), process.stderr


def test_the_wall_is_gone_after_the_block(here: Path) -> None:
    with only_named(corpus.base()):
        pass
    config = corpus.base() | {"optimizer": {"class_path": "evil.hook"}}
    for section in (config["model"], config["data"]):
        del section["init_args"]["seed"]
    Path("config.yaml").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"evil\.hook is no Optimizer"):
        RunCLI(["--config", "config.yaml"], "test")
    assert Path(corpus.MARK).exists()


def test_what_a_trusted_module_imported_is_not_trusted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(
        "import os\nfrom lightning.pytorch.callbacks import Callback\nclass Cb(Callback): pass\n"
    )
    config = corpus.base()
    config["trainer"]["callbacks"] = [
        {"class_path": "mine.Cb"},
        {"class_path": "mine.os.system", "init_args": {"command": f"touch {corpus.MARK}"}},
    ]
    write(config)
    assert main(["verify", "record.json", "--epochs", "1", "--trust", "mine"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not Path(corpus.MARK).exists()


def test_a_run_is_verified_without_a_byte_elsewhere(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = corpus.base()
    checkpoint = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"filename": "mine"}}
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "csv"}}
    config["trainer"] |= {"callbacks": [checkpoint], "logger": [logger], "profiler": "simple"}
    write(config)
    before = corpus.files(here)
    assert main(["verify", "record.json", "--epochs", "1"]) in (0, 1)  # equal on the machine that it is from
    assert "of 10 epochs" in capsys.readouterr().out
    assert corpus.files(here) == before


def test_data_are_not_downloaded_where_a_record_says(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = corpus.base()
    config["data"] = {
        "class_path": "resbench.data.MNISTData",
        "init_args": {"root": "data", "download": True, "batch_size": 8},
    }
    write(config)
    before = corpus.files(here)
    assert main(["verify", "record.json", "--epochs", "1"]) == 2
    assert "--data-root" in capsys.readouterr().err
    assert corpus.files(here) == before


@pytest.mark.parametrize("name", ["metrics.csv", "checkpoints", "csv/metrics.csv"])
def test_a_link_out_of_a_run_folder_is_refused(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("runs/theirs/0123456789ab.attempt")
    (folder / name).parent.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps(corpus.base()))
    (folder / name).symlink_to(here / "outside")
    assert main(["resume", str(folder)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {folder.absolute() / name}: a link out of the folder")


@pytest.mark.parametrize(
    ("place", "is_ours"),
    [
        ("model.init_args.former", True),
        ("model.init_args.algorithm.init_args.pulses.former", True),
        ("optimizer.init_args.momentum", True),
        ("experiment.former", True),
        ("optimizer.init_args.digital.init_args.former", False),  # of torch
        ("trainer.former", False),  # of Lightning
        ("former", False),  # a key that only a parser knows, such as `compose`
    ],
)
def test_an_argument_that_another_version_had_counts_as_missing(place: str, is_ours: bool) -> None:
    config = corpus.base()
    corpus.put("model.init_args.algorithm.init_args.pulses", {})(config)
    corpus.put("optimizer.init_args.digital", corpus.an("torch.optim.Adam"))(config)
    corpus.put(place, [{"class_path": "evil.Cb"}])(config)
    refused = refusals(config)
    assert [refusal.key for refusal in refused] == [place]
    assert missing(refused) == ([place] if is_ours else [])


def test_foreign_classes_inside_of_foreign_ones_are_named_too() -> None:
    config = corpus.base()
    model = config["model"]
    model["class_path"] = "mine.Task"
    corpus.put("model.init_args.network", corpus.an("theirs.Net"))(config)
    refused = refusals(config)
    assert [(refusal.key, refusal.class_path) for refusal in refused] == [
        ("model", "mine.Task"), ("model.init_args.network", "theirs.Net"),
    ]  # fmt: skip
    assert options(refused) == "--trust mine --trust theirs"
    assert refusals(config, ["mine", "theirs"]) == []


def test_every_record_of_the_leaderboard_passes() -> None:
    files = sorted((corpus.REPOSITORY / "leaderboards" / "records").glob("*/*.json"))
    assert len(files) > 600
    for file in files:
        assert refusals(corpus.renewed(json.loads(file.read_text())["config"])) == [], file


@pytest.mark.parametrize(
    "callback",
    [
        {"class_path": "resbench.callbacks.PassTime", "init_args": {"seconds_per_step": 0.1}},
        {"class_path": "resbench.callbacks.TimeBeforeTest", "init_args": {"time": "1d"}},
    ],
)
def test_callbacks_that_decide_a_result_are_known(callback: dict[str, Any]) -> None:
    """Else a record of such a run could be neither verified nor published."""
    config = corpus.base()
    config["trainer"]["callbacks"] = [callback]
    assert refusals(config) == []
    assert counted_callbacks([callback]) == [callback]

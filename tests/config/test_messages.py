"""Mistakes end with exit status 2 and one line that names the key and what to write, before anything is written."""

from pathlib import Path

import pytest

from tests.training.runs import CONFIG, Run

DEVICE = "model.init_args.device.init_args"
DIGITAL = "optimizer.init_args.digital"
ALGORITHM = "model.init_args.algorithm.init_args"
LOGGERS = "lightning.pytorch.loggers"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model.device.states=1"], f"{DEVICE}.states: 1.0 is impossible; write a whole number of 2 or more"),
        (["--model.device.states=2.5"], f"{DEVICE}.states: 2.5 is impossible; write a whole number of 2 or more"),
        (["--model.device.states=four"], f"{DEVICE}.states: four does not fit; write a number or null"),
        (["--model.device.sates=4"], f"{DEVICE}.sates: SoftBounds has no such key; did you mean states?"),
        (["--model.algorithm.gamma=1.5"], f"{ALGORITHM}.gamma: 1.5 is outside (0, 1]"),
        (["--model.algorithm.gamma=0"], f"{ALGORITHM}.gamma: 0.0 is outside (0, 1]"),
        (["--model.algorithm.gamma=abc"], f"{ALGORITHM}.gamma: abc does not fit; write a number or a list"),
        (
            ["--model.algorithm.pulses.desired_b=3"],
            f"{ALGORITHM}.pulses.desired_b: there is no such key; did you mean desired_bl?",
        ),
        (
            ["--model.algorithm=ResidualLearnin"],
            "model.init_args.algorithm: there is no class ResidualLearnin; did you mean ResidualLearning?",
        ),
        (
            ["--model.algorithm=resbench.networks.MLP"],
            "model.init_args.algorithm: resbench.networks.MLP is no Algorithm; write the class_path of one",
        ),
        (
            ["--model.layers=[fc9]"],
            "model.init_args.layers: 'fc9' matches no layer that can be analog; write one of fc1, fc2",
        ),
        (["--model.layers=fc1"], "model.init_args.layers: fc1 does not fit; write a list"),
        (["--optimizer.lr=-1"], "optimizer.init_args.lr: -1.0 is negative or not finite; write a learning rate"),
        (
            ["--optimizer=torch.optim.Adam"],
            "optimizer: Adam does not train analog layers; write resbench.nn.AnalogOptimizer, and Adam as its digital",
        ),
        (["--optimizer.digital=LBFGS"], f"{DIGITAL}: LBFGS evaluates the loss several times in one step"),
        (["--optimizer.digital=Foo"], f"{DIGITAL}: there is no class Foo"),
        (["--optimizer.digital=torch.optim.Adma"], f"{DIGITAL}: there is no torch.optim.Adma; did you mean Adamax?"),
        (["--optimizer.digital=torch.nn.Linear"], f"{DIGITAL}: torch.nn.Linear is no Optimizer; write the class_path"),
        (["--optimizer.digital.momentun=.9"], f"{DIGITAL}.init_args.momentun: SGD has no such key; did you mean mom"),
        (
            ["--optimizer.digital=Adam", "--optimizer.digital.lr=1"],
            f"{DIGITAL}.init_args.lr: there is no such key; write optimizer.init_args.digital_lr",
        ),
        (
            ["--optimizer.digital=Adam", "--optimizer.digital.eps=-1"],
            f"{DIGITAL}: this optimiser cannot be made: Invalid epsilon value: -1.0",
        ),
        (
            [
                "--model.algorithm=MixedPrecision",
                "--model.algorithm.optimizer=Adam",
                "--model.algorithm.optimizer.lr=1",
            ],
            f"{ALGORITHM}.optimizer.init_args.lr: Adam gets its lr from outside; leave it out",
        ),
        (
            ["--optimizer.digital_lr=-1"],
            "optimizer.init_args.digital_lr: -1.0 is negative or not finite; write a learning",
        ),
        (["--data.batch_size=0"], "data.init_args.batch_size: 0 is too small; write a whole number of 1 or more"),
        (["--data.batch_size=a"], "data.init_args.batch_size: a does not fit; write a whole number"),
        (["--data.val_size=1437"], "data.init_args.val_size: 1437 leaves nothing of the 1437 training samples"),
        (["--data=DigitsDat"], "data: there is no class DigitsDat; did you mean DigitsData?"),
        (["--trainer.max_epoch=1"], "trainer.max_epoch: there is no such key; did you mean trainer.max_epochs?"),
        (["--trainer.max_epochs=-1"], "trainer.max_epochs: -1 sets no budget; write a number of epochs, 1 or more"),
        (["--trainer.default_root_dir=x"], "trainer.default_root_dir: the run folder follows from experiment.root"),
        (
            ["--trainer.accelerator=cup"],
            "trainer: You selected an invalid accelerator name: `accelerator='cup'`. Available names are",
        ),
        (["--seed_everything=true"], "seed_everything: True does not fit; write a whole number"),
        (["--seed_everything=-1"], "seed_everything: -1 is no seed; write a whole number from 0 to 4294967295"),
        (["--model.seed=3"], "model.init_args.seed: it follows from seed_everything; write that instead"),
        (["--threads=0"], "threads: 0 is too few; write 1 or more"),
        (["--experiment.name=a/b"], "experiment.name: 'a/b': write letters, digits"),
        (["--experiment.root="], "experiment.root: '' is empty; write a folder, or . for the current one"),
        (["--tile_state.bins=0"], "tile_state.bins: 0 is too few; write a whole number of 1 or more"),
        (["--seed=3"], "seed: there is no such key; did you mean seed_everything?"),
        (
            ["--model.algorithm=resbench.algorithms.base.Algorithm"],
            "model.init_args.algorithm: resbench.algorithms.base.Algorithm is abstract; write the class_path of",
        ),
        (["--lr_scheduler=[1]"], "lr_scheduler: [1] is no class; write a class_path, such as {class_path: StepLR"),
        (["--lr_scheduler=1.5"], "lr_scheduler: 1.5 is no class; write a class_path, such as {class_path: StepLR"),
        (["--optimizer=[1]"], "optimizer: [1] is no class; write a class_path, such as {class_path: AnalogOptimizer"),
        (["--modl.seed=3"], "modl: there is no such key; did you mean model?"),
        (["--config", "qqqqqq.yaml"], "qqqqqq.yaml: No such file or directory; 'resbench list configs' shows"),
        (["--config"], "--config: the file is missing; write --config FILE.yaml"),
        (
            ["--config", "digits_4bit_sg.yaml"],
            "digits_4bit_sg.yaml: No such file or directory; did you mean digits_4bit_s",
        ),
        (["configs/x.yaml"], "configs/x.yaml: write --config configs/x.yaml"),
        (["--threads=" + 5000 * "1"], "threads: Exceeds the limit (4300 digits)"),
    ],
    ids=lambda value: value[-1].lstrip("-") if isinstance(value, list) else "",
)
def test_a_mistake_on_the_command_line(run: Run, flags: list[str], message: str) -> None:
    outcome = run("fit", *flags)
    assert outcome.err.startswith(f"error: {message}"), outcome.err
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert not outcome.root.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo: 3", "foo: there is no such key"),
        ("trainer: {max_epoch: 3}", "trainer.max_epoch: there is no such key; did you mean trainer.max_epochs?"),
        (
            "model: {init_args: {devise: 3}}",
            "model.init_args.devise: Classification has no such key; did you mean device?",
        ),
        (
            "model: {init_args: {device: null}}",
            "model.init_args.device: ResidualLearning needs one; write a class_path",
        ),
        ("model: {init_args: {seed: 3}}", "model.init_args.seed: it follows from seed_everything; write that instead"),
        (
            "data: {class_path: resbench.data.Digits}",
            "data: there is no resbench.data.Digits; did you mean DigitsData?",
        ),
        (
            "model: {init_args: {network: {class_path: resbench.networks.MLP, init_args: {in_features: null}}}}",
            "model.init_args.network.init_args.in_features: missing; write it, or give a --config",
        ),
        (
            "data: {class_path: resbench.data.MNISTData, init_args: {root: /nowhere, download: false}}",
            "data.init_args.root: no complete MNIST in /nowhere/MNIST/raw",
        ),
        ("model: [", "CONFIG, line 1: not YAML: expected the node content, but found '<stream end>'"),
        ("- 1", "CONFIG: not a mapping of keys to values; write lines of the form 'key: value'"),
        ("threads: 1\nthreads: 2", "CONFIG, line 2: the key threads is there twice"),
        ("optimizer: {init_args: {lr: .1, lr: .2}}", "CONFIG, line 1: the key lr is there twice"),
        ('threads: !!int "x"', "CONFIG, line 1: what is written there is no int"),
        ("threads: " + 5000 * "1", "CONFIG, line 1: what is written there is no int"),
        ("seed_everything: " + 20 * "1", "CONFIG, line 1: a whole number beyond 64 bits"),
        ("x: " + 3000 * "[" + 3000 * "]", "CONFIG, line 1: more than 50 levels deep"),
        ("trainer: &t {callbacks: [*t]}", "CONFIG, line 1: it contains itself"),
        ("model: {1: 2}", "CONFIG, line 1: the key 1 is a number in YAML, no string; write '1' in quotes"),
        ("threads: 1\non: 2", "CONFIG, line 2: the key on is true or false in YAML, no string; write 'on' in quotes"),
        ("~: 2", "CONFIG, line 1: the key ~ is null in YAML, no string; write '~' in quotes"),
        ("model: !!set {a}", "CONFIG, line 1: no config holds a set; write a list, a string or a number"),
        ("{config_hash: 5, config: {}}", "config: this is a record; write the config.yaml beside it, or resbench"),
        ("config: 5", "config: 5: there is no such key; write compose: [FILE.yaml]"),
        ("experiment: null", "experiment: null is no mapping; leave it out, or write keys and values"),
        ("trainer: null", "trainer: null is no mapping; leave it out, or write keys and values"),
        ("threads: null", "threads: null does not fit; leave it out, or write a whole number"),
        ("threads: 1000000", "threads: 1000000 are too many; write at most 4096"),
        ("experiment: {name: null}", "experiment.name: null does not fit; leave it out, or write a string"),
        ("tile_state: {bins: null}", "tile_state.bins: null does not fit; leave it out, or write a whole number"),
        (
            "data: {init_args: {batch_size: null}}",
            "data.init_args.batch_size: null does not fit; leave it out, or write a whole number",
        ),
        ("optimizer: {init_args: {lr: null}}", "optimizer.init_args.lr: null does not fit; leave it out, or write a n"),
        ("optimizer: {init_args: {lr: .nan}}", "optimizer.init_args.lr: nan is no number to compute with"),
        ("experiment: {root: 'a\0b'}", "CONFIG: not YAML: unacceptable character #x0000"),
        ('experiment: {track: "a\\0b"}', "experiment.track: 'a\\x00b' has a character that no name has; leave it out"),
        ("model: 5", "model: 5 is no object; write its class_path and init_args"),
        (
            "model: {init_args: {network: 5}}",
            "model.init_args.network: 5 is no object; write its class_path and init_args",
        ),
        (
            "model: {init_args: {mapping: 5}}",
            "model.init_args.mapping: 5 is no mapping of names to values; leave it out",
        ),
        (
            "model: {init_args: {algorithm: {class_path: AnalogSGD, init_args: {pulses: [1]}}}}",
            f"{ALGORITHM}.pulses: [1] is no mapping of names to values; leave it out, or write some",
        ),
        (
            "lr_scheduler: [StepLR]",
            "lr_scheduler: ['StepLR'] is no object; write its class_path and init_args, such as {class_path: StepLR, i",
        ),
        (
            "lr_scheduler: {class_path: 5}",
            "lr_scheduler.class_path: 5 is no class; write its dotted path, such as {cla",
        ),
        (
            "lr_scheduler: Nope",
            "lr_scheduler: there is no class Nope; write one, such as {class_path: StepLR, init_args: {step_size: 10}}",
        ),
        ("lr_scheduler: StepLR", "lr_scheduler.init_args.step_size: missing; write it"),
        (
            "lr_scheduler: ''",
            "lr_scheduler: what is written there is no class; write a class_path, such as {class_path",
        ),
        (
            "optimizer: StepLR",
            "optimizer: StepLR is none that fits here; write the class_path of another class, such as",
        ),
        (
            "optimizer: {class_path: torch.nn.Linear}",
            "optimizer: torch.nn.Linear is no Optimizer; write the class_path of one, such as {class_path: AnalogOptim",
        ),
        ("model: elsewhere", "model: there is no class elsewhere"),
        ("model: {init_args: null}", "model.init_args: null is no mapping of names to values; leave it out"),
        (
            "optimizer: {init_args: {digital: null}}",
            f"{DIGITAL}: null does not fit; leave it out, or write the class_p",
        ),
        (
            "optimizer: {init_args: {digital: {class_path: torch.optim.Adam, eps: 1}}}",
            f"{DIGITAL}.eps: there is no such key; write {DIGITAL}.init_args.eps",
        ),
        ("optimizer: {lr: 0.1}", "optimizer.lr: there is no such key; write optimizer.init_args.lr"),
        ("model: {device: {states: 4}}", "model.device: there is no such key; write model.init_args.device"),
        (
            "model: {init_args: {device: {states: 4}}}",
            "model.init_args.device.states: there is no such key; write model.init_args.device.init_args.states",
        ),
        (
            "trainer: {callbacks: [{class_path: EarlyStopping, monitor: val/loss}]}",
            "trainer.callbacks.monitor: there is no such key; write trainer.callbacks.init_args.monitor",
        ),
        (
            f"trainer: {{logger: [{{class_path: {LOGGERS}.TensorBoardLogger, init_args: {{vers: 1}}}}]}}",
            "trainer.logger.init_args.vers: TensorBoardLogger has no such key; did you mean version?",
        ),
        (
            f"trainer: {{logger: {{class_path: {LOGGERS}.MLFlowLogger}}}}",
            "trainer.logger: the package mlflow",
        ),
        (
            f"trainer: {{logger: [{{class_path: {LOGGERS}.MLFlowLogger}}, {{class_path: {LOGGERS}.CometLogger}}]}}",
            "trainer.logger: the package mlflow",
        ),
        (
            "trainer: {callbacks: [{class_path: EarlyStoping}]}",
            "trainer.callbacks: there is no class EarlyStoping; did you mean EarlyStopping?",
        ),
        (
            "trainer: {callbacks: [{class_path: EarlyStopping, init_args: {monitor: val/loss, patience: x}}]}",
            "trainer.callbacks.init_args.patience: x does not fit; write a whole number",
        ),
        ("compose: [task/digit.yaml]", "CONFIG: compose: there is no task/digit.yaml; did you mean data/digits.yaml?"),
        ("compose: task/digits.yaml", "CONFIG: compose: 'task/digits.yaml' is not a list of files"),
        ("compose: 5", "CONFIG: compose: 5 is not a list of files; write [task/digits.yaml, ...]"),
        ("compose: {a: b}", "CONFIG: compose: {'a': 'b'} is not a list of files; write [task/digits.yaml, ...]"),
        ("compose: ['']", "CONFIG: compose: there is no file without a name; 'resbench list configs' shows"),
        ("compose: [config.yaml]", "CONFIG: compose: the file composes itself"),
    ],
)
def test_a_mistake_in_a_file(run: Run, tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    outcome = run("fit", "--config", str(config))
    assert outcome.err.startswith(f"error: {message.replace('CONFIG', str(config))}"), outcome.err
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert not outcome.root.exists()


def test_a_logger_that_is_not_installed_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):  # what Lightning asks
        monkeypatch.setattr(f"lightning.fabric.loggers.tensorboard.{name}", False)
    outcome = run("fit", "--config", str(CONFIG.parent / "logger" / "tensorboard.yaml"))
    message = "trainer.logger: the package tensorboard is not installed; pip install 'tensorboard'"
    assert (outcome.status, outcome.err) == (2, f"error: {message}\n")


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from resbench.cli import main

    assert main(["fit"]) == 2
    assert capsys.readouterr().err.startswith("error: data, model: missing; write it, or give a --config")


OWN = """
from resbench.algorithms import AnalogSGD
from resbench.errors import BadValue

class Mine(AnalogSGD):
    def __init__(self, rate: float = 1.0, gamma: float = 1.0) -> None:
        if rate < 0:
            raise ValueError("Note: rates below 0 make no sense")
        if gamma < 0:
            raise BadValue("gamma", gamma, "is negative; write 0 or above")
        super().__init__()
"""


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("rate=-1", "model.init_args.algorithm: Mine: Note: rates below 0 make no sense"),
        ("gamma=-1", "model.init_args.algorithm.init_args.gamma: -1.0 is negative; write 0 or above"),
    ],
)
def test_a_class_of_ones_own_is_named_with_its_key(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, message: str
) -> None:
    (tmp_path / "own_messages.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    outcome = run("fit", "--model.algorithm=own_messages.Mine", f"--model.algorithm.{flag}")
    assert (outcome.status, outcome.err) == (2, f"error: {message}\n")
    assert not outcome.root.exists()


def test_a_mistake_leaves_earlier_results_alone(run: Run) -> None:
    folder = run("fit").folder
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert run("fit", "--model.device.states=1").status == 2
    assert run("fit", "--data.val_size=1437").status == 2
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert CONFIG.exists()

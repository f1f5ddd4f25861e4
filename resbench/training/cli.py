"""LightningCLI for resbench: composed configs, exact keys, one seed, and errors in plain words."""

from __future__ import annotations

import copy
import itertools
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jsonargparse import ArgumentError, Namespace, set_dumper
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar, Timer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from torch import Tensor
from torch.optim import Optimizer
from yaml import YAMLError

from resbench.callbacks import History, TileState
from resbench.config.files import merged_arguments
from resbench.config.keys import SEEDS, check_seeds, check_shape, check_trainer
from resbench.config.messages import explain, refused, shortened
from resbench.config.values import Interval, check_run, check_values, odd_values
from resbench.config.yaml import dump_yaml, load_yaml
from resbench.data.base import InMemoryData
from resbench.errors import BadValue, UserError
from resbench.records.identity import as_list, config_hash
from resbench.registry import OPTIMIZER, import_shelves
from resbench.tasks.base import Task
from resbench.training.distributed import SharedBatchDDP, check_strategy
from resbench.training.drawn import checksums as drawn_checksums
from resbench.training.drawn import use_own_constants
from resbench.training.experiment import Experiment
from resbench.training.folder import RunFolder
from resbench.training.forecast import forecast, measured_rate
from resbench.training.metrics_file import MetricsFile
from resbench.training.parser import RunParser
from resbench.training.process import Arithmetic, keep_freed_memory, set_arithmetic
from resbench.training.progress import EpochLines, TimeEstimate
from resbench.training.saving import BetweenEpochs, CheckpointTimes, DurableCheckpointIO, RunCheckpoint
from resbench.training.sources import CHECKSUMS, checksums
from resbench.training.stop import StopOnSignal
from resbench.training.trainer import RunTrainer, Unprofiled
from resbench.tuning.entry import tuning_of

#: Value of `ckpt_path` to continue from the newest checkpoint in the run's folder, or to begin if there is none.
LAST = "last"
#: What ``--help`` says of the arguments, in place of Lightning's own sentence.
DESCRIPTION = "Every key of a config is also an argument: docs/configs.md explains them."
#: Seconds of building after which a message is printed: the 20 million crosspoints of a ResNet take half a minute.
PATIENCE = 5.0
set_dumper("yaml", dump_yaml)  # so that strings are read again as strings
#: Warnings of Lightning about things that are intended here: metrics are logged once an epoch, a run folder contains
#: the config before the first logger writes to it, and an evaluation has no callbacks of the training.
EXPECTED = (
    ".*exists and is not empty",
    ".*The number of training batches",
    ".*The dirpath has changed",
    ".*callbacks used to create the checkpoint need to be provided",
    r".*isinstance\(treespec, LeafSpec\)",
    ".*It is recommended to use .self.log",  # every process evaluates all samples
    ".*Total length of `list` across ranks is zero",  # no validation, as val_size 0 asks for
    ".*`srun` command is available",
)

#: Types of values and classes of sections, by key; they tell which arguments may be null.
MADE: dict[str, type] = {
    "seed_everything": int,
    "threads": int,
    "experiment": Experiment,
    "checkpoint": CheckpointTimes,
    "tile_state": TileState,
    "trainer": RunTrainer,
}


class RunCLI(LightningCLI):
    """Parses one command line and builds task, data and trainer; writes nothing.

    Args:
        argv: arguments of the command, without its name.
        prog: the program's name in help.
        training: whether the trainer trains, with loggers, history and checkpoints.
        build: whether task, data and trainer are built, after parsing.

    Attributes:
        resolved: the resolved config as plain data.
        config_hash: its hash.
        after: text of `--after`, the times after which an evaluation is repeated; not part of the config.
        continues: whether `ckpt_path: last` was asked for, which the resolved config leaves out.
        folder: the run folder.
        history: metrics of the epochs and time of the training.
        stop: ends the training at Ctrl-C.

    Raises:
        UserError: for a config that cannot be built.
    """

    def __init__(self, argv: Sequence[str], prog: str, training: bool = True, build: bool = True) -> None:
        for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)  # no messages about devices, seeds and products
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        self.argv, self.training, self.build = argv, training, build
        import_shelves()
        super().__init__(
            Task,
            LightningDataModule,
            save_config_callback=None,
            trainer_class=RunTrainer,
            trainer_defaults={
                "deterministic": True,
                "enable_model_summary": False,  # the table of analog layers stands for it
                "num_sanity_val_steps": 0,
            },
            parser_class=RunParser,
            parser_kwargs={"prog": prog, "exit_on_error": False, "description": DESCRIPTION},
            subclass_mode_model=True,
            subclass_mode_data=True,
            args=list(argv),
            run=False,
            load_from_checkpoint_support=False,
        )

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The only seed. It is a number, because a run with a random seed could not be repeated."""
        parser.add_argument("--seed_everything", type=int, default=0, help="Seed of weights, tiles and data order.")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Keys in addition to those of Lightning."""
        parser.add_argument(
            "--arithmetic",
            type=Arithmetic,
            default="portable",
            help="portable: the same bits on every x86-64 processor with AVX2. native: what this processor does "
            "fastest, so another one ends in other numbers.",
        )
        parser.add_argument(
            "--threads",
            type=int,
            default=1,
            help="CPU threads. Sums depend on their number in the last bits, so it belongs to the result; 1 makes "
            "machines with different numbers of cores agree.",
        )
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Checkpoint to continue or evaluate; 'last': continue this run from its newest one, if there is one.",
        )
        if not self.training:
            parser.add_argument(
                "--after",
                type=str | None,
                default=None,
                help="Times with commas between them, such as 1h,1d,1y: let the devices drift and evaluate after each.",
            )
        parser.add_argument(
            "--weights",
            type=str | None,
            default=None,
            help="File of safetensors, or a checkpoint of tensors, that the network is programmed with before the "
            "training.",
        )
        for key, (kind, text) in CHECKSUMS.items():
            parser.add_argument(f"--{key}", type=kind, default=None, help=text)
        parser.add_class_arguments(Experiment, "experiment")
        parser.add_class_arguments(CheckpointTimes, "checkpoint")
        parser.add_lightning_class_args(TileState, "tile_state")
        parser.add_optimizer_args((torch.optim.Optimizer,))
        parser.set_defaults({"optimizer": {"class_path": OPTIMIZER}})
        parser.add_argument(
            "--lr_scheduler_interval",
            type=Interval,
            default="epoch",
            help="When lr_scheduler takes its step: after each epoch, or after each step of the optimiser.",
        )
        for key in SEEDS:
            parser.link_arguments("seed_everything", key)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Called by Lightning."""
        self.load(args)

    def load(self, argv: Sequence[str]) -> None:
        """Read the config of a command line and set hash and folder.

        Raises:
            UserError: for a config that no run can have.
        """
        self.config = self.resolve(argv)
        self._refuse_unwritable()
        self.after: str | None = self.config.pop("after", None)
        self.continues = self.training and self.config.ckpt_path == LAST
        if self.continues:
            self.config.ckpt_path = None
        self.resolved = self.plain(self.config)
        try:
            tuning_of(self.resolved)
        except BadValue as error:
            raise UserError(str(error)) from None
        make_data = self._data_alone if self.build or self.config.data_sha256 is None else None
        for key, digest in checksums(self.resolved, make_data).items():
            self.config[key] = self.resolved[key] = digest
        self._identify()

    def reseed(self, seed: int) -> None:
        """Use the same config with another seed. Much faster than :meth:`load`; for a CLI that builds nothing."""
        self.config.seed_everything = self.resolved["seed_everything"] = seed
        for key in SEEDS:
            init_args = self.resolved[key.split(".")[0]]["init_args"]
            if "seed" in init_args:
                init_args["seed"] = seed
        self._identify()

    def _identify(self) -> None:
        self.config_hash = config_hash(self.resolved)
        experiment = self.config.experiment
        self.folder = RunFolder(experiment.root, experiment.name, self.config_hash)
        self.history = History()
        self.stop = StopOnSignal()

    def resolve(self, argv: Sequence[str]) -> Namespace:
        """The namespace of a command line.

        Raises:
            UserError: for what the parser refuses, and for a value that no run can have.
        """
        arguments = merged_arguments(argv)
        content = load_yaml(arguments[1]) if arguments[:1] == ["--config"] else {}
        check_shape(content)
        check_seeds(content, arguments)
        try:
            config = self.parser.parse_args(arguments)
        except ArgumentError as error:
            keys = [action.dest for action in self.parser._actions]
            raise UserError(shortened(explain(str(error), keys))) from None
        check_values(config, MADE)
        check_run(config)
        check_strategy(config.trainer)
        check_trainer(config.trainer)
        return config

    def plain(self, config: Namespace) -> dict[str, Any]:
        """A resolved config as plain data, including linked keys such as the seeds."""
        text = self.parser.dump(config, skip_link_targets=False, skip_unset=False, skip_validation=True)
        dumped: dict[str, Any] = load_yaml(text)
        dumped.pop("config", None)
        return dumped

    def _refuse_unwritable(self) -> None:
        """Refuse a config that cannot be written to a file and read again, because YAML lacks one of its values.

        Raises:
            UserError: with the argument.
        """
        odd = next(odd_values(self.config), None)
        if odd is None:
            return
        try:
            with warnings.catch_warnings(action="ignore"):  # the parser warns of the same problem
                text = self.config_yaml()
                again = self.parser.parse_args(["--config", text])
                if self.parser.dump(again, skip_unset=False, skip_validation=True) == text:
                    return
        except (ArgumentError, ValueError, TypeError, YAMLError):
            pass
        key, value = odd
        raise UserError(
            f"{key}: {shortened(repr(value))} is a {type(value).__name__}, which no config holds; write null, a "
            "number, a string or a dataclass as its default, or an object of class_path and init_args in the config"
        )

    def config_yaml(self) -> str:
        """A file that gives this config again."""
        text: str = self.parser.dump(self.config, skip_unset=False, skip_validation=True)
        return text

    def _identity(self) -> dict[str, str]:
        """Names of this run in Weights & Biases, unless the config has others."""
        experiment, digits = self.config.experiment, self.folder.complete.name
        parts = [self.resolved["data"]["class_path"], self.resolved["model"]["init_args"]["network"]["class_path"]]
        track = experiment.track or "-".join(part.rpartition(".")[2] for part in parts)
        return {"name": f"{experiment.name}-{digits}", "group": track, "job_type": digits}

    def before_instantiate_classes(self) -> None:
        """Set arithmetic, threads and memory before the first operation."""
        if not self.build:
            return
        set_arithmetic(self.config.arithmetic)
        keep_freed_memory()
        torch.set_num_threads(self.config.threads)

    def instantiate_classes(self) -> None:
        """Build task, data, optimiser and trainer."""
        if not self.build:
            return
        if self.config.lr_scheduler_interval == "step":
            self.configure_optimizers = _after_each_step  # type: ignore[method-assign]
        self._find_data()
        original = self.config
        self.config = copy.deepcopy(original)
        for logger in as_list(self.config.trainer.logger):
            arguments = logger.get("init_args") if isinstance(logger, Namespace) else None
            if arguments is not None and "save_dir" in arguments:
                arguments["save_dir"] = str(self.folder.attempt / (arguments["save_dir"] or "."))
            if arguments is not None and "job_type" in arguments:
                for key, value in self._identity().items():
                    arguments[key] = arguments[key] or value
            if arguments is not None and "run_name" in arguments:
                arguments["run_name"] = arguments["run_name"] or self._identity()["name"]
        word = "building: the devices of a large network take a while"
        patience = threading.Timer(PATIENCE, print, [word], {"file": sys.stderr, "flush": True})
        patience.daemon = True
        patience.start()
        try:
            super().instantiate_classes()
        except (ValueError, TypeError, OSError, ImportError, MisconfigurationException) as error:
            raise refused(error, self.resolved, MADE) from error
        finally:
            patience.cancel()
            self.config = original

    def model_alone(self) -> Task:
        """The task with its network and tiles, without data and trainer; a checkpoint then gives it its state."""
        try:
            config = Namespace(model=self.config.model)  # type: ignore[no-untyped-call]
            model: Task = self.parser.instantiate(config, instantiate_groups=False).model
        except (ValueError, TypeError, OSError, ImportError) as error:
            raise refused(error, self.resolved, MADE) from error
        return model

    def _data_alone(self) -> Any:
        config = Namespace(data=self.config.data)  # type: ignore[no-untyped-call]
        return self.parser.instantiate(config, instantiate_groups=False).data

    def _find_data(self) -> None:
        """Find or download the data, and say what a large network needs, before its devices are built."""
        try:
            data = self._data_alone()
            data.prepare_data()
        except (ValueError, TypeError, OSError) as error:
            raise refused(error, self.resolved, MADE) from error
        if self.training and (needs := forecast(self.config.model, data, self.config.trainer)):
            for line in needs.lines(measured_rate()):
                print(line, file=sys.stderr, flush=True)

    def tensors(self) -> Iterator[Tensor]:
        """Tensors that stay in memory during the whole training: those of the model, and the inputs of the data."""
        yield from itertools.chain(self.model.buffers(), self.model.parameters())
        if isinstance(self.datamodule, InMemoryData):
            yield from (self.datamodule.split("train").inputs, self.datamodule.split("test").inputs)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer. In training it has ``metrics.csv`` and the loggers of the config, otherwise no logger."""
        config = self.config_init.trainer
        callbacks = [callback for callback in as_list(config.callbacks) if callback is not None]
        bar = config.enable_progress_bar
        if bar is None:  # a bar that the config names is shown, in a file too
            bar = sys.stdout.isatty() or any(isinstance(callback, ProgressBar) for callback in callbacks)
        arguments: dict[str, Any] = {"default_root_dir": self.folder.attempt, "enable_progress_bar": bar}
        if config.profiler is None:
            arguments["profiler"] = Unprofiled()
        if self.training and config.strategy == "ddp":
            arguments["strategy"] = SharedBatchDDP()
        if self.training:
            use_own_constants(self.model)
            if config.max_time is not None:
                self.stop.seconds, arguments["max_time"] = Timer(config.max_time).time_remaining(), None
            checkpoint = RunCheckpoint(
                self.folder.attempt, self.resolved, self.config_init.checkpoint, self.stop, drawn_checksums(self.model)
            )
            loggers = [logger for logger in as_list(config.logger) if isinstance(logger, Logger)]
            callbacks = [BetweenEpochs(checkpoint), *callbacks, self.stop, self.history, checkpoint, TimeEstimate()]
            if not bar:
                callbacks.append(EpochLines())
            plugins = [plugin for plugin in as_list(config.plugins) if plugin is not None]
            arguments |= {
                "logger": [MetricsFile(self.folder.attempt), *loggers],
                "plugins": [*plugins, DurableCheckpointIO()],
            }
        else:
            arguments |= {"logger": False, "enable_checkpointing": False}
            callbacks = [callback for callback in callbacks if not isinstance(callback, Checkpoint)]
        return super().instantiate_trainer(**arguments, callbacks=callbacks, **kwargs)


def _after_each_step(lightning_module: LightningModule, optimizer: Optimizer, lr_scheduler: Any = None) -> Any:
    """What Lightning is told of a scheduler that takes its step after each step of the optimiser."""
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": lr_scheduler, "interval": "step"}}

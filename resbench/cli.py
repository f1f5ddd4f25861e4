"""`resbench COMMAND ...`: finds the module of a command and runs it. Nothing heavy is imported before that."""

import argparse
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from resbench import __version__
from resbench.errors import UserError
from resbench.records.files import path_of
from resbench.records.text import aligned, printable
from resbench.training.process import share_cores

# A command is one line here and one module, which offers either `add_arguments(parser)` with `run(args) -> int`, or
# only `run(argv) -> int` where it parses by itself; `argv` then begins with the name of the command.
COMMANDS: dict[str, tuple[str, str]] = {
    "fit": ("resbench.commands.lightning", "train one network with one device and one algorithm"),
    "resume": ("resbench.commands.resume", "continue a run that was killed or interrupted"),
    "validate": ("resbench.commands.lightning", "evaluate on the validation set"),
    "test": ("resbench.commands.lightning", "evaluate on the test set"),
    "predict": ("resbench.commands.lightning", "run a trained network on a data set"),
    "export": ("resbench.commands.export", "write the weights of a run as a file for plain torch"),
    "sweep": ("resbench.commands.sweep", "run a plan of algorithms x precisions x seeds"),
    "tune": ("resbench.commands.tune", "search each algorithm's settings with an equal budget, train the best"),
    "report": ("resbench.commands.report", "draw a run, or several side by side: one HTML page and PNG files"),
    "leaderboard": ("resbench.commands.leaderboard", "compile records into tables and pages"),
    "cost": ("resbench.commands.cost", "estimate hardware cost: storage, time, energy, area"),
    "verify": ("resbench.commands.verify", "run a record again and compare the metrics"),
    "submit": ("resbench.commands.submit", "check records for the leaderboard and prepare a pull request"),
    "record": ("resbench.commands.record", "show and check the records of runs"),
    "check": ("resbench.commands.check", "check that a training algorithm keeps the contract"),
    "device": ("resbench.commands.device", "describe a device in numbers and as a figure"),
    "warmup": ("resbench.commands.warmup", "compile the kernels in advance; otherwise the first training does it"),
    "list": ("resbench.commands.list", "list algorithms, devices, networks, data, tasks, optimizers and configs"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        argv: Arguments after the program's name; None takes those of the process.

    Returns:
        0 on success, 2 for a mistake of the user, 130 when interrupted, 141 when nobody reads the output any more, else
        what the command returns.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without a character, µ for one, shows its code
        sys.stdout.reconfigure(errors="backslashreplace")
    argv = list(sys.argv[1:] if argv is None else argv)
    name = argv[0] if argv else "--help"
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(f"resbench {__version__}")
        return 0
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "'resbench --help' lists the commands"
        print(f"error: resbench has no command '{name}': {hint}", file=sys.stderr)
        return 2
    try:
        status = _run(name, argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has enough, as `head` has; nor may the interpreter complain when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except UserError as error:
        lines = map(printable, str(error).split("\n"))  # it may quote a file of somebody else
        print("error: " + "\n".join(lines), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"resbench {name}: interrupted", file=sys.stderr)
        return 130


def _path(text: str) -> Path:
    """The path that an argument names. An empty one, as of a variable that is not set, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; write a path, or . for the current folder")
    return path_of(text)


def _help() -> str:
    lines = [f"  {line}" for line in aligned([(name, help_) for name, (_, help_) in COMMANDS.items()])]
    return "\n".join(["usage: resbench COMMAND ... | --help | --version", "", *lines, "", "resbench COMMAND --help"])


def _run(name: str, argv: list[str]) -> int:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a class_path finds modules here; last, so that none of them hides a package
    share_cores()
    module_name, help_ = COMMANDS[name]
    module = importlib.import_module(module_name)
    if not hasattr(module, "add_arguments"):
        return int(module.run(argv))
    parser = argparse.ArgumentParser(prog=f"resbench {name}", description=help_, allow_abbrev=False)
    parser.register("type", Path, _path)
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(argv[1:])))

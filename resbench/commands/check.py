"""`resbench check`: check that a training algorithm, for example your own, keeps the contract of algorithms."""

import argparse
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml

from resbench.config.messages import explain, shortened
from resbench.config.yaml import load_yaml, said
from resbench.errors import UserError

if TYPE_CHECKING:
    from resbench.algorithms import Algorithm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the class and its arguments."""
    parser.add_argument(
        "class_path", help="my_module.MyAlgorithm, looked up from this folder; or the name of an algorithm of resbench"
    )
    parser.add_argument(
        "init_args", nargs="*", metavar="name=value", help="arguments of the class, with values as in YAML"
    )


def run(args: argparse.Namespace) -> int:
    """Run the contract checks on the class and print a line for each; return 0 if all pass, or 1."""
    algorithm = _instantiate(args.class_path, dict(_split(text) for text in args.init_args))
    if algorithm.digital:
        raise UserError(f"class_path: {args.class_path} leaves layers digital, so there is nothing to check")

    from resbench.algorithms.contract import outcomes

    complaints: Counter[str] = Counter()
    total = 0
    for outcome in outcomes(algorithm):
        total += 1
        if outcome.complaint is None:
            print(f"pass  {outcome.check}")
            continue
        complaints[outcome.complaint] += 1
        if complaints[outcome.complaint] == 1:
            print(f"FAIL  {outcome.check}\n      {outcome.complaint}")
    failed = complaints.total()
    if failed > len(complaints):
        print(f"FAIL  {failed - len(complaints)} more for a reason above")
    print(f"{type(algorithm).__name__}: {total - failed} of {total} checks passed")
    return 1 if failed else 0


def _split(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"init_args: {text!r} has no value; write name=value, for example gamma=0.5")
    try:
        return name, load_yaml(value)
    except yaml.YAMLError as error:
        raise UserError(shortened(f"init_args: {text!r}: {said(error)}; write for example gamma=0.5")) from None


def _instantiate(class_path: str, init_args: dict[str, Any]) -> "Algorithm":
    """Build the algorithm as a config would."""
    import jsonargparse

    from resbench.algorithms import Algorithm

    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--algorithm", type=Algorithm)
    try:
        config = parser.parse_object({"algorithm": {"class_path": class_path, "init_args": init_args}})
        algorithm: Algorithm = parser.instantiate(config).algorithm
    except Exception as error:  # whatever a stranger's constructor raises
        why = explain(str(error), ()) if isinstance(error, jsonargparse.ArgumentError) else str(error)
        why = why.removeprefix("algorithm.init_args.")
        raise UserError(shortened(f"class_path: {class_path} cannot be made in {os.getcwd()}: {why}")) from None
    return algorithm

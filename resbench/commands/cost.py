"""Hardware cost of a config, or of a run that a record describes: `resbench cost --config FILE`."""

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resbench.errors import BadValue, UserError

if TYPE_CHECKING:
    from resbench.costs import CostModel, Hardware, Workload


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench cost``."""
    what = parser.add_argument_group("what is costed")
    what.add_argument(
        "-c", "--config", action="append", metavar="FILE", help="config of a run; several are read from left to right"
    )
    what.add_argument("--record", type=Path, metavar="FILE", help="record of a run; its counted pulses are used too")
    what.add_argument(
        "--as-printed", action="store_true", help="show the published tables beside the model, and why they differ"
    )
    what.add_argument("--compare", action="store_true", help="also show the other published algorithms")
    how = parser.add_argument_group("assumptions")
    how.add_argument("--batch-size", type=int, metavar="B", help="samples in a mini-batch, instead of the config's")
    how.add_argument(
        "--convention",
        choices=["paper", "strict"],
        default="paper",
        help="words of x and δ of a layer [out, in]: 2·in as in the papers, or in + out as they are (strict) "
        "(default: %(default)s)",
    )
    how.add_argument(
        "--transfer",
        choices=["column", "row"],
        default="column",
        help="what a transfer moves with --convention strict (default: %(default)s)",
    )
    how.add_argument(
        "--stack",
        type=float,
        default=1,
        metavar="N",
        help="number of planes of devices on top of each other (default: %(default)s)",
    )
    how.add_argument(
        "--assume",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a constant of the hardware; the list under the table and resbench.costs.Hardware have the names",
    )
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--layers", action="store_true", help="also show a table of the layers")
    shown.add_argument("--kib", action="store_true", help="also show the storage in KiB (1024 bytes)")


def run(args: argparse.Namespace) -> int:
    """Print the tables as Markdown and return 0.

    Raises:
        UserError: for a config or record without a cost model, or an impossible assumption.
    """
    if not (args.config or args.record or args.as_printed):
        raise UserError("cost of what? Write --config FILE.yaml, --record FILE.json or --as-printed")
    try:
        if args.config:
            _config(args)
        if args.record:
            _record(args)
    except BadValue as error:
        raise UserError(str(error)) from error
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        # settings are whatever a record or a config says
        where = args.record or ", ".join(map(str, args.config))
        raise UserError(f"{where}: no formula takes these settings of the algorithm ({error})") from error
    if args.as_printed:
        from resbench.costs.report import as_printed

        print(as_printed(), end="")
    return 0


def _config(args: argparse.Namespace) -> None:
    from resbench.config.files import merge, named_config, read_config
    from resbench.config.keys import check_shape
    from resbench.costs.report import to_markdown
    from resbench.costs.workload import workload

    config: dict[str, Any] = {}
    for path in args.config:
        config = merge(config, read_config(named_config(path)))
    check_shape(config)
    work = workload(config, args.batch_size)
    print(to_markdown(_compared(work) if args.compare else work, _model(args, work), kib=args.kib, layers=args.layers))


def _record(args: argparse.Namespace) -> None:
    from resbench.costs.counted import shapes
    from resbench.costs.counted_report import to_markdown as counted_markdown
    from resbench.costs.report import to_markdown
    from resbench.costs.workload import Workload, algorithm_columns
    from resbench.records.samples import trained_samples
    from resbench.records.schema import record_or_refuse

    record = record_or_refuse(args.record)
    columns, notes = algorithm_columns(record.algorithm.class_path, record.algorithm.settings)
    batch_size = record.track.batch_size if args.batch_size is None else args.batch_size
    work = Workload(record.track.network, shapes(record.layers), columns, batch_size, notes)
    model = _model(args, work)
    print(counted_markdown(record.layers, next(iter(columns.values())), model, trained_samples(record)))
    print(to_markdown(_compared(work) if args.compare else work, model, kib=args.kib, layers=args.layers), end="")


def _model(args: argparse.Namespace, work: "Workload") -> "CostModel":
    from resbench.costs import CostModel

    return CostModel(
        batch_size=work.batch_size,
        convention=args.convention,
        transfer=args.transfer,
        stack=args.stack,
        hardware=_hardware(args.assume),
    )


def _hardware(assumed: Sequence[str]) -> "Hardware":
    from resbench.costs import Hardware

    names = {name: constant for constant in fields(Hardware) for name in (constant.name, constant.metadata["symbol"])}
    hardware = Hardware()
    for text in assumed:
        name, _, value = text.partition("=")
        if name not in names:
            raise UserError(f"--assume {text}: there is no constant {name!r}; write one of {', '.join(names)}")
        try:
            number: Any = int(value) if names[name].type is int else float(value)
        except ValueError:
            raise UserError(f"--assume {text}: {value!r} is not a number; write {name}=2") from None
        hardware = replace(hardware, **{names[name].name: number})
    return hardware


def _compared(work: "Workload") -> "Workload":
    """The published algorithms after those of the config, each once."""
    from resbench.costs import agad, analog_sgd, c_tt_v2, mixed_precision, tt_v1, tt_v2

    others = (analog_sgd(), tt_v1(), tt_v2(), c_tt_v2(), agad(), mixed_precision())
    return replace(work, algorithms={other.name: other for other in others} | dict(work.algorithms))

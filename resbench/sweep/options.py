"""Arguments that `resbench sweep` and `resbench tune` share, and the executor that they choose."""

from __future__ import annotations

import argparse
from pathlib import Path

from resbench.errors import UserError
from resbench.sweep.executor import Executor

#: Options that only some executors have.
BELONGS = {
    "cpus": ("ray", "slurm"),
    "gpus": ("ray", "slurm"),
    "ray_address": ("ray",),
    "slurm_partition": ("slurm",),
    "slurm_time": ("slurm",),
    "slurm_option": ("slurm",),
}


def add_plan_arguments(parser: argparse.ArgumentParser, file: str, plan: str, retry: str) -> None:
    """Declare the file of a plan, the options of plans, and the options of all executors.

    Args:
        parser: the parser of the command.
        file: help of the file.
        plan: help of ``--plan``.
        retry: help of ``--retry``.
    """
    parser.add_argument("file", type=Path, metavar="FILE", help=file)
    parser.add_argument("--plan", action="store_true", help=plan)
    parser.add_argument("--retry", action="store_true", help=retry)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results, instead of the file's")
    parser.add_argument(
        "--executor",
        choices=("local", "ray", "slurm"),
        default="local",
        help="where the runs are executed (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at the same time (default: 1; with ray and slurm, as many as the cluster allows)",
    )
    cluster = parser.add_argument_group("ray and slurm")
    cluster.add_argument("--cpus", type=int, metavar="N", help="CPUs for each run (default: `threads` of its config)")
    cluster.add_argument(
        "--gpus", type=float, metavar="N", help="GPUs for each run; with ray also a fraction such as 0.5 (default: 0)"
    )
    ray = parser.add_argument_group("ray")
    ray.add_argument(
        "--ray-address",
        metavar="URL",
        help="address of the cluster, ray://HOST:10001 (default: a cluster on this machine)",
    )
    slurm = parser.add_argument_group("slurm")
    slurm.add_argument("--slurm-partition", metavar="NAME", help="partition (default: that of the cluster)")
    slurm.add_argument("--slurm-time", type=int, metavar="MINUTES", help="time limit of a job (default: 240)")
    slurm.add_argument(
        "--slurm-option", action="append", metavar="NAME=VALUE", help="any option of sbatch, for example account=lab"
    )


def check_executor_arguments(args: argparse.Namespace) -> None:
    """Refuse options that do not fit the executor.

    Raises:
        UserError: with what to write instead.
    """
    for name, executors in BELONGS.items():
        if getattr(args, name) is not None and args.executor not in executors:
            raise UserError(f"--{name.replace('_', '-')}: write --executor {' or '.join(executors)} with it")
    for name in ("jobs", "cpus", "slurm_time"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise UserError(f"--{name.replace('_', '-')}: {getattr(args, name)} is too few; write 1 or more")
    if (args.gpus or 0) < 0 or (args.executor == "slurm" and (args.gpus or 0) % 1):
        whole = "a whole number" if args.executor == "slurm" else "0 or more"
        raise UserError(f"--gpus: {args.gpus:g}: write {whole}")
    _options(args)


def at_a_time(args: argparse.Namespace) -> int | None:
    """How many runs the options allow at the same time; None for as many as the cluster allows."""
    jobs: int | None = args.jobs
    return jobs or (1 if args.executor == "local" else None)


def executor_of(args: argparse.Namespace) -> Executor:
    """The executor that the checked options choose.

    Raises:
        UserError: if a package that it needs is missing.
    """
    if args.executor == "ray":
        from resbench.sweep.ray import RayExecutor

        return RayExecutor(args.ray_address, args.jobs, args.cpus, args.gpus or 0)
    if args.executor == "slurm":
        from resbench.sweep.slurm import SlurmExecutor

        time = args.slurm_time or 240
        return SlurmExecutor(args.jobs, args.cpus, int(args.gpus or 0), time, args.slurm_partition, _options(args))
    from resbench.sweep.local import LocalExecutor

    return LocalExecutor(args.jobs or 1)


def _options(args: argparse.Namespace) -> dict[str, str]:
    """Further options of sbatch by name."""
    found = {}
    for text in args.slurm_option or []:
        name, equals, value = text.removeprefix("--").partition("=")
        if not (name and equals):
            raise UserError(f"--slurm-option: {text}: write NAME=VALUE, for example account=lab")
        found[name] = value
    return found

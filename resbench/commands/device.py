"""`resbench device NAME`: describe a device in numbers and as a figure; `--fit CSV` fits one to measurements."""

from __future__ import annotations

import argparse
import difflib
import inspect
import math
from pathlib import Path
from typing import TYPE_CHECKING

from resbench.config.messages import shortened
from resbench.errors import UserError
from resbench.fitting.look import DOWN, GREY, STYLE, UP, check_ending
from resbench.records.files import replacing, write_text_atomically
from resbench.records.text import aligned, file_stem, printable
from resbench.registry import named, offers

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from resbench.crossbar.devices import Device, PulsedDevice

SAMPLES = (200, 100)  # fabricated devices in the histograms
REPEATS = 400  # devices in the band of the response
MOST_STATES = 20_000  # of a device that is drawn: its response is that of three pulses a state, which takes seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``resbench device``."""
    parser.add_argument(
        "name",
        nargs="?",
        help="a class listed by 'resbench list devices', such as ReRamArrayHfO2, or your own module.Class",
    )
    parser.add_argument("--states", type=float, help="use another number of states; inf for no granularity")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the response and the spread (.png, .pdf, .svg)")
    parser.add_argument(
        "--fit",
        type=Path,
        metavar="CSV",
        help="fit a device to conductance against pulse number: columns up_pulse,down_pulse, or "
        "direction,conductance with device, cycle and pulse; writes CSV-NAME_device.yaml, _fit.json and _fit.png",
    )
    parser.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="conductances at weight -1 and 1 of --fit; by default the mean ends of the branches",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where --fit writes; by default the current folder")


def run(args: argparse.Namespace) -> int:
    """Print a device, draw it with ``--plot``, or fit one with ``--fit``; return 0."""
    if (args.name is None) == (args.fit is None):
        raise UserError("device: write either the name of a device or --fit data.csv; --help shows both")
    if args.fit is not None:
        return fit(args)
    if args.range is not None or args.out is not None:
        raise UserError("device: --range and --out belong to --fit data.csv")
    device = find(args.name)
    if args.states is not None:
        try:
            device = device.with_states(args.states)
        except ValueError as error:
            raise UserError(str(error)) from error
    element = None if args.plot is None else _drawable(device, args.plot)
    rows = describe(device)
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in rows))
    if element is not None:
        try:
            draw(device, element, args.plot)
        except OSError as error:
            why = f"cannot be written ({error.strerror}); name another file"
            raise UserError(shortened(f"plot: {args.plot} {why}")) from error
        print(f"{'figure':<{width}}  {args.plot}")
    return 0


def fit(args: argparse.Namespace) -> int:
    """Fit a device to a file, print it and write it."""
    from resbench.fitting.figure import draw as draw_fit
    from resbench.fitting.result import fit_device

    if args.states is not None:
        raise UserError("states: --fit finds the number of states; write `states` into the YAML to change it")
    folder, stem = args.out or Path(), file_stem(args.fit.stem)
    paths = {"config": folder / f"{stem}_device.yaml", "numbers": folder / f"{stem}_fit.json"}
    figure = args.plot or folder / f"{stem}_fit.png"
    try:
        check_ending(figure)
        found = fit_device(args.fit, None if args.range is None else tuple(args.range))
    except ValueError as error:
        raise UserError(str(error)) from error
    try:
        write_text_atomically(paths["config"], found.yaml())
        write_text_atomically(paths["numbers"], found.json())
        draw_fit(found, figure)
    except OSError as error:
        raise UserError(f"out: {error.filename or folder} cannot be written: {error.strerror}") from error
    rows = [*found.rows(), *((name, str(path)) for name, path in {**paths, "figure": figure}.items())]
    print("\n".join(aligned([(name, printable(value)) for name, value in rows])))
    return 0


def find(name: str) -> Device:
    """The device of a class name, with its own defaults."""
    from resbench.crossbar.devices import Device

    known = {offer.path.rpartition(".")[2]: offer.path for offer in offers("devices")}
    path, found = known.get(name, name), None
    try:
        found = named(path) if "." in path else None
    except Exception as error:  # whatever a stranger's module raises, and what is no path
        raise UserError(shortened(f"device: {name} cannot be imported: {error}")) from error
    if not (isinstance(found, type) and issubclass(found, Device)) or inspect.isabstract(found):
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "'resbench list devices' shows all"
        raise UserError(f"device: there is no {name!r}: {hint}")
    try:
        return found()
    except TypeError as error:
        raise UserError(f"device: {name} has no default elements; name a published cell such as PCMPair") from error
    except Exception as error:  # whatever a stranger's constructor raises
        raise UserError(shortened(f"device: {name} cannot be made: {error}")) from error


def describe(device: Device) -> list[tuple[str, str]]:
    """The properties of a device as rows (name, value)."""
    from resbench.crossbar.devices import PulsedDevice
    from resbench.crossbar.devices.unit_cells import UnitCell

    summary = (inspect.getdoc(type(device)) or "").splitlines()[0]
    rows = [
        ("device", f"{type(device).__name__}: {summary}"),
        (
            "model",
            " < ".join(base.__name__ for base in type(device).__mro__[1:-2] if not base.__name__.startswith("_")),
        ),
        ("states", f"{device.state_count:.6g} ({device.bits:.3g} bits)"),
        ("granularity", f"{device.granularity:.4g}"),
        ("range", f"{device.w_min:g} to {device.w_max:g}"),
    ]
    if isinstance(device, UnitCell):
        shares = ", ".join(
            f"{share:g} x {type(element).__name__}"
            for share, element in zip(device.shares, device.elements, strict=True)
        )
        rows.append(("elements", shares))
    element = device.elements[-1] if isinstance(device, UnitCell) else device
    if isinstance(element, PulsedDevice):
        rows += _pulses(element)
    obtained = [("parameters", device.obtained)] if device.obtained else []
    return [*rows, *obtained, ("source", device.source or "model; aihwkit 1.1.0 for its behaviour")]


def _pulses(device: PulsedDevice) -> list[tuple[str, str]]:
    import torch

    from resbench.crossbar.randomness import Stream
    from resbench.crossbar.response import step_at, symmetric_points

    mean, devices = (
        model.fabricate(shape, Stream.from_seed(0))
        for model, shape in ((device.without_spread(), (1, 1)), (device, SAMPLES))
    )
    zero, delta = torch.zeros(1, 1), 1e-3 * (device.w_max - device.w_min)
    at_zero, slopes = [], []
    for up in (True, False):
        low, middle, high = (step_at(device, mean, zero + shift, up).abs().item() for shift in (-delta, 0.0, delta))
        at_zero.append(middle)
        slopes.append((high - low) / (2 * delta))
    point, points = symmetric_points(device, mean).item(), symmetric_points(device, devices)
    points = points[~points.isnan()]
    share = points.numel() / (SAMPLES[0] * SAMPLES[1])
    if share > 0.5:
        symmetric = f"{point:.3f}; of devices {points.mean():.3f} +- {points.std():.2g}"
        symmetric += f" ({share:.0%} of them have one)" if share < 0.995 else ""
    else:
        symmetric = "none: the steps do not depend on the weight" if slopes == [0.0, 0.0] else "none"
    unit = " of the granularity" if device.is_continuous else ""
    log_normal = " log-normal" if device.dw_min_dtod_log_normal else ""
    return [
        ("step at 0", f"up {at_zero[0]:.4g}, down {at_zero[1]:.4g}{unit}"),
        ("step slope", f"up {slopes[0]:.3g}, down {slopes[1]:.3g} per unit of weight; a symmetric device has none"),
        ("symmetric point", symmetric),
        ("cycle noise", f"{device.dw_min_std:.3g} of the step; write noise {device.write_noise:.3g}"),
        (
            "device spread",
            f"step {device.dw_min_dtod:.3g}{log_normal}, w_max {device.w_max_dtod:.3g}, w_min {device.w_min_dtod:.3g}",
        ),
    ]


# -- the figure --------------------------------------------------------------------------------------------------------


def _drawable(device: Device, path: Path) -> PulsedDevice:
    """The element whose steps and bounds are drawn.

    Raises:
        UserError: for a device that cannot be drawn, and for a name of a figure without a known ending.
    """
    from resbench.crossbar.devices import PulsedDevice
    from resbench.crossbar.devices.unit_cells import UnitCell

    element = device.elements[-1] if isinstance(device, UnitCell) else device
    if not isinstance(element, PulsedDevice):
        raise UserError(f"plot: {type(device).__name__} has no response to pulses; name another device")
    if MOST_STATES < device.state_count < math.inf:
        most = f"a figure shows at most {MOST_STATES}"
        raise UserError(
            f"states: {device.state_count:g} are too many to draw, {most}; write --states inf for the limit"
        )
    try:
        check_ending(path)
    except ValueError as error:
        raise UserError(str(error)) from error
    return element


def draw(device: Device, element: PulsedDevice, path: Path) -> None:
    """Draw the response of a device to pulses, and the spread of fabricated elements."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        figure = pyplot.figure(figsize=(7.2, 3.2), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=(1.6, 1))
        _draw_response(figure.add_subplot(grid[:, 0]), device)
        whose = "" if element is device else " (one element)"
        _draw_steps(figure.add_subplot(grid[0, 1]), element, f"b   step at zero weight{whose}")
        _draw_bounds(figure.add_subplot(grid[1, 1]), element, f"c   bounds, symmetric point{whose}")
        precision = f"{device.state_count:.4g} states, {device.bits:.1f} bits"
        precision = "no granularity" if device.is_continuous else precision
        figure.suptitle(f"{type(device).__name__} ({precision})", fontsize=9, fontweight="bold")
        with replacing(path) as file:
            figure.savefig(file, format=path.suffix[1:].lower())
        pyplot.close(figure)


def _draw_response(axes: Axes, device: Device) -> None:
    """Mean device with the band of its noise, and some fabricated devices behind it."""
    import torch

    from resbench.crossbar.randomness import Stream
    from resbench.crossbar.response import sweep

    stream = Stream.from_seed(0)
    pulses = 300 if device.is_continuous else max(12, round(1.5 * device.state_count))
    fabricated = sweep(device, device.w_min, pulses, 12, stream.child("fabricated"))
    mean = sweep(_without_spread(device), device.w_min, pulses, REPEATS, stream.child("mean"))
    half = fabricated.shape[0] // 2
    scale = 2 * (device.w_max - device.w_min) if device.is_continuous else 2 * pulses
    at = torch.arange(fabricated.shape[0]) * (scale / (fabricated.shape[0] - 1))
    axes.plot(at, fabricated, color=GREY, linewidth=0.4, alpha=0.45, label=["fabricated devices", *[""] * 11])
    low, high = mean.quantile(torch.tensor([0.05, 0.95]), dim=1)
    for name, colour, part in (("up", UP, slice(0, half + 1)), ("down", DOWN, slice(half, None))):
        axes.fill_between(at[part], low[part], high[part], color=colour, alpha=0.25, linewidth=0)
        few = fabricated.shape[0] < 60
        axes.plot(
            at[part],
            mean.mean(dim=1)[part],
            color=colour,
            linewidth=1.4,
            marker="o" if few else None,
            markersize=2.5,
            label=f"mean device, {name}",
        )
    if not device.is_continuous:
        axes.fill_between([], [], color=GREY, alpha=0.25, linewidth=0, label="noise, 5 to 95 %")
    axes.axhline(0, color="black", linewidth=0.4, linestyle=":")
    axes.set_xlim(0, scale)
    axes.set_xlabel("requested change (weight units)" if device.is_continuous else "pulse number")
    axes.set_ylabel("weight")
    axes.set_title("a   response to pulses up, then down", loc="left")
    axes.legend(loc="upper right")


def _without_spread(device: Device) -> Device:
    import dataclasses

    from resbench.crossbar.devices import OneSidedCell, PulsedDevice, VectorCell

    if isinstance(device, PulsedDevice):
        return device.without_spread()
    if isinstance(device, VectorCell):
        flat = tuple(element.without_spread() for element in device.elements)
        return VectorCell(devices=flat, update_policy=device.update_policy, gamma_vec=device.gamma_vec)
    if isinstance(device, OneSidedCell):
        names = [field.name for field in dataclasses.fields(OneSidedCell) if field.name not in ("device", "states")]
        options = {name: getattr(device, name) for name in names}
        return OneSidedCell(device=device.elements[0].without_spread(), **options)
    return device


def _draw_steps(axes: Axes, device: PulsedDevice, title: str) -> None:
    import torch

    from resbench.crossbar.randomness import Stream
    from resbench.crossbar.response import step_at

    constants = device.fabricate(SAMPLES, Stream.from_seed(0))
    steps = [step_at(device, constants, torch.zeros(SAMPLES), up).abs().flatten() for up in (True, False)]
    top = max(step.quantile(0.995).item() for step in steps)
    for name, colour, step in zip(("up", "down"), (UP, DOWN), steps, strict=True):
        _histogram(axes, step.numpy(), (0.0, top), colour, name)
    at = device.granularity or 1.0
    axes.axvline(at, ymax=0.77, color="black", linewidth=0.8, linestyle="--", label="granularity")
    unit = "granularities" if device.is_continuous else "weight units"
    _finish(axes, title, f"step ({unit})")


def _draw_bounds(axes: Axes, device: PulsedDevice, title: str) -> None:
    from resbench.crossbar.randomness import Stream
    from resbench.crossbar.response import symmetric_points

    constants = device.fabricate(SAMPLES, Stream.from_seed(0))
    points = symmetric_points(device, constants)
    lower, upper = (constants[bound] - constants.get("reference", 0.0) for bound in ("w_min", "w_max"))
    values = {
        "lower": (lower.flatten(), DOWN),
        "symmetric point": (points[~points.isnan()], GREY),
        "upper": (upper.flatten(), UP),
    }
    low = min(values["lower"][0].quantile(0.002).item(), device.w_min)
    high = max(values["upper"][0].quantile(0.998).item(), device.w_max)
    for name, (value, colour) in values.items():
        if value.numel() > SAMPLES[0] * SAMPLES[1] / 2:
            _histogram(axes, value.numpy(), (low, high), colour, name)
    _finish(axes, title, "weight")


def _histogram(axes: Axes, values: NDArray[np.float32], span: tuple[float, float], colour: str, name: str) -> None:
    """A histogram scaled to its peak, so that narrow and wide ones fit into one figure."""
    import numpy as np

    counts, edges = np.histogram(values, bins=60, range=span)
    heights = counts / counts.max()
    axes.stairs(heights, edges, fill=True, color=colour, alpha=0.35, label=name)
    axes.stairs(heights, edges, color=colour, linewidth=0.8)


def _finish(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel(label)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(0, 1.4)  # room for the legend above the peaks
    axes.locator_params(axis="x", nbins=5)
    axes.legend(loc="upper center", ncols=3, handlelength=1.0, columnspacing=1.0, borderaxespad=0.0)

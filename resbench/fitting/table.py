"""Reading measured pulse responses: a CSV file becomes branches, each a run of pulses in one direction."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resbench.errors import BadValue
from resbench.records.text import counted

Floats = NDArray[np.float64]

#: Fewest readings of a branch, most readings of a file, and most bytes of it.
FEWEST, MOST, MOST_BYTES = 4, 100_000, 32 * 2**20
#: Most pulses of a file, those between its readings too: each of them is computed many times.
MOST_PULSES = 200_000
#: Fewest readings that count 1, 2, 3, ... of which one can say that they are no conductances.
COUNTED = 10
SIGNS = {"up": 1, "down": -1}
FORMS = (
    "write the columns up_pulse,down_pulse (conductance after each pulse), "
    "or direction,conductance with device, cycle and pulse where there are several"
)


@dataclass(frozen=True)
class Branch:
    """Readings of one device while it gets pulses in one direction.

    Args:
        device: name of the device.
        cycle: name of the cycle.
        sign: 1 for up, -1 for down.
        pulses: pulses before each reading, rising; the first reading is where the branch begins.
        readings: conductance in the unit of the file, or weight, see :meth:`Measurement.in_weights`.
    """

    device: str
    cycle: str
    sign: int
    pulses: NDArray[np.int64]
    readings: Floats

    @property
    def direction(self) -> str:
        """``up`` or ``down``."""
        return "up" if self.sign > 0 else "down"


@dataclass(frozen=True)
class Measurement:
    """All branches of a file.

    Args:
        name: name of the file, for messages.
        branches: at least one up and one down branch of each device.
    """

    name: str
    branches: tuple[Branch, ...]

    @property
    def devices(self) -> dict[str, list[Branch]]:
        """The branches of each device, by its name."""
        found: dict[str, list[Branch]] = {}
        for branch in self.branches:
            found.setdefault(branch.device, []).append(branch)
        return found

    def ends(self) -> tuple[float, float]:
        """Mean conductance at the lower and at the upper end of the branches, each end a mean of some readings."""
        low, high = [], []
        for branch in self.branches:
            first, last = _ends(branch.readings)
            low.append(first if branch.sign > 0 else last)
            high.append(last if branch.sign > 0 else first)
        return float(np.mean(low)), float(np.mean(high))

    def in_weights(self, low: float, high: float) -> Measurement:
        """The same with readings as weights: conductance ``low`` is weight -1, ``high`` is weight 1."""
        scale = 2 / (high - low)
        branches = [Branch(b.device, b.cycle, b.sign, b.pulses, (b.readings - low) * scale - 1) for b in self.branches]
        return Measurement(self.name, tuple(branches))


def read(path: Path | str) -> Measurement:
    """Read a CSV file of conductance against pulse number.

    It has one of two forms. aihwkit's has two columns, ``up_pulse`` and ``down_pulse`` (or no header): the conductance
    after each pulse up, and after each pulse down; a shorter column ends with empty cells. A third column ``pulse`` has
    the number of the pulse in both, where readings skip pulses. The other form has a row for
    each reading with ``direction`` (up or down) and ``conductance``, and where there are several, ``device``,
    ``cycle`` and ``pulse`` (number of the pulse, which may skip some). The first reading of a branch is its start.
    Conductances may have any unit. Commas, semicolons or tabs separate columns.

    Raises:
        BadValue: for a file that cannot be read or fitted; the message names the line.
    """
    path = Path(path)
    rows = _rows(path)
    header = [cell.strip().lower() for cell in rows[0][1]]
    if len(header) == 2 and all(_is_number(cell) for cell in header):
        branches = _of_columns(path.name, rows, {"up": 0, "down": 1})
        _refuse_numbers(path.name, branches[0])
        return _checked(path.name, branches)
    for up, down in (("up_pulse", "down_pulse"), ("up", "down")):
        if up in header and down in header:
            columns = {"up": header.index(up), "down": header.index(down)}
            if "pulse" in header:
                columns["pulse"] = header.index("pulse")
            return _checked(path.name, _of_columns(path.name, rows[1:], columns))
    missing = [name for name in ("direction", "conductance") if name not in header]
    if missing:
        raise BadValue(path.name, f"columns {','.join(header)[:80]}", f"have no {' and no '.join(missing)}; {FORMS}")
    if len(set(header)) < len(header):
        raise BadValue(path.name, f"columns {','.join(header)[:80]}", "have a name twice; rename one of them")
    return _checked(path.name, _of_rows(path.name, rows[1:], {name: header.index(name) for name in header}))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The number and the cells of each line that is not empty."""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            hint = f"are more than {MOST_BYTES // 2**20} MiB; keep every tenth reading, with its number as `pulse`"
            raise BadValue(path.name, f"{size // 2**20} MiB", hint)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadValue("data", str(path), f"cannot be read ({reason}); name a CSV file") from None
    except UnicodeDecodeError:
        raise BadValue(path.name, "its bytes", "are no UTF-8 text; save the table as CSV in UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = next((sign for sign in ",;\t" if sign in first), ",")
    try:
        rows = [(n, cells) for n, cells in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), start=1)]
    except csv.Error as error:
        raise BadValue(path.name, "the text", f"is no CSV ({error}); {FORMS}") from None
    rows = [(n, cells) for n, cells in rows if any(cell.strip() for cell in cells)]
    if not rows:
        raise BadValue(path.name, "the file", f"is empty; {FORMS}")
    if len(rows) > MOST + 1:
        hint = f"are more than {MOST}; keep every tenth reading, with its number as `pulse`"
        raise BadValue(path.name, f"{len(rows)} lines", hint)
    return rows


def _of_columns(name: str, rows: Sequence[tuple[int, list[str]]], columns: Mapping[str, int]) -> list[Branch]:
    branches = []
    for label, sign in SIGNS.items():
        readings: list[float] = []
        pulses: list[int] = []
        end = 0
        for line, cells in rows:
            text = _cell(cells, columns[label])
            if not text:
                end = end or line
            elif end:
                raise BadValue(
                    f"{name}, line {end}", f"the {label} column", "is empty, but goes on below; fill the gap"
                )
            else:
                readings.append(_number(name, line, f"{label} column", text))
                number = _cell(cells, columns["pulse"]) if "pulse" in columns else str(len(pulses))
                pulses.append(_pulse(name, line, number, pulses[-1:]))
        branches.append(Branch("1", "1", sign, np.array(pulses, dtype=np.int64), np.array(readings)))
    return branches


def _cell(cells: Sequence[str], column: int) -> str:
    """The text of a cell; empty beyond the end of its line."""
    return cells[column].strip() if column < len(cells) else ""


def _refuse_numbers(name: str, branch: Branch) -> None:
    """Refuse a first column without a name that counts the pulses: it would be fitted as conductances."""
    first = branch.readings[:1]
    if len(branch.readings) >= COUNTED and first in (0, 1) and (np.diff(branch.readings) == 1).all():
        hint = "like pulse numbers; give the columns names, pulse,up,down, or write conductances only"
        raise BadValue(name, f"the first column counts from {first[0]:g} to {branch.readings[-1]:g}", hint)


def _of_rows(name: str, rows: Sequence[tuple[int, list[str]]], columns: Mapping[str, int]) -> list[Branch]:
    found: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for line, cells in rows:

        def cell(column: str, default: str = "", cells: list[str] = cells) -> str:
            at = columns.get(column, len(cells))
            return cells[at].strip() if at < len(cells) else default

        direction = cell("direction").lower()
        if direction not in SIGNS:
            raise BadValue(f"{name}, line {line}, direction", repr(direction), "is unknown; write up or down")
        branch = found.setdefault((cell("device", "1"), cell("cycle", "1"), direction), [])
        number = cell("pulse") if "pulse" in columns else str(len(branch))
        pulse = _pulse(name, line, number, [pulse for pulse, _ in branch[-1:]])
        branch.append((pulse, _number(name, line, "conductance", cell("conductance"))))
    return [
        Branch(device, cycle, SIGNS[direction], np.array([p for p, _ in pairs]), np.array([g for _, g in pairs]))
        for (device, cycle, direction), pairs in found.items()
    ]


def _pulse(name: str, line: int, text: str, before: Sequence[int]) -> int:
    """The number of a pulse, which is above that of the reading before it."""
    pulse = _number(name, line, "pulse", text)
    if pulse != round(pulse) or abs(pulse) > 1e9:
        raise BadValue(f"{name}, line {line}, pulse", f"{pulse:g}", "is no pulse number; write a whole number")
    if before and pulse <= before[0]:
        raise BadValue(
            f"{name}, line {line}, pulse",
            f"{pulse:g} after {before[0]}",
            "does not rise; number the pulses of a branch upward, and give each repetition its own `cycle`",
        )
    return int(pulse)


def _checked(name: str, branches: Sequence[Branch]) -> Measurement:
    """The branches, if each can be fitted."""
    pulses = sum(int(branch.pulses[-1] - branch.pulses[0]) for branch in branches if len(branch.pulses))
    if pulses > MOST_PULSES:
        hint = f"are more than {MOST_PULSES}; leave out branches, or count in packets of pulses"
        raise BadValue(name, f"{pulses} pulses from the first to the last readings", hint)
    for branch in branches:
        which = f"{name}, device {branch.device}, cycle {branch.cycle}"
        if (count := len(branch.readings)) < FEWEST:
            hint = f"; write at least {FEWEST}, one after each pulse"
            raise BadValue(which, f"the {branch.direction} branch has {counted(count, 'reading')}", hint)
        if np.ptp(branch.readings) == 0:
            value = f"the {branch.direction} branch is {branch.readings[0]:g} throughout"
            raise BadValue(which, value, "; a device that does not move cannot be fitted")
        first, last = _ends(branch.readings)
        if (last - first) * branch.sign <= 0:
            verb, needed = ("falls", "rises") if branch.sign > 0 else ("rises", "falls")
            raise BadValue(
                which,
                f"the {branch.direction} branch {verb} from {first:g} to {last:g}",
                f"; write conductances (not resistances), of which the {branch.direction} branch {needed}",
            )
    ordered = sorted(branches, key=lambda branch: branch.device)
    for device, group in groupby(ordered, key=lambda branch: branch.device):
        if len(found := {branch.direction for branch in group}) < 2:
            missing = ({"up", "down"} - found).pop()
            raise BadValue(name, f"device {device}", f"has no {missing} branch; write both directions")
    return Measurement(name, tuple(branches))


def _ends(readings: Floats) -> tuple[float, float]:
    """Where a branch begins and ends, each the mean of a tenth of the readings."""
    part = max(1, len(readings) // 10)
    return float(readings[:part].mean()), float(readings[-part:].mean())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(name: str, line: int, column: str, text: str) -> float:
    if not _is_number(text):
        hint = "is no number; write the conductance with a decimal point" if text else "is missing; write a number"
        raise BadValue(f"{name}, line {line}, {column}", repr(text[:40]), hint)
    if not math.isfinite(number := float(text)):
        raise BadValue(f"{name}, line {line}, {column}", text, "is not finite; remove the reading")
    return number

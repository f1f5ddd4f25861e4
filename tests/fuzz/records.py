"""Runs every command that reads records on damaged and hostile records.

Each record is a valid one with strange values, keys or bytes in one to three places. `record`, `cost`, `verify
--dry-run` and `submit` read it alone. `leaderboard`, with all its files and figures, reads it together with seven
others. A fault is a traceback, a command that takes more than 20 seconds, an exit status other than 0, 1 and 2, an
error of more than two lines, output that is unsafe for a terminal, or a file outside of the named folders.
"""

import argparse
import contextlib
import io
import json
import math
import random
import resource
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from resbench.cli import main as resbench
from resbench.records.identity import config_hash
from tests.records.factory import make_record

SECONDS = 20
MEMORY = 6 * 2**30
TOGETHER = 8
#: Values that replace others. OUTSIDE stands for a folder to which nothing may be written.
OUTSIDE = "OUTSIDE"
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 2**31, 2**63 - 1, 2**63, 10**18, -(10**30), 10**400),
    *(0.0, -0.0, 0.5, 1.0, 1e-300, 5e-324, 1e300, 1.7e308, -1.7e308, "inf", "-inf", "nan"),
    *(
        "",
        " ",
        "\n",
        "a\nb",
        "\x00",
        "nul\x00byte",
        "\x1b[2J\x1b]0;mine\x07",
        "\u202eevil",
        "\x9b31m",
        "\u2028",
        "é漢🙂",
    ),
    *("../../outside", f"{OUTSIDE}/file", f"../{OUTSIDE}", "/dev/full", ".", "..", "~", "-rf", "CON", "a/b", "a\\b"),
    *(
        "=1+1",
        "+1",
        "-1",
        "@a",
        "</script><script>",
        "a|b`c",
        "[a](http://x)",
        "![a](http://x)",
        "$\\frac{",
        "\\end{x}",
    ),
    *("x" * 300, "x" * 20_000, "{{ 7 * 7 }}", "%s%n", "test/acc", "val/acc", "os.system", "evil.Class", "2026-01-01"),
    *("a" * 300 + ".X", "/etc/x.Y", {"class_path": 5}, [{"class_path": 5}], {"optimizer": {"class_path": 5}}),
    *([], {}, [[]], [None], {"": None}, {"class_path": "os.system", "init_args": {"command": "touch evil"}}),
    *({"a": {"b": {"c": [1, {"d": None}]}}}, [0] * 300, {str(key): key for key in range(300)}, list(range(50))),
)
#: Places of a config that commands read.
WATCHED: tuple[tuple[str, ...], ...] = (
    ("trainer", "limit_train_batches"),
    ("trainer", "limit_test_batches"),
    ("trainer", "callbacks"),
    ("trainer", "max_epochs"),
    ("trainer",),
    ("model",),
    ("data",),
    ("seed_everything",),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m tests.fuzz records``."""
    parser.add_argument("--count", type=int, default=800, help="records to try (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damage (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Try records and print the faults; return 1 if there was one."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    start = time.monotonic()
    for first in range(0, args.count, TOGETHER):
        numbers = range(first, min(first + TOGETHER, args.count))
        with tempfile.TemporaryDirectory(prefix="resbench-fuzz-") as folder:
            faults += _try(Path(folder).resolve(), numbers, args.seed, outcomes)
    for fault in faults:
        print(fault)
    tried = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
    print(f"{args.count} records, seed {args.seed}, {time.monotonic() - start:.0f} s: {tried}; faults: {len(faults)}")
    return 1 if faults else 0


def _try(folder: Path, numbers: range, seed: int, outcomes: Counter[str]) -> Iterator[str]:
    """The faults of some records, each with the number that reproduces it."""
    records, work, outside = (folder / name for name in ("records", "work", OUTSIDE))
    for place in (records, work, outside):
        place.mkdir()
    (records / "sound.json").write_text(make_record(seed=5).model_dump_json(), encoding="utf-8")
    with contextlib.chdir(work):
        for number in numbers:
            path = records / f"{number}.json"
            path.write_bytes(damaged(random.Random(f"{seed} {number}"), str(outside)))
            for command in (
                ["record", "validate", str(path)],
                ["record", "show", str(path)],
                ["cost", "--record", str(path)],
                ["verify", "--dry-run", str(path)],
                ["submit", "--check", "--board", "board", str(path)],
                ["submit", "--board", "board", "--text", "board/text.md", str(path)],
            ):
                yield from _run(command, f"record {number}", outcomes)
        many = ["--records", str(records), "--out", "board", "--figures", "board"]
        yield from _run(["leaderboard", *many], f"records {numbers.start} to {numbers.stop - 1}", outcomes)
        yield from _run(["submit", "--board", "board2", str(records)], f"records from {numbers.start}", outcomes)
        allowed = (records, work / "board", work / "board2", work / "pull_request.md")
        for path in folder.rglob("*"):
            if path.is_file() and not any(path.is_relative_to(place) for place in allowed):
                yield f"records {numbers.start} to {numbers.stop - 1}: written outside: {path.relative_to(folder)}"


def _run(command: list[str], what: str, outcomes: Counter[str]) -> Iterator[str]:
    """Run one command in this process and yield its faults."""
    out, err = io.StringIO(), io.StringIO()
    name = " ".join(part for part in command[:2] if not part.startswith("/"))
    start = time.monotonic()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _deadline():
            status = resbench(command)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        outcomes["traceback"] += 1
        last = traceback.extract_tb(error.__traceback__)[-1]
        yield f"{what}: {name}: {type(error).__name__}: {str(error)[:200]!r} at {last.filename}:{last.lineno}"
        return
    outcomes[f"exit {status}"] += 1
    text = out.getvalue() + err.getvalue()
    if status not in (0, 1, 2):
        yield f"{what}: {name}: exit status {status}"
    if status == 2 and not 1 <= err.getvalue().count("\n") <= 2:
        yield f"{what}: {name}: an error of {err.getvalue().count(chr(10))} lines: {err.getvalue()[:200]!r}"
    if not text.replace("\n", "").isprintable():
        odd = next(index for index, character in enumerate(text) if not (character.isprintable() or character == "\n"))
        yield f"{what}: {name}: a terminal would act on {text[max(0, odd - 40) : odd + 40]!r}"
    if time.monotonic() - start > SECONDS:
        yield f"{what}: {name}: took {time.monotonic() - start:.0f} s"


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """End a block that takes three times as long as a command may take."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no end after {3 * SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(3 * SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damaged(chance: random.Random, outside: str) -> bytes:
    """A valid record with damage."""
    status = chance.choice(["complete"] * 4 + ["failed", "diverged"])
    sound = make_record(
        chance.choice(["Residual learning", "Analog SGD", "Mixed precision", "Digital"]),
        states=chance.choice([4, 10, math.inf, None]),
        tiles=chance.choice([0, 1, 4]),
        seed=chance.choice([0, 0, 0, 1, 2]),
        status=status,
        error=None if status == "complete" else "Traceback\nRuntimeError: x",
    )
    document: dict[str, Any] = json.loads(sound.model_dump_json())
    document["data"]["sha256"] = {"train": "00", "test": "11"}  # `submit` needs them
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        _damage(document, chance)
    if isinstance(document.get("config"), dict) and chance.random() < 0.9:
        with contextlib.suppress(ValueError, RecursionError):
            document["config_hash"] = config_hash(document["config"])
    text = json.dumps(document).replace(OUTSIDE, outside)
    return _torn(text.encode(), chance) if chance.random() < 0.1 else text.encode()


def _damage(document: dict[str, Any], chance: random.Random) -> None:
    """Damage the record at one place."""
    kind = chance.random()
    parents: list[Any]
    key: Any
    if kind < 0.15:
        *parents, key = ("config", *chance.choice(WATCHED))
    else:
        section = chance.choice(list(document))  # all sections equally often, whatever their size
        *parents, key = chance.choice([(section, *path) for path in _paths(document[section])])
    node: Any = document
    for parent in parents:
        node = node[parent] if isinstance(node, list) or (isinstance(node, dict) and parent in node) else None
    if not isinstance(node, dict | list) or (isinstance(node, list) and not isinstance(key, int)):
        return
    if kind > 0.9:
        del node[key]
    elif kind > 0.8 and isinstance(node, dict):
        node[str(chance.choice(STRANGE))[:5000]] = node.pop(key, None)
    elif kind > 0.75:
        deep: Any = chance.choice(STRANGE)
        for _ in range(chance.choice([10, 150, 500])):
            deep = [deep] if chance.random() < 0.5 else {"k": deep}
        node[key] = deep
    else:
        before = node[key] if isinstance(node, list) or key in node else None
        node[key] = chance.choice(_alike(before) if chance.random() < 0.75 else STRANGE)


def _alike(value: Any) -> Sequence[Any]:
    """Strange values of the same type, which a valid record may contain."""
    if isinstance(value, str):
        return [other for other in STRANGE if isinstance(other, str)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [other for other in STRANGE if type(other) is type(value)] or STRANGE
    return STRANGE


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if len(path) < 12:
            yield from _paths(item, (*path, key))


def _torn(text: bytes, chance: random.Random) -> bytes:
    """The text with bytes that are lost, changed or doubled, or in another encoding."""
    place = chance.randrange(len(text))
    return chance.choice(
        [
            text[:place],
            text[:place] + bytes([text[place] ^ 1 << chance.randrange(8)]) + text[place + 1 :],
            text[:place] + text[max(0, place - 200) :],
            text[:place] + chance.randbytes(20) + text[place:],
            b"\xef\xbb\xbf" + text,
            text.decode().encode("utf-16"),
            text.replace(b'"seed"', b'"seed": 1, "seed"', 1),
            text.replace(b"0.91", b"NaN", 1),
            b"[" * 100_000,
            b"",
        ]
    )

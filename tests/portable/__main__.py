"""Hold trainings on this processor against the same ones on processors that QEMU emulates, bit for bit.

    python -m tests.portable                                   # this processor against the digests in golden.json
    python -m tests.portable --emulate Haswell EPYC-Rome Skylake-Client
    python -m tests.portable --emulate Haswell --cases LeNet GPT
    python -m tests.portable --emulate Haswell --records leaderboards/records/digits-mlp/NAME.json

The last of them trains the first epoch of records anew (`resbench verify --epochs 1`) on the emulated processors.
Emulation needs qemu-x86_64 (Debian: qemu-user; 7.2 and later know AVX2, none knows AVX512) and takes minutes. Kernels
are compiled here for each emulated processor first, and run here too, because compiling under emulation takes longest.
Exit status 0 means that all digests are equal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

GOLDEN = Path(__file__).with_name("golden.json")
#: Packages whose versions decide the last bits.
PACKAGES = ("torch", "torchvision", "torchmetrics", "numpy", "numba", "lightning", "scikit-learn")
#: How often a process may die before the comparison is given up.
DEATHS = 5
#: QEMU 7.2 dies in gather instructions, which LLVM takes where it tunes for later processors than Haswell.
TUNED = {"NUMBA_CPU_NAME": "haswell"}
#: Prints for which processor, and with which of its features, Numba compiles.
TARGET = """
import json, llvmlite.binding as llvm
features = llvm.get_host_cpu_features().flatten()
print(json.dumps({"NUMBA_CPU_NAME": llvm.get_host_cpu_name(), "NUMBA_CPU_FEATURES": features}))
"""


def main() -> int:
    """Compare, print a line for each case and processor, and return 0 if all are equal."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.portable", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emulate", nargs="+", default=[], metavar="CPU", help="processors of `qemu-x86_64 -cpu help`")
    parser.add_argument("--cases", nargs="+", default=[], metavar="WORD", help="only cases that contain a word")
    parser.add_argument("--records", nargs="+", default=[], metavar="FILE", help="records to verify, instead of cases")
    parser.add_argument("--data-root", default="data", metavar="DIR", help="folder of the data of these records")
    parser.add_argument("--write", action="store_true", help="write golden.json; only when draws or cases change")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(args.cases, args.first)
    if args.records:
        return verify(args.records, args.emulate, args.data_root)
    here = digests([], {}, args.cases)
    if not here:
        sys.exit(f"no case contains {' or '.join(args.cases)}; tests/portable/golden.json lists the names")
    if args.write:
        GOLDEN.write_text(json.dumps({"versions": versions(), "digests": here}, indent=1) + "\n", encoding="utf-8")
        return 0
    tables = {"golden.json": golden(), "here": here}
    for processor in args.emulate:
        emulator, target = emulation(processor)
        tables[f"kernels for {processor}, here"] = digests([], target, args.cases)
        if target != target | TUNED:
            digests([], target | TUNED, args.cases)  # compiles
        tables[f"emulated {processor}"] = digests(emulator, target | TUNED, args.cases)
    return compare(here, tables)


def verify(records: list[str], processors: list[str], data: str) -> int:
    """Train the first epoch of records anew here and on emulated processors; 0 if every record is equal everywhere."""
    worst = 0
    for processor in processors:
        emulator, target = emulation(processor)
        for record in records:
            command = [sys.executable, "-m", "resbench", "verify", record, "--epochs", "1", "--data-root", data]
            run(command, target | TUNED)  # compiles
            for _ in range(DEATHS):
                done = run([*emulator, *command], target | TUNED)
                if done.returncode >= 0:
                    break
            last = done.stdout.strip().splitlines()[-1:] if done.returncode in (0, 1) else []
            print(f"{processor} {record}: {last[0] if last else done.stderr.strip()[-200:]}", flush=True)
            worst = max(worst, abs(done.returncode))
    return worst


def emulation(processor: str) -> tuple[list[str], dict[str, str]]:
    """What a command begins with to run on an emulated processor, and the settings with which Numba compiles for it."""
    emulator = ["qemu-x86_64", "-cpu", processor]
    return emulator, json.loads(run([*emulator, sys.executable, "-c", TARGET], {}).stdout)


def compare(here: Mapping[str, str], tables: Mapping[str, Mapping[str, str]]) -> int:
    """Print where tables differ from the one of this processor; 0 if they do nowhere."""
    different = 0
    for name, table in tables.items():
        wrong = [case for case in here if case in table and table[case] != here[case]]
        print(f"{name}: {sum(case in table for case in here) - len(wrong)} equal, {len(wrong)} different")
        for case in wrong:
            print(f"  {case}: {table[case]}, here {here[case]}")
        different += len(wrong)
    return 1 if different else 0


def versions() -> dict[str, str]:
    """Versions that decide the last bits."""
    return {name: version(name) for name in PACKAGES}


def golden() -> dict[str, str]:
    """The digests of golden.json; none where other versions are installed."""
    content = json.loads(GOLDEN.read_text(encoding="utf-8"))
    if content["versions"] != versions():
        print(f"golden.json is of other versions: {content['versions']}")
        return {}
    found: dict[str, str] = content["digests"]
    return found


def digests(emulator: list[str], target: Mapping[str, str], words: list[str]) -> dict[str, str]:
    """The digests of cases in a process of its own; in another one from where that dies, as QEMU does now and then."""
    command = [*emulator, sys.executable, "-m", "tests.portable", "--worker", *(["--cases", *words] if words else [])]
    found: dict[str, str] = {}
    for _ in range(DEATHS):
        done = run([*command, "--first", str(len(found))], target)
        found |= dict(line.split("\t") for line in done.stdout.splitlines())
        if done.returncode == 0:
            return found
        print(f"died after {len(found)} cases, status {done.returncode}: {done.stderr.strip()[-200:]}", flush=True)
    sys.exit(f"{' '.join(command[:3])} ... died {DEATHS} times")


def run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A command that has ended. What it says of its errors is kept: QEMU names every feature that it does not have."""
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def work(words: list[str], first: int) -> int:
    """Print the digest of each case from the one of this number on."""
    from resbench import set_arithmetic

    set_arithmetic("portable")
    from tests.portable.cases import chosen, digest

    for case in chosen(words)[first:]:
        try:
            found = digest(case)
        except RuntimeError as error:
            found = f"failed: {' '.join(str(error).split())[-200:]}"
        print(f"{case}\t{found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

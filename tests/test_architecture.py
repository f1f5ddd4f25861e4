"""The rules of docs/architecture.md that can be read off the source."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
MODULES = sorted((REPOSITORY / "resbench").glob("**/*.py"))
# The table "Rooms": what each room may import. `arguments`, `errors`, `registry` and the version are open to all.
ALLOWED: dict[str, set[str]] = {
    "records": set(),
    "config": {"records"},
    "crossbar": set(),
    "fitting": {"crossbar", "records"},
    "algorithms": {"crossbar", "costs"},
    "interop": {"algorithms", "crossbar"},
    "nn": {"algorithms", "crossbar"},
    "networks": set(),
    "data": {"records"},
    "costs": {"records"},
    "tuning": {"records", "config"},
    "leaderboard": {"records", "config", "costs", "tuning"},
    "tasks": {"nn", "algorithms", "crossbar", "networks"},
    "callbacks": {"tasks", "nn", "algorithms", "crossbar", "networks", "records", "config"},
    "training": {
        *("callbacks", "tasks", "nn", "algorithms", "crossbar", "networks", "data", "records", "config", "tuning"),
    },
    "sweep": {"records", "config", "tuning", "training"},
    "report": {"records", "config", "costs", "leaderboard", "training"},
}
OPEN = {"arguments", "errors", "registry", "__version__"}
ENTRY_POINTS = {"commands", "cli", "__main__", "__init__", "arguments", "errors", "registry"}
WITHOUT_TORCH = {"records", "config", "tuning", "costs", "leaderboard", "sweep", "report", *ENTRY_POINTS}
OPTIONAL = {"ray", "submitit", "pyarrow"}
BROUGHT_BY_TORCH = {"triton"}  # where it is built for GPUs, and only there it is used
HEAVY = {"torch", "torchvision", "torchmetrics", "lightning", "numba", "wandb", "sklearn"}


def room(module: Path) -> str:
    return module.relative_to(REPOSITORY / "resbench").parts[0].removesuffix(".py")


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def imported(module: Path, *, at_import_time: bool = False) -> Iterator[list[str]]:
    """Dotted path of each import, split at the dots; those inside functions and for types not if `at_import_time`."""
    nodes: list[ast.AST] = [ast.parse(module.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if at_import_time and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        nodes.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}".split(".") for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_module_keeps_the_rules(module: Path) -> None:
    assert room(module) in ALLOWED.keys() | ENTRY_POINTS, "a new room needs a row in docs/architecture.md and above"
    ours = {path[1] for path in imported(module) if path[0] == "resbench" and len(path) > 1}
    if room(module) in ALLOWED:
        assert ours <= ALLOWED[room(module)] | OPEN | {room(module)}, "imports point down only"
    assert not {path[0] for path in imported(module, at_import_time=True)} & OPTIONAL, "imported only when used"
    if room(module) in WITHOUT_TORCH:
        heavy = {path[0] for path in imported(module, at_import_time=room(module) == "commands")} & HEAVY
        assert not heavy, "this room must start fast"
    if not module.stem.startswith("_") or module.stem == "__init__":
        assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))), "a public module says what it holds"


def test_no_module_needs_itself() -> None:
    """Imports for types and those inside functions count too; only the face of the package imports what it is asked."""
    names = set(map(dotted, MODULES))
    graph = {}
    for module in MODULES:
        paths = {".".join(path) for path in imported(module)}
        needed = {path if path in names else path.rpartition(".")[0] for path in paths}
        graph[dotted(module)] = needed & names - {dotted(module)}
    del graph["resbench"]
    TopologicalSorter(graph).prepare()  # or a CycleError that names the circle


def test_files_are_short_and_named_for_what_they_hold() -> None:
    for module in [*MODULES, *REPOSITORY.glob("benchmarks/**/*.py"), *REPOSITORY.glob("tests/**/*.py")]:
        assert len(module.read_text(encoding="utf-8").splitlines()) < 400, module
        assert "util" not in module.stem, module


def declared(extra: str | None = None) -> set[str]:
    """Distributions that pyproject.toml asks for: with the package itself, or with an extra."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return {plain(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in wanted}


def plain(name: str) -> str:
    """The name of a distribution as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def undeclared(modules: Iterator[Path], allowed: set[str]) -> set[str]:
    """Packages that modules import and none of the allowed distributions holds."""
    holds = packages_distributions()
    names = {path[0] for module in modules for path in imported(module)}
    others = names - set(sys.stdlib_module_names) - {"resbench", "tests", "benchmarks", "docs", *BROUGHT_BY_TORCH}
    return {name for name in others if not {plain(holder) for holder in holds.get(name, [name])} & allowed}


def test_every_import_is_declared() -> None:
    optional = declared("ray") | declared("slurm") | declared("parquet")
    assert optional == OPTIONAL
    assert not undeclared(iter(MODULES), declared() | optional)
    development = declared() | declared("dev") | declared("docs") | declared("parity")
    for folder in ("tests", "benchmarks", "leaderboards", "examples", "docs"):
        assert not undeclared((REPOSITORY / folder).glob("**/*.py"), development), folder


def test_every_dependency_is_imported() -> None:
    used = {path[0] for module in MODULES for path in imported(module)}
    holds = packages_distributions()
    imported_ones = {plain(holder) for name in used for holder in holds.get(name, [name])}
    assert declared() <= imported_ones

"""What a config may name and `resbench list` shows: classes and their arguments.

Those of resbench are read off the source, and nothing is imported for that. Those of torch and Lightning are listed.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from resbench.errors import BadValue

PACKAGE = Path(__file__).parent
T = TypeVar("T")


@dataclass(frozen=True)
class Shelf:
    """Where the classes of one kind live.

    Args:
        folder: package of the kind, relative to `resbench`.
        bases: names of the classes that they derive from.
        exported_only: whether only those count that the package's `__init__` imports; else every public class does.
        modules: packages outside the folder that hold more of the kind, relative to `resbench`.
    """

    folder: str
    bases: frozenset[str]
    exported_only: bool = True
    modules: tuple[str, ...] = ()


SHELVES = {
    "algorithms": Shelf("algorithms", frozenset({"Algorithm"}), exported_only=False),
    "devices": Shelf("crossbar/devices", frozenset({"Device"}), exported_only=False, modules=("crossbar/presets",)),
    "networks": Shelf("networks", frozenset({"Module", "Sequential"})),
    "data": Shelf("data", frozenset({"LightningDataModule"})),
    "tasks": Shelf("tasks", frozenset({"LightningModule"})),
    "optimizers": Shelf("nn", frozenset({"Optimizer"})),
}
#: Rooms whose dataclasses may be arguments of what is on the shelves.
SETTINGS = ("algorithms", "crossbar", "data")

#: The optimiser of a config that names none, and its digital optimiser.
OPTIMIZER, DIGITAL = "resbench.nn.AnalogOptimizer", "torch.optim.SGD"
#: Classes that are on no shelf of resbench, by kind, with the arguments that may be words; the others are numbers.
OTHERS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "networks": {"torch.nn.Linear": ()},
    "optimizers": {
        f"torch.optim.{name}": ()
        for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD")
    },
    "schedulers": {
        "lightning.pytorch.cli.ReduceLROnPlateau": ("monitor", "mode", "threshold_mode"),
        "torch.optim.lr_scheduler.ConstantLR": (),
        "torch.optim.lr_scheduler.CosineAnnealingLR": (),
        "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts": (),
        "torch.optim.lr_scheduler.CyclicLR": ("mode", "scale_mode"),
        "torch.optim.lr_scheduler.ExponentialLR": (),
        "torch.optim.lr_scheduler.LinearLR": (),
        "torch.optim.lr_scheduler.MultiStepLR": (),
        "torch.optim.lr_scheduler.OneCycleLR": ("anneal_strategy",),
        "torch.optim.lr_scheduler.PolynomialLR": (),
        "torch.optim.lr_scheduler.ReduceLROnPlateau": ("mode", "threshold_mode"),
        "torch.optim.lr_scheduler.StepLR": (),
    },
    "callbacks": {
        "lightning.pytorch.callbacks.DeviceStatsMonitor": (),
        "lightning.pytorch.callbacks.EarlyStopping": ("monitor", "mode"),
        "lightning.pytorch.callbacks.LearningRateMonitor": ("logging_interval",),
        "lightning.pytorch.callbacks.ModelCheckpoint": ("filename", "monitor", "save_last", "mode"),
        "lightning.pytorch.callbacks.ModelSummary": (),
        "lightning.pytorch.callbacks.RichModelSummary": (),
        "lightning.pytorch.callbacks.RichProgressBar": ("theme",),
        "lightning.pytorch.callbacks.TQDMProgressBar": (),
        "resbench.callbacks.PassTime": (),
        "resbench.callbacks.TimeBeforeTest": ("time",),
    },
    "loggers": {
        "lightning.pytorch.loggers.CSVLogger": ("save_dir", "name", "version", "prefix"),
        "lightning.pytorch.loggers.TensorBoardLogger": ("save_dir", "name", "version", "prefix", "sub_dir"),
        "resbench.training.wandb_logger.WandbRunLogger": (
            *("project", "entity", "save_dir", "name", "group", "job_type"),
        ),
    },
    "profilers": {
        "lightning.pytorch.profilers.AdvancedProfiler": ("filename",),
        "lightning.pytorch.profilers.PyTorchProfiler": ("filename", "sort_by_key"),
        "lightning.pytorch.profilers.SimpleProfiler": ("filename",),
    },
}


@dataclass(frozen=True)
class Argument:
    """What the value of an argument is: objects of one kind, a mapping of named values, or else plain data.

    Args:
        shelf: kind of the objects.
        fields: names and kinds of the values of a mapping.
    """

    shelf: str | None = None
    fields: Mapping[str, "Argument"] | None = field(default=None, hash=False)


Found = Mapping[str, tuple[Path, ast.ClassDef]]


@dataclass(frozen=True)
class Offer:
    """A class that a config may name.

    Args:
        path: what a config writes.
        module: the module that defines the class.
        summary: first line of its docstring.
        kind: its shelf.
        node: its source.
    """

    path: str
    module: str
    summary: str
    kind: str
    node: ast.ClassDef = field(hash=False, repr=False)

    @cached_property
    def arguments(self) -> Mapping[str, Argument]:
        """What it is made with. Read when it is asked for: a training needs the arguments of few classes."""
        return _arguments(self.node, _found(SHELVES[self.kind]))

    def said(self, attribute: str) -> str:
        """The text that the class, or one before it, has as an attribute; empty if there is none."""
        return _said(self.node, attribute, _found(SHELVES[self.kind]))


@cache
def offers(kind: str) -> tuple[Offer, ...]:
    """Every concrete class of a kind, in the order of their paths.

    A class is one of the kind when its bases lead, by name, to one of the shelf. Modules named `base` and
    `chain` hold what the others share, so their classes count as ancestors and are not offered; nor is a class with
    an abstract method.
    """
    shelf = SHELVES[kind]
    folder, found = PACKAGE / shelf.folder, _found(shelf)
    packages = {PACKAGE / name: set(_imported_names(PACKAGE / name / "__init__.py")) for name in shelf.modules}
    exported = set(_imported_names(folder / "__init__.py"))
    packages[folder] = exported
    rows = []
    for name, (path, node) in found.items():
        shared = path.stem in ("base", "chain") or name.startswith("_") or _is_abstract(node)
        if shared or not _of_the_kind(name, shelf, found) or (shelf.exported_only and name not in exported):
            continue
        module = next((package for package, names in packages.items() if name in names), path.with_suffix(""))
        summary = (ast.get_docstring(node) or "").partition("\n")[0]
        rows.append(Offer(f"{_dotted(module)}.{name}", _dotted(path.with_suffix("")), summary, kind, node))
    return tuple(sorted(rows, key=lambda offer: offer.path))


@dataclass(frozen=True)
class Description:
    """What the class of an algorithm says of itself.

    Args:
        name: name of the class.
        title: its `title`, which a class that derives from it does not inherit; else its name.
        citation: where it is from; empty if it does not say.
        cost: its `cost = formula(key=value, ...)`, own or inherited: what is called, and with what; else None.
        defaults: its arguments and their defaults, where those are plain data.
    """

    name: str
    title: str
    citation: str
    cost: tuple[str, Mapping[str, Any]] | None
    defaults: Mapping[str, Any]


def describe(class_path: str) -> Description | None:
    """What an algorithm says of itself, of resbench or of a module that lies where Python looks for it.

    It is read off the source. None where there is no such class.

    Raises:
        BadValue: for a module that Python cannot read.
    """
    module, _, name = class_path.rpartition(".")
    if module.partition(".")[0] in ("", "resbench"):
        return _ours(name)
    known = {**_found(SHELVES["algorithms"]), **_classes_of(module)}
    return _described(known[name][1], known) if name in known else None


@cache
def _ours(name: str) -> Description | None:
    """What an algorithm of resbench says of itself; leaderboards ask once for each of many thousand cells."""
    known = _found(SHELVES["algorithms"])
    return _described(known[name][1], known) if name in known else None


def _classes_of(module: str) -> Found:
    """The classes of a module, by name; none if it is not found."""
    parts = module.split(".")
    if not all(map(str.isidentifier, parts)):  # a path such as /etc/x would lead anywhere
        return {}
    for folder in (Path.cwd(), *map(Path, sys.path)):
        for path in (folder.joinpath(*parts).with_suffix(".py"), folder.joinpath(*parts, "__init__.py")):
            try:
                if path.is_file():
                    return {node.name: (path, node) for node in _classes(path)}
            except OSError:  # the name is too long for a file, or the file may not be read
                continue
            except (SyntaxError, ValueError) as error:
                raise BadValue("class_path", module, f"is no Python that can be read: {error}") from None
    return {}


def _described(node: ast.ClassDef, known: Found) -> Description:
    # A class of one's own may have the name of ours that it derives from; and no chain of bases comes back to itself.
    ours = _found(SHELVES["algorithms"]).get(node.name)
    others = {name: found for name, found in known.items() if name != node.name}
    if ours is not None and ours[1] is not node:
        others[node.name] = ours
    before = [_described(others[base][1], others) for base in _base_names(node) if base in others]
    own = _assigned(node)
    defaults = {name: value for inherited in before for name, value in inherited.defaults.items()}
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            pairs = zip(reversed(item.args.args), reversed(item.args.defaults), strict=False)
            keywords = zip(item.args.kwonlyargs, item.args.kw_defaults, strict=True)
            inherited = _inherited(node, item, defaults)
            defaults = {name.arg: _plain(value) for name, value in (*pairs, *keywords) if _plain(value) is not ...}
            defaults = {**inherited, **defaults}
    cost = next((inherited.cost for inherited in before if inherited.cost), None)
    call = own.get("cost")
    if isinstance(call, ast.Call):
        given = {keyword.arg: _plain(keyword.value) for keyword in call.keywords if keyword.arg}
        cost = ast.unparse(call.func).rpartition(".")[2], given
    text = {name: value if isinstance(value := _plain(own.get(name)), str) else "" for name in ("title", "citation")}
    return Description(node.name, text["title"] or node.name, text["citation"], cost, defaults)


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr | None]:
    """What the attributes of a class are set to, by name."""
    own: dict[str, ast.expr | None] = {}
    for item in node.body:
        if isinstance(item, ast.Assign | ast.AnnAssign):
            for target in item.targets if isinstance(item, ast.Assign) else [item.target]:
                if isinstance(target, ast.Tuple) and isinstance(item.value, ast.Tuple):
                    own |= dict(zip(map(ast.unparse, target.elts), item.value.elts, strict=True))
                else:
                    own[ast.unparse(target)] = item.value
    return own


def _inherited(node: ast.ClassDef, init: ast.FunctionDef, before: Mapping[str, T]) -> dict[str, T]:
    """What an ``__init__(self, ..., **inherited)`` takes over of what the class before it has for its arguments."""
    if init.args.kwarg is None or init.args.kwarg.arg != "inherited":
        return {}
    settled = _plain(_assigned(node).get("settled"))
    return {name: held for name, held in before.items() if settled is ... or name not in settled}


def _plain(node: ast.expr | None) -> Any:
    """The value of plain data; an ellipsis for anything else."""
    try:
        return ... if node is None else ast.literal_eval(node)
    except ValueError:
        return ...


def class_names() -> list[str]:
    """Names without their modules of all classes that a config may name."""
    paths = [offer.path for kind in SHELVES for offer in offers(kind)] + [
        path for kind in OTHERS.values() for path in kind
    ]
    return [path.rpartition(".")[2] for path in paths]


def import_shelves() -> None:
    """Import the classes of resbench, so that the parser of configs finds them by their names without their modules."""
    for kind in SHELVES:
        for offer in offers(kind):
            importlib.import_module(offer.path.rpartition(".")[0])


def named(path: str) -> Any:
    """What a dotted path names; its module is imported.

    Raises:
        ImportError: where there is no such module.
        AttributeError: where it has no such name.
    """
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@cache
def _found(shelf: Shelf) -> Found:
    """All classes in the files of a shelf, by name."""
    paths = [path for name in (shelf.folder, *shelf.modules) for path in sorted((PACKAGE / name).glob("**/*.py"))]
    return {node.name: (path, node) for path in paths for node in _classes(path)}


@cache
def _settings() -> Mapping[str, Path]:
    """The files of :data:`SETTINGS`, by the classes that they define. Reading is fast, only parsing takes long."""
    paths = [path for room in SETTINGS for path in sorted((PACKAGE / room).glob("**/*.py"))]
    return {name: path for path in paths for name in re.findall(r"^class (\w+)", path.read_text("utf-8"), re.MULTILINE)}


def _of_the_kind(name: str, shelf: Shelf, found: Found) -> bool:
    if name in shelf.bases:
        return True
    return name in found and any(_of_the_kind(base, shelf, found) for base in _base_names(found[name][1]))


def _arguments(node: ast.ClassDef, found: Found) -> dict[str, Argument]:
    """What a class is made with: its `__init__`, else the fields of its dataclasses, else as the class before it."""
    before = [_arguments(found[base][1], found) for base in _base_names(node) if base in found]
    arguments = {name: argument for inherited in before for name, argument in inherited.items()}
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            named = [each for each in (*item.args.args, *item.args.kwonlyargs) if each.arg != "self"]
            own = {each.arg: _argument(each.annotation) for each in named}
            return {**_inherited(node, item, arguments), **own}
    for item in node.body if _is_dataclass(node) else ():
        if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation):
            name = ast.unparse(item.target)
            arguments[name] = _argument(item.annotation)
            if item.value is not None and "init=False" in ast.unparse(item.value):
                del arguments[name]
    return arguments


def _said(node: ast.ClassDef, attribute: str, found: Found) -> str:
    value = _assigned(node).get(attribute)
    if isinstance(value, ast.Attribute):  # that of another class
        return _said(found[ast.unparse(value.value)][1], value.attr, found)
    if value is not None:
        return str(ast.literal_eval(value))
    before = (_said(found[base][1], attribute, found) for base in _base_names(node) if base in found)
    return next(filter(None, before), "")


def _argument(annotation: ast.expr | None) -> Argument:
    names = _names(annotation) if annotation else set()
    for kind, shelf in SHELVES.items():
        if any(_of_the_kind(name, shelf, _found(shelf)) for name in names):
            return Argument(shelf=kind)
    for name in names & _settings().keys():
        found = {node.name: (path, node) for path in [_settings()[name]] for node in _classes(path)}
        if _is_dataclass(found[name][1]):
            return Argument(fields=_arguments(found[name][1], found))
    return Argument()


def _names(node: ast.expr) -> set[str]:
    """Last part of every name in an annotation: `Module` and `None` for `nn.Module | None`."""
    attributes = {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}
    return attributes | {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}


def _dotted(path: Path) -> str:
    return ".".join(["resbench", *path.relative_to(PACKAGE).parts])


@cache
def _classes(path: Path) -> tuple[ast.ClassDef, ...]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return tuple(node for node in body if isinstance(node, ast.ClassDef))


def _imported_names(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def _base_names(node: ast.ClassDef) -> list[str]:
    """Last part of each base: `Module` for `nn.Module`, `Algorithm` for `Algorithm[T]`."""
    return [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def _is_abstract(node: ast.ClassDef) -> bool:
    functions = (item for item in node.body if isinstance(item, ast.FunctionDef))
    return any("abstractmethod" in ast.unparse(decorator) for item in functions for decorator in item.decorator_list)

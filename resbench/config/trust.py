"""An explicit list of what a config of somebody else may contain. It is checked before anything is imported.

The config of a record is data, but running it runs the code of the classes that it names, with its arguments. So
everything in it has to be on the list: its keys, and the classes in :mod:`resbench.registry`. Classes of resbench may
have their own arguments, and those of torch and Lightning numbers and a few words. An object is a mapping with
``class_path`` and ``init_args`` at one of the places for objects. It must not be a string there, because the parser
would import the class that the string names, or read the file.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from resbench.records.portable import LEADS_OUT
from resbench.records.schema import Entry
from resbench.records.text import cut
from resbench.registry import OTHERS, SHELVES, Argument, offers


class Refusal(Entry):
    """Something in a config that is not on the list.

    Attributes:
        key: Its dotted key.
        text: What is wrong with it.
        class_path: The class that it names, where it would be enough to trust its module; else null.
        lacking: The class of resbench, or the key of one, that this version does not have; else null.
    """

    key: str
    text: str
    class_path: str | None = None
    lacking: str | None = None


#: Keys of a config with plain data, and keys of its sections with plain data.
PLAIN = (
    *("seed_everything", "threads", "ckpt_path", "weights_only", "arithmetic"),
    *("weights_sha256", "data_sha256", "lr_scheduler_interval"),
)
SECTIONS: Mapping[str, Sequence[str]] = {
    "experiment": ("name", "track", "root"),
    "checkpoint": ("every_n_epochs", "every_n_steps", "every_n_minutes"),
    "tile_state": ("every_n_epochs", "bins"),
}
#: Keys of ``experiment.tuning``.
TUNING = ("space", "digest", "keys", "point", "trial")
#: Keys with an object, and the kind of its class.
OBJECTS = {"model": "tasks", "data": "data", "optimizer": "optimizers", "lr_scheduler": "schedulers"}
#: Keys of the trainer with objects, those with numbers and single words, and those that have to be null because they
#: say where to write or what to load.
TRAINER_OBJECTS = {"callbacks": "callbacks", "logger": "loggers", "profiler": "profilers"}
TRAINER_PLAIN = (
    *("accelerator", "accumulate_grad_batches", "barebones", "benchmark", "check_val_every_n_epoch"),
    *("detect_anomaly", "deterministic", "devices", "enable_autolog_hparams", "enable_checkpointing"),
    *("enable_model_summary", "enable_progress_bar", "fast_dev_run", "gradient_clip_algorithm", "gradient_clip_val"),
    *("inference_mode", "limit_predict_batches", "limit_test_batches", "limit_train_batches", "limit_val_batches"),
    *("log_every_n_steps", "max_epochs", "max_steps", "max_time", "min_epochs", "min_steps", "num_nodes"),
    *("num_sanity_val_steps", "overfit_batches", "precision", "reload_dataloaders_every_n_epochs", "strategy"),
    *("sync_batchnorm", "use_distributed_sampler", "val_check_interval"),
)
TRAINER_NULL = ("default_root_dir", "model_registry", "plugins")

#: Values that may replace an object: Lightning's names for its profilers, and whether there is a logger.
NAMES = {"profilers": ("simple", "advanced", "pytorch"), "loggers": (True, False)}

#: Said of classes and arguments that this version does not have; the field is the version that made the config.
ANOTHER_VERSION = "which this version of resbench does not have; made by {0}: install that version"

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_WORD = re.compile(r"[\w:+-]*", re.ASCII)
#: Arguments that are folders or files of the data. In a config of somebody else they must be below the present folder.
_PATHS = ("root", "path")

Refusals = Iterator[Refusal]


def refusals(config: Mapping[str, Any], trusted: Sequence[str] = (), own_paths: bool = False) -> list[Refusal]:
    """Everything in a resolved config that is not on the list. If there is anything, the config must not be run.

    Args:
        config: The config, as plain data.
        trusted: Modules whose classes it may name, with any arguments.
        own_paths: Whether data may be anywhere on this machine; otherwise only below the present folder.
    """
    return list(_Check(tuple(trusted), own_paths).config(config))


def missing(refused: Iterable[Refusal]) -> list[str]:
    """The classes and keys of resbench that this version does not have, but the one that made the config."""
    return sorted({refusal.lacking for refusal in refused if refusal.lacking})


def why(refused: Sequence[Refusal], command: str, made_by: str) -> str:
    """Why a config is not run, in one line, and how to run it if trusting its modules would be enough.

    Args:
        refused: The entries that are not on the list, at least one.
        command: The command that takes ``--trust``.
        made_by: The version of resbench that made the config, in words.
    """
    if paths := missing(refused):
        return f"its config names {', '.join(paths)}, {ANOTHER_VERSION.format(made_by)}"
    if first := next((refusal for refusal in refused if refusal.class_path is None), None):
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        return f"its config is not run: {first.key}: {first.text}{more}"
    paths = sorted({refusal.class_path for refusal in refused if refusal.class_path})
    return f"its config names {', '.join(paths)}, whose code would run; if you trust it: {command} {options(refused)}"


def options(refused: Sequence[Refusal]) -> str:
    """``--trust MODULE`` for each package whose classes a config names."""
    paths = sorted({refusal.class_path for refusal in refused if refusal.class_path})
    return " ".join(f"--trust {module}" for module in dict.fromkeys(path.partition(".")[0] for path in paths))


def class_paths(value: Any) -> Iterator[str]:
    """Every ``class_path`` in plain data."""
    if isinstance(value, Mapping):
        if isinstance(path := value.get("class_path"), str):
            yield path
        for item in value.values():
            yield from class_paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from class_paths(item)


def is_trusted(path: str, modules: Sequence[str]) -> bool:
    """Whether a class is in one of some modules, or below one."""
    return any(path == module or path.startswith(f"{module}.") for module in modules)


def is_inside(text: str) -> bool:
    """Whether a file name, relative to a folder, stays below that folder on every system.

    It may have fields in braces, as names of checkpoints have. The answer holds for all values of the fields.
    """
    fixed = re.sub(r"\{[^{}]*\}", "", text)
    return not any(LEADS_OUT.search(form) for form in (text, fixed)) and not re.search("[{}]", fixed)


@cache
def _offered(kind: str) -> dict[str, Mapping[str, Argument]]:
    """Arguments of the classes of resbench of a kind, by both paths of a class: the exported one, and its module's."""
    shelf = offers(kind) if kind in SHELVES else ()
    return {
        path: offer.arguments
        for offer in shelf
        for path in (offer.path, f"{offer.module}.{offer.path.rpartition('.')[2]}")
    }


class _Check:
    def __init__(self, trusted: tuple[str, ...], own_paths: bool) -> None:
        self.trusted, self.own_paths = trusted, own_paths

    def config(self, config: Mapping[str, Any]) -> Refusals:
        for key, value in config.items():
            if key in OBJECTS:
                yield from self.objects(key, value, OBJECTS[key])
            elif key in SECTIONS:
                checks: dict[str, Callable[[str, Any], Refusals]] = dict.fromkeys(SECTIONS[key], self.plain)
                if key == "experiment":
                    checks["tuning"] = self.tuning
                yield from self.mapping(key, value, checks)
            elif key == "trainer":
                checks = {name: self.word for name in TRAINER_PLAIN} | {name: self.null for name in TRAINER_NULL}
                objects = {name: self.one_or_more(kind) for name, kind in TRAINER_OBJECTS.items()}
                yield from self.mapping(key, value, {**checks, **objects}, ours=False)
            elif key == "code_sha256":
                modules = value if isinstance(value, Mapping) else ()
                yield from self.mapping(key, value, dict.fromkeys(modules, self.plain))
            elif key in PLAIN or (key == "weights" and self.own_paths):
                yield from self.plain(key, value)
            elif key == "weights":
                yield from self.path(key, value, "--weights")
            else:
                yield Refusal(key=key, text="there is no such key")

    def mapping(
        self, key: str, value: Any, checks: Mapping[str, Callable[[str, Any], Refusals]], ours: bool = True
    ) -> Refusals:
        """Null, or a mapping of known names to what each of them allows.

        Args:
            key: Its dotted key.
            value: What the config has there.
            checks: What each name allows.
            ours: Whether the names are those of resbench, so that another version may have others.
        """
        if value is None:
            return
        if not isinstance(value, Mapping):
            yield Refusal(key=key, text=f"{_shown(value)} is no mapping of keys to values")
            return
        for name, item in value.items():
            place = f"{key}.{name}"
            if name in checks:
                yield from checks[name](place, item)
            else:
                yield Refusal(key=place, text="there is no such key", lacking=place if ours else None)

    def tuning(self, key: str, value: Any) -> Refusals:
        yield from self.mapping(key, value, dict.fromkeys(TUNING, self.plain))

    def one_or_more(self, kind: str) -> Callable[[str, Any], Refusals]:
        return lambda key, value: self.objects(key, value, kind)

    def objects(self, key: str, value: Any, kind: str) -> Refusals:
        """Null, an object of a kind, or a list of such."""
        if value is None or value in NAMES.get(kind, ()):
            return
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.objects(f"{key}.{index}", item, kind)
            return
        path = value.get("class_path") if isinstance(value, Mapping) else None
        if not isinstance(path, str) or not _CLASS_PATH.fullmatch(path):
            yield Refusal(key=key, text=f"{_shown(value)} is no object with its class_path and init_args")
            return
        arguments = value.get("init_args")
        if odd := [name for name in value if name not in ("class_path", "init_args")]:
            yield Refusal(key=f"{key}.{odd[0]}", text="there is no such key")
        elif arguments is not None and not isinstance(arguments, Mapping):
            yield Refusal(key=f"{key}.init_args", text=f"{_shown(arguments)} is no mapping of names to values")
        else:
            yield from self._of_class(f"{key}.init_args", path, arguments or {}, kind)

    def _of_class(self, key: str, path: str, arguments: Mapping[str, Any], kind: str) -> Refusals:
        if is_trusted(path, self.trusted):
            for name, value in arguments.items():
                yield from self.anything(f"{key}.{name}", value)
        elif path in _offered(kind):
            yield from self.mapping(key, arguments, self._checks(_offered(kind)[path]))
        elif path in OTHERS.get(kind, {}):
            words = OTHERS[kind][path]
            for name, value in arguments.items():
                check = self.words if name in words else self.number
                yield from check(f"{key}.{name}", value)
        else:
            key = key.removesuffix(".init_args")
            lacking = path if path.startswith("resbench.") else None
            text = f"{path} is none of the {kind} that resbench offers"
            yield Refusal(key=key, text=text, class_path=path, lacking=lacking)
            for name, value in arguments.items():  # so that all foreign classes are named at once
                yield from self.anything(f"{key}.init_args.{name}", value)

    def _checks(self, arguments: Mapping[str, Argument]) -> dict[str, Callable[[str, Any], Refusals]]:
        checks: dict[str, Callable[[str, Any], Refusals]] = {}
        for name, argument in arguments.items():
            if argument.shelf is not None:
                checks[name] = self.one_or_more(argument.shelf)
            elif argument.fields is not None:
                fields = self._checks(argument.fields)
                checks[name] = lambda key, value, fields=fields: self.mapping(key, value, fields)  # type: ignore[misc]
            else:
                checks[name] = self.path if name in _PATHS and not self.own_paths else self.plain
        return checks

    def anything(self, key: str, value: Any) -> Refusals:
        """Arguments of a trusted class: plain data, and objects of any kind."""
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.anything(f"{key}.{index}", item)
        elif isinstance(value, Mapping) and "class_path" in value:
            path = str(value["class_path"])
            kinds = [kind for kind in (*SHELVES, *OTHERS) if path in _offered(kind) or path in OTHERS.get(kind, {})]
            yield from self.objects(key, value, kinds[0] if kinds else "classes")
        elif isinstance(value, Mapping):
            for name, item in value.items():
                yield from self.anything(f"{key}.{name}", item)

    def plain(self, key: str, value: Any) -> Refusals:
        """Null, a number, a string, or a list of them."""
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, list):
                yield from self.plain(key, item)
            elif isinstance(item, Mapping):
                yield Refusal(key=key, text=f"{_shown(item)} is a mapping in place of a value")

    def number(self, key: str, value: Any) -> Refusals:
        """Null, a number, or a list of them. Infinity and NaN are strings in a record."""
        for item in value if isinstance(value, list) else [value]:
            if not (item is None or isinstance(item, bool | int | float) or item in ("inf", "-inf", "nan")):
                yield Refusal(key=key, text=f"{_shown(item)} is no number")

    def word(self, key: str, value: Any) -> Refusals:
        """Plain data that the parser cannot mistake for the name of a class or of a file."""
        yield from self.plain(key, value)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and not _WORD.fullmatch(item):
                yield Refusal(key=key, text=f"{_shown(item)} is no single word")

    def words(self, key: str, value: Any) -> Refusals:
        """Plain data or a mapping of it, whose strings do not name a file outside of the folder of the run."""
        if isinstance(value, Mapping) and "class_path" not in value:
            for name, item in value.items():
                yield from self.words(f"{key}.{name}", item)
            return
        yield from self.plain(key, value)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and not is_inside(item):
                yield Refusal(key=key, text=f"{_shown(item)} leads out of the folder of the run")

    def path(self, key: str, value: Any, flag: str = "--data-root") -> Refusals:
        """A folder or file, below the present folder."""
        yield from self.plain(key, value)
        if isinstance(value, str) and not is_inside(value):
            yield Refusal(key=key, text=f"{_shown(value)} leads out of the present folder; name it by {flag}")

    def null(self, key: str, value: Any) -> Refusals:
        if value not in (None, []):
            yield Refusal(key=key, text=f"{_shown(value)} has to be null")


def _shown(value: Any) -> str:
    return cut(ascii(value), 60)

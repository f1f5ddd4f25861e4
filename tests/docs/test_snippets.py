"""Every example on every page runs, or is at least read by what would run it.

Python runs. YAML is resolved as the config, sweep or search space that it is. Of commands, the quick ones run, and the
others are read by their own parser: their flags exist, their files are there, their configs resolve. A block with a
title (```python title="mine.py") is written to that file first. ``notest`` after the language leaves a block out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbclient
import nbformat
import pytest
import torch
import yaml

from resbench.cli import COMMANDS, main
from resbench.sweep.plan import read_plan
from resbench.sweep.tuning import read_tuning
from resbench.training.cli import RunCLI
from resbench.tuning.space import read_space

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in (
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/**/*.md"),
        REPOSITORY / "benchmarks/README.md",
        REPOSITORY / "leaderboards/README.md",
    )
)
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: Words of a command in capitals stand for a name that the reader has.
PLACEHOLDER = re.compile(r"\b(FILE|RUN|NAME|HASH|FOLDER|DIR|TEAM|SWEEP_ID|ID|VERSION)\b")
#: Commands of resbench that take at most a few seconds and write nothing outside of the folder.
QUICK = ("list", "cost", "device")
#: Programs that pages may name, beside those that are checked.
KNOWN = ("cd", "docker", "git", "pip", "ray", "tensorboard", "twine", "wandb")


class Block(NamedTuple):
    """One fenced block of a page."""

    page: str
    language: str
    title: str | None
    text: str


def blocks_of(page: str) -> list[Block]:
    found = BLOCK.findall((REPOSITORY / page).read_text(encoding="utf-8"))
    titles = {options: re.search(r'title="([^"]+)"', options) for _, options, _ in found}
    return [
        Block(page, language, title[1] if (title := titles[options]) else None, text)
        for language, options, text in found
        if "notest" not in options
    ]


#: tests/test_add_an_algorithm.py follows one page word for word.
BLOCKS = {page: blocks for page in PAGES if page != "docs/add-an-algorithm.md" and (blocks := blocks_of(page))}


def pages_with(*languages: str) -> list[str]:
    return [page for page, blocks in BLOCKS.items() if any(block.language in languages for block in blocks)]


@pytest.fixture(autouse=True)
def leave_torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a checkout, with two runs of one config, weights and measurements."""
    for name in ("configs", "examples", "leaderboards", "tests", "benchmarks", "Makefile"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    record = min(REPOSITORY.glob("leaderboards/records/digits-mlp/*.json"))
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        shutil.copy(record, tmp_path / "runs" / name / "record.json")
    shutil.copy(min(REPOSITORY.glob("configs/**/*.safetensors")), tmp_path / "digits.safetensors")
    shutil.copy(REPOSITORY / "tests/fitting/data/crosssim_ramps.csv", tmp_path / "data.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # commands add this folder
    return tmp_path


def test_every_block_says_its_language_unless_it_is_an_output() -> None:
    blocks = [block for blocks in BLOCKS.values() for block in blocks]
    assert {block.language for block in blocks} <= {"", "bash", "python", "text", "yaml"}
    assert not any(block.text.startswith(("resbench ", "make ", "python ")) for block in blocks if not block.language)


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs_from_the_first_block_of_a_page_to_the_last(page: str, folder: Path) -> None:
    code = "\n".join(block.text for block in BLOCKS[page] if block.language == "python" and not block.title)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for accuracy in re.findall(r"test accuracy (\S+)", done.stdout):
        assert float(accuracy) > 0.8


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_yaml_is_what_it_looks_like(page: str, folder: Path) -> None:
    for block in BLOCKS[page]:
        if block.language == "yaml" and not block.title:
            (folder / "snippet.yaml").write_text(block.text, encoding="utf-8")
            resolve(Path("snippet.yaml"), block)


def resolve(path: Path, block: Block) -> None:
    """Read a file of YAML as what its keys say that it is."""
    keys = yaml.safe_load(block.text).keys()
    if "runs" in keys:
        (read_tuning if any("spaces" in run for run in yaml.safe_load(block.text)["runs"]) else read_plan)(path)
    elif "keys" in keys:
        read_space(path)
    else:
        RunCLI(["--config", "digits_4bit_residual.yaml", "--config", str(path)], "resbench fit", build=False)


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each line of a block; a line that ends with a backslash goes on in the next."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


@pytest.mark.parametrize("page", pages_with("bash"))
def test_commands_are_read(page: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in BLOCKS[page]:
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
    own = [block.title.removesuffix(".py") for block in BLOCKS[page] if block.title and block.title.endswith(".py")]
    for name in own:
        sys.modules.pop(name, None)  # other tests have modules of these names
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for block in BLOCKS[page]:
        for program, *arguments in commands_of(block.text) if block.language == "bash" else ():
            program = program.removeprefix(".venv/bin/")
            if program == "resbench":
                read_by_resbench(arguments, bool(own))
            elif program == "make":
                assert arguments[0] in targets
            elif program in ("python", "python3", "pytest"):
                read_by_python(program, arguments)
            else:
                assert program in KNOWN, program
    for name in own:
        sys.modules.pop(name, None)


def read_by_resbench(arguments: list[str], is_own: bool) -> None:
    """Run a command of resbench if it is quick, else have its parser read it."""
    name = arguments[0]
    if name == "--help":
        return
    if is_own and name == "fit":
        assert main([*arguments, "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]) == 0
        return
    has_placeholder = any(PLACEHOLDER.search(word) for word in arguments)
    if name in QUICK and not has_placeholder and "--record" not in arguments:
        assert main(arguments) == 0
        return
    module = importlib.import_module(COMMANDS[name][0])
    if name in ("fit", "validate", "test", "predict"):
        if not has_placeholder:
            RunCLI(arguments[1:], f"resbench {name}", build=False)
        return
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    module.add_arguments(parser)
    parser.parse_args(arguments[1:])
    for word in arguments[1:]:
        if word.startswith(("configs/", "examples/")) and not has_placeholder:
            assert (REPOSITORY / word).exists(), word


def read_by_python(program: str, arguments: list[str]) -> None:
    """What Python is asked to run is there."""
    if arguments[:1] == ["-m"]:
        if arguments[1] != "venv":
            assert importlib.util.find_spec(arguments[1]), arguments
        arguments = arguments[2:] if arguments[1] == "pytest" else []
    elif program != "pytest":
        arguments = arguments[:1]
    for word in arguments:
        if not word.startswith("-") and not PLACEHOLDER.search(word):
            assert (REPOSITORY / word.partition("::")[0]).exists(), word


def test_titled_files_are_in_no_folder() -> None:
    for blocks in BLOCKS.values():
        for block in blocks:
            assert block.title is None or Path(block.title).name == block.title


NOTEBOOKS = sorted(REPOSITORY.glob("docs/notebooks/*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_is_kept_without_outputs(path: Path, tmp_path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if "outputs" in cell)
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_links_between_pages_lead_somewhere() -> None:
    """On GitHub too: MkDocs checks the site."""
    for page in PAGES:
        for address in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", (REPOSITORY / page).read_text("utf-8")):
            assert (REPOSITORY / page).parent.joinpath(address).exists(), f"{page}: {address}"

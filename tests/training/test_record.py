"""What a record says of the checkout that ran."""

import subprocess
from pathlib import Path

import pytest

from resbench.training.record import git_state


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *author, *arguments], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "a.py").write_text("a = 1\n")
    git("add", "a.py")
    git("commit", "-qm", "first")
    return tmp_path


def test_a_checkout_has_a_commit_and_is_dirty_where_files_differ(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clean = git_state(checkout)
    assert clean is not None
    assert (len(clean.commit), clean.dirty) == (40, False)
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))  # as a hook of another repository sets it
    assert git_state(checkout) == clean
    (checkout / "new.py").touch()
    subprocess.run(
        ["git", "-C", str(checkout), "config", "status.showUntrackedFiles", "no"],
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    changed = git_state(checkout)
    assert changed is not None
    assert (changed.commit, changed.dirty) == (clean.commit, True)


def test_without_git_a_checkout_is_unknown_and_never_clean(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    state = git_state(checkout)
    assert state is not None
    assert (state.commit, state.dirty) == ("unknown", True)


def test_a_checkout_that_git_refuses_is_unknown(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    state = git_state(tmp_path)
    assert state is not None
    assert (state.commit, state.dirty) == ("unknown", True)


def test_an_installed_package_has_no_checkout(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None

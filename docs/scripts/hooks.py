"""A hook of MkDocs: links to files of the repository outside of docs/, and references in docstrings.

Markdown files that pages link to become pages of the site, other files are copied, and links are rewritten. Roles of
Sphinx in docstrings (:class:`~a.b.C`) become links to the class.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
#: A link or image of Markdown with a relative address: its text, the file that it names, and an anchor.
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
#: A role of Sphinx in a docstring, as Markdown leaves it.
ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):<code>~?([\w.]+)</code>")
#: Files outside of docs/ that are in the navigation.
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages link to."""
    wanted = [REPOSITORY / name for name in PAGES]
    seen: set[Path] = set()
    sources = [Path(str(file.abs_src_path)) for file in files.documentation_pages()]
    while sources or wanted:
        for path in wanted:
            if path not in seen:
                seen.add(path)
                files.append(File.generated(config, _address(path), abs_src_path=str(path)))
                if path.suffix == ".md":
                    sources.append(path)
        wanted = [target for source in sources for target in _outside(source, Path(config.docs_dir))]
        sources = []
        wanted = [path for path in dict.fromkeys(wanted) if path not in seen]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links between docs/ and the rest of the repository."""
    source, docs = Path(str(page.file.abs_src_path)), Path(config.docs_dir)

    def rewrite(match: re.Match[str]) -> str:
        target = (source.parent / match[2]).resolve()
        text, _, anchor = match.groups()
        if target.is_dir():  # GitHub lists it; the site has no page for it
            return str(text)
        if not target.is_file() or (docs in target.parents and docs in source.parents):
            return match[0]
        place = target.relative_to(docs).as_posix() if docs in target.parents else _address(target)
        up = "../" * page.file.src_uri.count("/")
        return f"[{text}]({up}{place}{anchor or ''})"

    return LINK.sub(rewrite, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links of the roles in docstrings. What has no place on the site stays plain."""

    def link(match: re.Match[str]) -> str:
        code = f"<code>{match[1].rpartition('.')[2]}</code>"
        return f'<autoref optional identifier="{match[1]}">{code}</autoref>' if "." in match[1] else code

    return ROLE.sub(link, html)


def _outside(source: Path, docs: Path) -> list[Path]:
    """Files of the repository, but not of docs/, that a page links to."""
    links = LINK.finditer(source.read_text(encoding="utf-8"))
    targets = [(source.parent / link[2]).resolve() for link in links]
    return [path for path in targets if path.is_file() and docs not in path.parents and REPOSITORY in path.parents]


def _address(path: Path) -> str:
    """Where a file from outside of docs/ is on the site."""
    return f"repository/{path.relative_to(REPOSITORY).as_posix()}"

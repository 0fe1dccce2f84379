"""What mkdocs.yml adds to mkdocs: pages written elsewhere in the repository, and links to its files, which must exist.

`<!-- include: PATH -->` stands for the text of that file, as a block of code if it isn't Markdown. A link that leads out of docs/
leads to the repository's own site.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

_INCLUDE = re.compile(r"^<!-- include: (\S+) -->$", re.MULTILINE)
_FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?!https?://|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Called by mkdocs for each page. Raises PluginError for a link or an include that leads nowhere."""
    root, own = Path(config.config_file_path).parent, posixpath.join("docs", page.file.src_uri)
    text = relinked(markdown, of=own, page=own, root=root, site=config.repo_url)

    def included(match: re.Match[str]) -> str:
        path = root / match[1]
        if not path.is_file():
            raise PluginError(f"{own}: there is no {match[1]} to include")
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".md":
            return f"```{path.suffix.removeprefix('.')}\n{text}```\n"
        body = re.sub(r"\A# .*\n", "", text)
        return relinked(body, of=match[1], page=own, root=root, site=config.repo_url)

    return _INCLUDE.sub(included, text)


def on_post_page(output: str, **_: Any) -> str:
    """Called by mkdocs for each page that is made."""
    return _without_stars(output)


def on_post_template(output_content: str, **_: Any) -> str:
    """Called by mkdocs for other files, of which one is a page, too."""
    return _without_stars(output_content)


def _without_stars(page: str) -> str:
    """The link to the repository is a link, for which nothing is asked at api.github.com."""
    return page.replace(' data-md-component="source"', "")


def relinked(text: str, *, of: str, page: str, root: Path, site: str) -> str:
    """The Markdown of the file `of`, for the page `page`: links to pages and pictures lead there, others to the code's site."""

    def link(match: re.Match[str]) -> str:
        target, anchor = posixpath.normpath(posixpath.join(posixpath.dirname(of), match[1])), match[2] or ""
        if not (root / target).exists():
            raise PluginError(f"{of}: the link {match[1]!r} leads nowhere")
        if target.startswith("docs/") and target.endswith((".md", ".svg")):
            return os.path.relpath(target, posixpath.dirname(page)) + anchor
        return f"{site}/{'tree' if (root / target).is_dir() else 'blob'}/main/{target}{anchor}"

    parts, position = [], 0
    for block in _FENCED.finditer(text):
        parts += [_LINK.sub(link, text[position : block.start()]), block[0]]
        position = block.end()
    return "".join([*parts, _LINK.sub(link, text[position:])])

from __future__ import annotations

import subprocess

import pytest

from builder.commands import COMMANDS
from builder.completion import script

TABLES = {name: command.tables for name, command in COMMANDS.items()}


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("masu buil", "build"),
        ("masu p", "pull push prune"),
        ("masu build --dest", "--destination"),
        ("masu build --cache-r", "--cache-repo --cache-run-layers"),
        ("masu prune --dest", ""),
        ("masu build some", ""),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_words_are_completed_without_builtins_that_zsh_lacks(shell: str, words: str, completed: str) -> None:
    """zsh itself is seldom where tests are run; its own first lines are left out."""
    text = "".join(line for line in script(shell, TABLES).splitlines(keepends=True) if "compinit" not in line)
    last = len(words.split()) - 1
    asks = f"enable -n mapfile readarray\n{text}\nCOMP_WORDS=({words}) COMP_CWORD={last}\n_masu && echo ${{COMPREPLY[*]}}\n"
    done = subprocess.run(["bash", "--norc"], input=asks, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (completed, "")

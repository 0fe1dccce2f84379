from __future__ import annotations

import pytest

from builder.context.gitoptions import GitOptions
from builder.errors import UsageError


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        ([], GitOptions()),
        (["branch=v1"], GitOptions(branch="v1")),
        (["branch=a", "branch=b=c"], GitOptions(branch="b=c")),
        (["single-branch=true"], GitOptions()),
        (["recurse-submodules=false"], GitOptions(submodules=False)),
        (["recurse-submodules=true", "insecure-skip-tls=1"], GitOptions(submodules=True, insecure=True)),
        (["depth=0"], GitOptions(depth=0)),
        (["depth=50"], GitOptions(depth=50)),
    ],
)
def test_what_git_options_mean(texts: list[str], options: GitOptions) -> None:
    assert GitOptions.parse(texts) == options


@pytest.mark.parametrize(
    "text", ["", "branch", "depth=", "depth=-1", "depth=x", "depth=99999999999999", "single-branch=maybe", "a=b"]
)
def test_what_means_nothing_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="invalid --git"):
        GitOptions.parse([text])

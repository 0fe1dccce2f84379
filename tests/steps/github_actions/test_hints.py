from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from builder.context import Means
from builder.context.gitoptions import GitOptions
from builder.contexts import Contexts
from builder.errors import BuilderError
from builder.inputs import open_inputs
from builder.journal import Failure
from builder.options import BuildOptions
from builder.registry.failure import Asked, failure
from steps.github_actions.hints import in_githubs_words


def hint_of(error: BuilderError) -> str:
    return in_githubs_words(Failure.of(error)).hint


def refused(host: str, *, push: bool, username: str | None = None) -> BuilderError:
    return failure("GET", f"https://{host}/v2/a/b", 401, b"", Asked(host=host, path="a/b", push=push, username=username))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (refused("a.test", push=True), "were found: log in there, for instance with docker/login-action"),
        (refused("docker.io", push=True), "log in (docker/login-action in a step before this one, or"),
        (refused("a.test", push=True, username="u"), "the registry refused the credentials of user 'u'"),
        (refused("ghcr.io", push=True), "`permissions: packages: write`"),
        (refused("ghcr.io", push=False), "`permissions: packages: read`"),
        (BuilderError("disk full, no space left on device", hint="--state-dir"), "a larger runner"),
    ],
)
def test_what_to_do_is_something_for_a_workflow(error: BuilderError, says: str) -> None:
    assert says in hint_of(error)
    assert "masu login" not in hint_of(error)


@pytest.mark.parametrize(("context", "name"), [("", "file"), ("nowhere", "context")])
def test_a_workspace_without_a_checkout_is_told(context: str, name: str, tmp_path: Path) -> None:
    means = Means(env={}, user_agent="", stdin=BytesIO(), secret=lambda name: None, git=GitOptions.parse(()))
    contexts = Contexts(directory=tmp_path / "c", means=means, named={})
    with pytest.raises(BuilderError) as caught:
        open_inputs(BuildOptions(context=str(tmp_path / context)), contexts, stdin=BytesIO())
    assert "actions/checkout" in hint_of(caught.value)
    assert f"the input {name} " in hint_of(caught.value)

"""GitLab's registry and dependency proxy, each behind a token server that knows GitLab's users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import make_identity
from tests.support.masu import Masu, add_base, write_context
from tests.support.registry import RunningRegistry, serve_registry
from tests.support.same import Remote
from tests.support.tokens import TokenServer, serve_tokens

USERS = {"gitlab-ci-token": "the-job-token", "proxy-user": "the-proxy-token"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLab:
    """`registry` and `proxy` want GitLab's tokens, `open_registry` is what `registry` holds, for everybody."""

    registry: RunningRegistry
    proxy: RunningRegistry
    open_registry: RunningRegistry
    tokens: TokenServer

    def variables(self, name: str) -> dict[str, str]:
        """Of a job of the project `name`."""
        return {
            "CI_REGISTRY": self.registry.host, "CI_REGISTRY_IMAGE": f"{self.registry.host}/group/{name}",
            "CI_REGISTRY_USER": "gitlab-ci-token", "CI_REGISTRY_PASSWORD": "the-job-token",
            "CI_DEPENDENCY_PROXY_SERVER": self.proxy.host, "CI_DEPENDENCY_PROXY_USER": "proxy-user",
            "CI_DEPENDENCY_PROXY_PASSWORD": "the-proxy-token",
            "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX": f"{self.proxy.host}/group/dependency_proxy/containers",
            "CI_PROJECT_URL": f"https://gitlab.test/group/{name}",
        }  # fmt: skip

    def pushed(self, name: str, tag: str = "1") -> Remote:
        return Remote(host=self.open_registry.host, repository=f"group/{name}", tag=tag)


def rights(user: str, path: str) -> set[str]:
    """GitLab gives the job its own group, and the proxy for reading."""
    if "dependency_proxy" in path:
        return {"pull"} if user == "proxy-user" else {"pull", "push"} if user == "setup" else set()
    return {"pull", "push"} if user == "gitlab-ci-token" and path.startswith("group/") else set()


@contextmanager
def open_gitlab(directory: Path) -> Iterator[GitLab]:
    """The proxy has the image `busybox:1`."""
    for name in ("registry", "proxy", "open"):
        (directory / name).mkdir()
    (directory / "registry/data").mkdir()
    (directory / "open/data").symlink_to(directory / "registry/data")
    server = TokenServer(identity=make_identity(directory), users={**USERS, "setup": "setup"}, rights=rights)
    with (
        serve_tokens(server) as tokens,
        serve_registry(directory / "registry", auth=tokens.auth) as registry,
        serve_registry(directory / "proxy", auth=tokens.auth) as proxy,
        serve_registry(directory / "open") as open_registry,
    ):
        login = proxy.host.replace(".", "_").replace(":", "_")
        masu = Masu(state=directory / "state", env={f"KANIKO_{login}_USER": "setup", f"KANIKO_{login}_PASSWORD": "setup"})
        add_base(masu, directory / "base")
        context = write_context(directory / "push", "FROM base\n")
        done = masu("build", "-d", f"{proxy.host}/group/dependency_proxy/containers/busybox:1", context)
        assert done.returncode == 0, done.stderr
        yield GitLab(registry=registry, proxy=proxy, open_registry=open_registry, tokens=tokens)

"""The variables that GitLab sets in each job, for its registry, its dependency proxy and a Harbor, each at the host it names.

docs.gitlab.com/ci/variables/predefined_variables, docs.gitlab.com/user/project/integrations/harbor. A deploy token named
gitlab-deploy-token comes as CI_DEPLOY_USER.
"""

from __future__ import annotations

from collections.abc import Mapping

from builder.credentials.credential import Credential
from builder.credentials.hosts import normal
from builder.image.reference import Repository

# (host, user, password), the first that is complete and names the host wins.
_VARIABLES = (
    ("CI_REGISTRY", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"),
    ("CI_REGISTRY", "CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD"),
    ("CI_DEPENDENCY_PROXY_SERVER", "CI_DEPENDENCY_PROXY_USER", "CI_DEPENDENCY_PROXY_PASSWORD"),
    ("HARBOR_HOST", "HARBOR_USERNAME", "HARBOR_PASSWORD"),
)


class GitLab:
    """What `env` says."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {name: env[name] for row in _VARIABLES for name in row if env.get(name)}

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        for host, user, password in _VARIABLES:
            if all(name in self._env for name in (host, user, password)) and self._names(host, repository):
                return Credential(username=self._env[user], password=self._env[password])
        return None

    def _names(self, variable: str, repository: Repository) -> bool:
        return normal(self._env[variable]) == normal(repository.host)

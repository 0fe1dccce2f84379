"""What a registry is shown to know its user."""

from __future__ import annotations

from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user name with a password, or an identity token (OAuth refresh token), or a registry token (sent as it is)."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        kinds = {"password": self.password, "identity_token": self.identity_token, "registry_token": self.registry_token}
        shown = [f"username={self.username!r}", *(f"{name}=<secret>" for name, value in kinds.items() if value)]
        return f"Credential({', '.join(shown)})"

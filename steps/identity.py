"""How the clouds' libraries are told that a job's OIDC token is its identity: no key is stored anywhere."""

from __future__ import annotations

from typing import Any

from builder.errors import UsageError

_AUDIENCE = "//iam.googleapis.com/"
_STS = "https://sts.googleapis.com/v1/token"
_IMPERSONATION = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken"


def google_account(
    provider: str, *, service_account: str = "", token_file: str, sts: str = _STS, impersonation: str = _IMPERSONATION
) -> dict[str, Any]:
    """What the file says that GOOGLE_APPLICATION_CREDENTIALS names (google.aip.dev/auth/4117).

    `provider` is `projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME`, `service_account` the e-mail of
    whom to act as, if the pool itself has no rights. Raises UsageError.
    """
    name = provider.removeprefix("https:").removeprefix(_AUDIENCE)
    if not (name.startswith("projects/") and "/workloadIdentityPools/" in name and "/providers/" in name):
        hint = "write projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME"
        raise UsageError(f"{provider!r} is no workload identity provider", hint=hint)
    document = {
        "type": "external_account",
        "audience": _AUDIENCE + name,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": sts,
        "credential_source": {"file": token_file},
    }
    if service_account:
        document["service_account_impersonation_url"] = impersonation.format(service_account)
    return document


def aws_role(role: str, *, session: str, token_file: str) -> dict[str, str]:
    """The variables that botocore reads; `session` names the job in AWS' own log. Raises UsageError."""
    if not role.startswith("arn:"):
        raise UsageError(f"{role!r} is no role", hint="write its ARN: arn:aws:iam::ACCOUNT:role/NAME")
    return {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": token_file, "AWS_ROLE_SESSION_NAME": session[:64]}

"""The ways in which CI platforms run a container, as options of `docker run`, and which sandbox masu must choose in each."""

from __future__ import annotations

from dataclasses import dataclass

_CRIO = ("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "KILL")
"""What CRI-O gives (cri-o's default_capabilities): no SYS_CHROOT, no MKNOD, no SETFCAP."""
_NONE = ("--cap-drop=ALL", "--security-opt=no-new-privileges")
_UNCONFINED = "--security-opt=seccomp=unconfined"
_USER = ("--user=1000:1000", *_NONE)
_RANDOM = ("--user=1234560000:0", *_NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`options` are docker run's. `read_only`: so is the root file system, and masu gets a volume for its state."""

    name: str
    sandbox: str
    options: tuple[str, ...] = ()
    read_only: bool = False


# --privileged needs CAP_SYS_RESOURCE, which not every machine has: everything else that it gives.
PRIVILEGED = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm",
)
PROFILES = (
    Profile(name="root", sandbox="takeover"),
    Profile(name="cri-o", sandbox="takeover", options=("--cap-drop=ALL", *(f"--cap-add={name}" for name in _CRIO))),
    Profile(name="chroot", sandbox="chroot", options=("--env=MASU_SANDBOX=chroot",)),
    Profile(name="user", sandbox="traced", options=_USER),
    Profile(name="random-user", sandbox="traced", options=_RANDOM),
    Profile(name="read-only-user", sandbox="traced", options=_USER, read_only=True),
    Profile(name="read-only-random-user", sandbox="traced", options=_RANDOM, read_only=True),
    Profile(name="privileged", sandbox="namespaces", options=PRIVILEGED),
    # Kubernetes' own default: seccomp isn't on unless the pod or the node says so.
    Profile(name="unconfined", sandbox="takeover", options=(_UNCONFINED,)),
    Profile(name="unconfined-user", sandbox="traced", options=(*_USER, _UNCONFINED)),
)

"""Carrying out an Exec: who the user is, what the command sees besides its Rootfs, and how it is run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from builder.errors import BuilderError
from builder.mounting import Mounted
from builder.ops import PIPES, Exec, Network
from builder.provisions import Provisions
from builder.rootfs import Rootfs
from builder.sandbox import HOSTNAME, Bind, Outcome, Output, Process, Sandbox, View

_RESOLV_CONF, _HOSTS = "/etc/resolv.conf", "/etc/hosts"
_HOSTS_TEXT = "127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def provided(sandbox: Sandbox) -> Mapping[str, bool]:
    """The paths that a command finds but a layer doesn't get → whether each is a directory."""
    return {point.path: point.directory for point in sandbox.mountpoints} | {_RESOLV_CONF: False, _HOSTS: False}


def run(
    op: Exec,
    rootfs: Rootfs,
    mounted: Mounted,
    *,
    sandbox: Sandbox,
    provisions: Provisions,
    places: Mapping[str, str],
    directory: Path,
    output: Output,
    stdin: int | None = None,
) -> Outcome:
    """Run the command. `places` says where the `provided` paths are; `directory` is for small files.

    It reads from the descriptor `stdin`; there is nothing to read if that is None.
    """
    if op.insecure and not provisions.insecure:
        raise BuilderError("security.insecure is not allowed", hint="give --allow security.insecure to masu")
    user = rootfs.user(op.user)
    # The group is a supplementary one too, so that a set-group-id program can't drop it (CVE-2023-25173); so in BuildKit.
    groups = tuple(dict.fromkeys((user.gid, *user.groups)))
    env = {**dict(op.env), **mounted.env}
    env.setdefault("HOME", user.home)
    process = Process(
        argv=op.argv,
        env=env,
        cwd=op.cwd,
        uid=user.uid,
        gid=user.gid,
        groups=groups,
        isolate_network=Network.NONE is (provisions.network if op.network is Network.DEFAULT else op.network),
        insecure=op.insecure,
        shm_size=provisions.shm_size,
        limits=tuple((limit.resource, limit.soft, limit.hard) for limit in provisions.limits),
        hostname=provisions.hostname or HOSTNAME,
        stdin=stdin,
    )
    mounts = (*_network_files(provisions, directory), *_script(op, directory), *mounted.mounts)
    view = View(root=rootfs.path, places=places, mounts=mounts, concealed=provisions.concealed, beliefs=rootfs.owners)
    return sandbox.run(process, view, output=output)


def _network_files(provisions: Provisions, directory: Path) -> tuple[Bind, ...]:
    """New copies each time: what one command writes there the next doesn't see, as with docker."""
    try:
        resolv_conf = Path(_RESOLV_CONF).read_bytes()
    except FileNotFoundError:
        resolv_conf = b""
    hosts = _HOSTS_TEXT.format(provisions.hostname or HOSTNAME) + "".join(
        f"{address}\t{name}\n" for name, address in provisions.hosts
    )
    texts = {_RESOLV_CONF: resolv_conf, _HOSTS: hosts.encode()}
    binds = []
    for path, text in texts.items():
        source = directory / path.rpartition("/")[2]
        source.write_bytes(text)
        source.chmod(0o644)
        binds.append(Bind(source=source, target=path))
    return tuple(binds)


def _script(op: Exec, directory: Path) -> tuple[Bind, ...]:
    """The command's own script, alone in a directory that it can't change; the sandbox makes the target in its /dev."""
    if op.script is None:
        return ()
    source = Path(tempfile.mkdtemp(prefix="pipes-", dir=directory))
    source.chmod(0o755)
    file = source / op.script.name
    file.write_bytes(op.script.content.encode("utf-8", "surrogateescape"))
    file.chmod(0o755)
    return (Bind(source=source, target=PIPES, read_only=True),)

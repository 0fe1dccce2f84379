"""The image config: what docker calls the image's JSON (OCI image spec, config.md, and Docker's additions to it).

Fields that BuildKit drops from a base image (unknown keys, `Hostname`, `container`…) are dropped here as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from builder.errors import ImageError
from builder.image.digest import Digest
from builder.image.platform import Platform
from builder.image.text import read_json, well_formed
from builder.values import dataclass, field

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One entry per instruction; `created` is RFC 3339 text."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    @classmethod
    def from_json(cls, data: Any) -> History:
        fields = _object(data, "history entry")
        return cls(
            created=_string(fields, "created"),
            created_by=_string(fields, "created_by"),
            author=_string(fields, "author"),
            comment=_string(fields, "comment"),
            empty_layer=bool(fields.get("empty_layer")),
        )

    def to_json(self) -> dict[str, Any]:
        everything: dict[str, Any] = {
            "created": self.created,
            "created_by": self.created_by,
            "author": self.author,
            "comment": self.comment,
            "empty_layer": self.empty_layer,
        }
        return {key: value for key, value in everything.items() if value}


_HEALTHCHECK_NUMBERS = (
    ("Interval", "interval"),
    ("Timeout", "timeout"),
    ("StartPeriod", "start_period"),
    ("StartInterval", "start_interval"),
    ("Retries", "retries"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """`test` begins with NONE, CMD or CMD-SHELL; durations are nanoseconds, 0 means unset."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    @classmethod
    def from_json(cls, data: Any) -> Healthcheck:
        fields = _object(data, "Healthcheck")
        numbers = {name: fields.get(key) or 0 for key, name in _HEALTHCHECK_NUMBERS}
        if not all(isinstance(value, int) for value in numbers.values()):
            raise ImageError(f"invalid config: Healthcheck {fields!r}")
        return cls(test=_strings(fields, "Test") or (), **numbers)

    def to_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {"Test": list(self.test)} if self.test else {}
        return result | {key: getattr(self, name) for key, name in _HEALTHCHECK_NUMBERS if getattr(self, name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`env` entries are `KEY=value`; `None` for entrypoint, cmd and shell means unset. `created` is RFC 3339 text."""

    platform: Platform
    created: str = ""
    author: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    shell: tuple[str, ...] | None = None
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Config:
        """Read the JSON of an image config; raises ImageError when it isn't one."""
        try:
            document = read_json(data)
        except (ValueError, RecursionError) as error:
            raise ImageError(f"invalid image config: not JSON ({error})") from error
        return cls._from_json(_object(document, "image config"))

    @classmethod
    def _from_json(cls, document: Mapping[str, Any]) -> Config:
        run = _member(document, "config")
        rootfs = _member(document, "rootfs")
        healthcheck = run.get("Healthcheck")
        return cls(
            platform=Platform.from_json(document),
            created=_string(document, "created"),
            author=_string(document, "author"),
            user=_string(run, "User"),
            exposed_ports=tuple(sorted(_member(run, "ExposedPorts"))),
            env=_strings(run, "Env") or (),
            entrypoint=_strings(run, "Entrypoint"),
            cmd=_strings(run, "Cmd"),
            volumes=tuple(sorted(_member(run, "Volumes"))),
            working_dir=_string(run, "WorkingDir"),
            labels={key: str(value) for key, value in _member(run, "Labels").items()},
            stop_signal=_string(run, "StopSignal"),
            shell=_strings(run, "Shell"),
            healthcheck=Healthcheck.from_json(healthcheck) if healthcheck else None,
            on_build=_strings(run, "OnBuild") or (),
            args_escaped=bool(run.get("ArgsEscaped")),
            diff_ids=tuple(Digest.parse(text) for text in _strings(rootfs, "diff_ids") or ()),
            history=tuple(History.from_json(entry) for entry in _list(document, "history")),
        )

    def to_bytes(self) -> bytes:
        """Canonical JSON: keys sorted, nothing empty written, so equal configs have equal digests."""
        document: dict[str, Any] = self.platform.to_json() | {
            "config": self._run_to_json(),
            "rootfs": {"type": "layers", "diff_ids": [str(digest) for digest in self.diff_ids]},
            "history": [entry.to_json() for entry in self.history],
        }
        optional = {"created": self.created, "author": self.author}
        document |= {key: value for key, value in optional.items() if value}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return well_formed(text).encode()

    def _run_to_json(self) -> dict[str, Any]:
        everything: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": list(self.env),
            "Entrypoint": list(self.entrypoint or ()),
            "Cmd": list(self.cmd or ()),
            "Volumes": {path: {} for path in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "Shell": list(self.shell or ()),
            "Healthcheck": self.healthcheck.to_json() if self.healthcheck else None,
            "OnBuild": list(self.on_build),
            "ArgsEscaped": self.args_escaped,
        }
        return {key: value for key, value in everything.items() if value}


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ImageError(f"invalid image config: {what} is {type(value).__name__}, expected an object")
    return value


def _member(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key)
    return {} if value is None else _object(value, key)


def _list(fields: Mapping[str, Any], key: str) -> list[Any]:
    value = fields.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ImageError(f"invalid image config: {key} is {type(value).__name__}, expected a list")
    return value


def _string(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ImageError(f"invalid image config: {key} is {type(value).__name__}, expected a string")
    return value


def _strings(fields: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ImageError(f"invalid image config: {key} is not a list of strings")
    return tuple(value)

"""EXPOSE: ports the image listens on (BuildKit, dockerfile2llb/convert_expose.go)."""

from __future__ import annotations

import ipaddress
import re
from typing import ClassVar

from builder.dockerfile import forms, gotext
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, needs_some
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose:
    """`ports` are as written, but sorted; a variable among them may hold several."""

    form: ClassVar[forms.Form] = staticmethod(forms.words)
    line: Line
    ports: tuple[str, ...]

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Expose:
        if not arguments.words:
            raise needs_some(line.name)
        parse_flags(line.flags, {})
        return cls(line=line, ports=tuple(sorted(arguments.words)))

    def apply(self, scope: Scope) -> Applied:
        specs = [spec for word in self.ports for spec in scope.expand_words(self.line, word)]
        ports = [port for spec in specs for port in parse_port(spec)]
        known = scope.config.exposed_ports
        exposed = tuple(sorted([*known, *(port for port in dict.fromkeys(ports) if port not in known)]))
        return Applied(scope=scope.with_config(exposed_ports=exposed), created_by=f"EXPOSE {gotext.plain_list(ports)}")


def parse_port(spec: str) -> list[str]:
    """`[[ip:]host:]port[-port][/protocol]` as `port/protocol` each; ip and host are checked and dropped."""
    *outside, container = spec.rsplit(":", 2)
    port, _, protocol = container.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise Problem(f"invalid protocol {protocol!r} in {spec!r}", hint="it is tcp, udp or sctp")
    first, last = _range(port, spec)
    if outside and outside[-1]:
        host_first, host_last = _range(outside[-1], spec)
        if first != last and host_last - host_first != last - first:
            raise Problem(f"the ranges of host and container ports differ in {spec!r}")
    if len(outside) == 2 and outside[0]:
        _check_address(outside[0], spec)
    return [f"{number}/{protocol}" for number in range(first, last + 1)]


def _range(text: str, spec: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if not match:
        raise Problem(f"invalid port {text!r} in {spec!r}", hint="write port, port-port, port/udp")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 <= first <= last <= 0xFFFF:
        raise Problem(f"invalid port {text!r} in {spec!r}: ports go from 0 to 65535, the smaller one first")
    return first, last


def _check_address(text: str, spec: str) -> None:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise Problem(f"invalid IP address {text!r} in {spec!r}") from None

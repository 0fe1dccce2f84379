"""The smallest programs that Linux runs: each ends at once, with 0. Who runs one can run others of its architecture."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_BASE, _HEADERS = 0x10000, {32: (52, 32), 64: (64, 56)}  # where it is loaded; bytes of an ELF header, and of a program header
_EXECUTABLE, _LOAD, _READ_EXECUTE = 2, 1, 5

# GOARCH → ELF machine, bits, byte order, flags (elf.h), and exit(0) in its machine code.
_MACHINES: Mapping[str, tuple[int, int, str, int, str]] = {
    "386": (3, 32, "<", 0, "b801000000 31db cd80"),  # mov eax, 1; xor ebx, ebx; int 0x80
    "amd64": (62, 64, "<", 0, "b83c000000 31ff 0f05"),  # mov eax, 60; xor edi, edi; syscall
    "arm": (40, 32, "<", 0x05000000, "0000a0e3 0170a0e3 000000ef"),  # mov r0, 0; mov r7, 1; svc 0
    "arm64": (183, 64, "<", 0, "000080d2 a80b80d2 010000d4"),  # mov x0, 0; mov x8, 93; svc 0
    "ppc64le": (21, 64, "<", 2, "01000038 00006038 02000044"),  # li r0, 1; li r3, 0; sc
    "riscv64": (243, 64, "<", 0, "9308d005 13050000 73000000"),  # li a7, 93; li a0, 0; ecall
    "s390x": (22, 64, ">", 0, "a7290000 0a01"),  # lghi %r2, 0; svc 1
}


def smallest(architecture: str) -> bytes | None:
    """The program as an ELF file; None for an architecture that isn't known here."""
    if architecture not in _MACHINES:
        return None
    machine, bits, order, flags, text = _MACHINES[architecture]
    code, (header, entry) = bytes.fromhex(text), _HEADERS[bits]
    size = header + entry + len(code)
    ident = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    word = "I" if bits == 32 else "Q"
    start = _BASE + header + entry
    fields = (_EXECUTABLE, machine, 1, start, header, 0, flags, header, entry, 1, 0, 0, 0)
    elf = ident + struct.pack(f"{order}HHI{word}{word}{word}IHHHHHH", *fields)
    if bits == 32:
        load = struct.pack(f"{order}8I", _LOAD, 0, _BASE, _BASE, size, size, _READ_EXECUTE, _BASE)
    else:
        load = struct.pack(f"{order}IIQQQQQQ", _LOAD, _READ_EXECUTE, 0, _BASE, _BASE, size, size, _BASE)
    return elf + load + code

"""Inputs with several values, read as docker's actions read theirs: CSV, a record a line (csv-parse with relax_quotes)."""

from __future__ import annotations

from collections.abc import Iterator

from builder.errors import UsageError


def split(text: str, where: str) -> tuple[str, ...]:
    """The values between commas and line ends. What is in double quotes is one beside others; alone in its line commas divide it,
    too (actions-toolkit, src/util.ts). Raises UsageError for a quote without end.
    """
    records = (record[0].split(",") if len(record) == 1 else record for record in _records(text.strip(), where))
    return tuple(field.strip() for record in records for field in record if field.strip())


def lines(text: str, where: str) -> tuple[str, ...]:
    """A value a line, commas and all; one that is in double quotes may have several lines. Raises UsageError."""
    return tuple(value.strip() for value in untrimmed_lines(text, where))


def untrimmed_lines(text: str, where: str) -> tuple[str, ...]:
    """The same, with the space and the line ends that are in a value around it: a key may be wrong without its last one."""
    joined = (",".join(record) for record in _records(text.strip(), where))
    return tuple(value for value in joined if value.strip())


def unquoted_lines(text: str) -> tuple[str, ...]:
    """A value a line, as it is."""
    return tuple(line.strip() for line in text.split("\n") if line.strip())


def _records(text: str, where: str) -> Iterator[list[str]]:
    """Quotes count at the beginning of a field only, and doubled ones stand for one."""
    record, field, position, is_quoted = [""], "", 0, False
    text = text.replace("\r\n", "\n")
    while position < len(text):
        char, after = text[position], text[position + 1 : position + 2]
        if is_quoted:
            if char == '"' and after == '"':
                field, position = field + '"', position + 1
            elif char == '"':
                is_quoted = False
                if after not in ("", ",", "\n"):
                    field = f'"{field}"'  # it was none
            else:
                field += char
        elif char == '"' and not field:
            is_quoted = True
        elif char in ",\n":
            record[-1], field = field, ""
            if char == "\n":
                yield record
                record = []
            record.append("")
        else:
            field += char
        position += 1
    if is_quoted:
        raise UsageError(f"the input {where!r} has a double quote without a second one", hint="double it to have it in a value")
    record[-1] = field
    yield record

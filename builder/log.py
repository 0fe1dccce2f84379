"""What masu prints while it works: log lines in Kaniko's three formats, and what RUN commands print, all on standard error."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO

from builder.decoration import Bare, Decoration
from builder.options import CommonOptions
from builder.redact import Redactor

_LEVELS = {
    "panic": logging.CRITICAL, "fatal": logging.CRITICAL, "error": logging.ERROR, "warn": logging.WARNING,
    "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG, "trace": logging.DEBUG,
}  # fmt: skip
_COLORS = {"DEBU": "37", "INFO": "36", "WARN": "33", "ERRO": "31", "FATA": "31"}
_NAMES = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}
_SEVERITIES = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    logging.WARNING: "WARNING",
    logging.ERROR: "ERROR",
    logging.CRITICAL: "CRITICAL",
}
_LIBRARIES = ("urllib3", "boto3", "botocore", "s3transfer", "google", "azure")
"""Never below warnings: what they tell beyond that has tokens in it."""
_SHORT = {level: name[:4].upper() for level, name in _NAMES.items()}
_BARE = re.compile(r"[A-Za-z0-9._/@^+-]+")  # what logrus doesn't quote
_TAIL_BYTES = 8192


def configure(options: CommonOptions, *, terminal: bool, decoration: Decoration) -> None:
    """Set the root logger up; `terminal` allows colours."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Harmless(formatter(options, terminal=terminal), decoration))
    level = logging.ERROR if options.progress == "quiet" else _LEVELS[options.verbosity]
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)


def formatter(options: CommonOptions, *, terminal: bool) -> logging.Formatter:
    """What makes lines of records; times are counted from now."""
    formatters = {"json": _JsonFormatter, "text": _TextFormatter, "color": _ColorFormatter}
    return formatters[options.log_format](timestamp=options.log_timestamp, terminal=terminal)


class Harmless(logging.Formatter):
    """Lines as another makes them, with nothing in them that the platform would obey."""

    def __init__(self, inner: logging.Formatter, decoration: Decoration) -> None:
        super().__init__()
        self.inner = inner
        self._decoration = decoration

    def format(self, record: logging.LogRecord) -> str:
        return self._decoration.harmless(self.inner.format(record))


class _Formatter(logging.Formatter):
    def __init__(self, *, timestamp: bool, terminal: bool) -> None:
        super().__init__()
        self._timestamp = timestamp
        self._terminal = terminal
        self._start = time.monotonic()

    def _time(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _ColorFormatter(_Formatter):
    """logrus' terminal form: `INFO[0001] message`."""

    def format(self, record: logging.LogRecord) -> str:
        level = _SHORT[record.levelno]
        when = self._time(record) if self._timestamp else f"{int(time.monotonic() - self._start):04}"
        head = f"\x1b[{_COLORS[level]}m{level}\x1b[0m" if self._terminal else level
        return f"{head}[{when}] {record.getMessage()}"


class _TextFormatter(_Formatter):
    """logrus' text form: key=value."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        message = text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
        return f'time="{self._time(record)}" level={_NAMES[record.levelno]} msg={message}'


class _JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _compact(_structured(record.levelno, record.getMessage()) | {"time": self._time(record)})


def _structured(level: int, text: str) -> dict[str, str]:
    """With logrus' keys, and those that log collectors take a severity and a summary from."""
    return {"level": _NAMES[level], "msg": text, "severity": _SEVERITIES[level], "message": text}


def in_form(text: str, *, level: int) -> str:
    """Lines that are written past the loggers, as they are to look in the log: one line of JSON if all is."""
    outer = (handler.formatter for handler in logging.getLogger().handlers)
    forms = (form.inner if isinstance(form, Harmless) else form for form in outer)
    form = next((form for form in forms if isinstance(form, _JsonFormatter)), None)
    if form is None:
        return text
    record = logging.LogRecord(__name__, level, __file__, 0, "%s", (text.rstrip("\n"),), None)
    return form.format(record) + "\n"


def _compact(line: object) -> str:
    """As logrus writes it: people look for `"level":"error"` by grep."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


class Shield:
    """Stands between the platform and what commands print as long as one of them prints, however many do at a time."""

    def __init__(self, sink: BinaryIO, decoration: Decoration) -> None:
        self.decoration = decoration
        self._sink = sink
        self._lock = threading.Lock()
        self._count = 0
        self._end = ""

    @property
    def stands(self) -> bool:
        return bool(self._end)

    def write(self, text: str) -> None:
        if text:
            self._sink.write(text.encode(errors="replace"))
            self._sink.flush()

    def raised(self) -> None:
        """One more command prints."""
        with self._lock:
            self._count += 1
            if self._count == 1:
                before, self._end = self.decoration.shield()
                self.write(before)

    def lowered(self) -> None:
        """It has printed all."""
        with self._lock:
            self._count -= 1
            if self._count == 0:
                self.write(self._end)


class RunOutput:
    """Passes on what RUN commands print as it comes, without the secrets, and keeps the end of it for an error message.

    With the name of a `stage` it passes on whole lines with that before them, since other stages print as well. A `shield` that
    several share stands between the platform and what they print.
    """

    def __init__(
        self,
        sink: BinaryIO,
        options: CommonOptions,
        *,
        secrets: Iterable[bytes] = (),
        stage: str = "",
        shield: Shield | None = None,
    ) -> None:
        self._sink = sink
        self._shield = shield or Shield(sink, Bare())
        self._is_shielded = False
        self._ends_open = False
        self._stage = stage
        self._line = b""
        self._redactor = Redactor(secrets)
        self._tamer = _tamer(self._shield.decoration)
        self._quiet = options.progress == "quiet"
        self._json = options.log_format == "json"
        self._tail = b""

    @contextmanager
    def part(self, key: str, title: str) -> Iterator[str]:
        """What is logged and printed meanwhile belongs to one instruction; gives `key` back, its name."""
        is_marked = not (self._stage or self._json or self._quiet)  # parts of several stages would be in one another
        if is_marked:
            self._shield.write(self._shield.decoration.begins(key, title))
        try:
            yield key
        finally:
            self._lower()
            if is_marked:
                self._shield.write(self._shield.decoration.ends(key))

    def write(self, chunk: bytes) -> None:
        self._show(self._tamer.feed(self._redactor.feed(chunk)))

    def _show(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
        if self._stage:
            lines = (self._line + chunk).splitlines(keepends=True)
            self._line = lines.pop() if len(lines[-1]) < _TAIL_BYTES and not lines[-1].endswith(b"\n") else b""
            chunk = b"".join(lines)
        self._pass_on(chunk)

    def _pass_on(self, chunk: bytes) -> None:
        """In one piece, which no other thread's can come in between."""
        if self._quiet or not chunk:
            return
        if self._json:
            chunk = self._as_json(chunk)
        elif self._stage:
            prefix = f"[{self._stage}] ".encode()
            chunk = b"".join(prefix + line.rstrip(b"\r\n") + b"\n" for line in chunk.splitlines())
        if not self._is_shielded:
            self._shield.raised()
            self._is_shielded = True
        self._sink.write(chunk)
        self._sink.flush()
        self._ends_open = not chunk.endswith(b"\n")

    def _lower(self) -> None:
        """Nothing more comes of this command; what the platform is to obey next begins a line."""
        if not self._is_shielded:
            return
        if self._ends_open and self._shield.stands:
            self._sink.write(b"\n")
        self._shield.lowered()
        self._is_shielded = self._ends_open = False

    def _as_json(self, chunk: bytes) -> bytes:
        stage = {"stage": self._stage.removeprefix("stage ")} if self._stage else {}
        line = {"level": "info", "severity": "INFO", **stage, "message": chunk.decode("utf-8", "replace")}
        return (_compact(line) + "\n").encode()

    def take_tail(self) -> str:
        """The last lines since the last call; a command has ended."""
        self._show(self._tamer.feed(self._redactor.flush()) + self._tamer.flush())
        line, self._line = self._line, b""
        self._pass_on(line)
        self._lower()
        tail, self._tail = self._tail, b""
        return "\n".join(tail.decode("utf-8", "replace").splitlines()[-10:])


def _tamer(decoration: Decoration) -> Redactor:
    """Takes the words out that the platform would obey."""
    words = [word.encode() for word in decoration.forbidden()]
    return Redactor(words, instead=lambda word: decoration.harmless(word.decode()).encode())

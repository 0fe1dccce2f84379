"""A stream whose failures are somebody's finding: that what a cache has told of can't be had."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from builder.errors import BuilderError, CacheError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_FAILURES = (BuilderError, OSError)


class Guarded(io.BufferedIOBase):
    """What `open` gives. `lost` is told why it can't be opened or read, and raises what the reader is to meet.

    It is also told what ends a `with` of the stream, if `is_to_blame` for that.
    """

    def __init__(
        self,
        open: Callable[[], BinaryIO],
        lost: Callable[[Exception], NoReturn],
        is_to_blame: Callable[[Exception], bool] = lambda error: False,
    ) -> None:
        self._lost = lost
        self._is_to_blame = is_to_blame
        with self._watched():
            self._source = cast(io.BufferedIOBase, open())
        self.raw = getattr(self._source, "raw", None)  # so that verifying once is enough

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        with self._watched():
            return self._source.read(size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with self._watched():
            return self._source.readinto(buffer)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        if isinstance(error, Exception) and self._is_to_blame(error):
            self._lost(error)

    def close(self) -> None:
        self._source.close()
        super().close()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except CacheError:
            raise
        except _FAILURES as error:
            self._lost(error)

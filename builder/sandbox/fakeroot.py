"""The supervisor of `traced`: answers system calls that need rights which nobody here has, so that commands believe to be root.

A thread of the builder: what commands believe of files is noted where the builder looks for it.
"""

from __future__ import annotations

import array
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Mapping

from builder.sandbox import Beliefs, Truth, seccomp
from builder.sandbox.believed import Register
from builder.sandbox.fake_files import Files
from builder.sandbox.fake_ids import Handler, Identities
from builder.sandbox.seccomp import Call, Listener

log = logging.getLogger(__name__)


class Supervisor:
    """A context manager. `theirs` is a descriptor for the sandbox child to send its listener through (filtered.py).

    `trees` are the directories whose files belong to the command, and `given` says what some files are from the start, by device
    and inode. `processor` is the only one to run on, None for any. The machine is called `hostname`.
    """

    def __init__(
        self,
        book: Beliefs | None,
        trees: tuple[str, ...],
        processor: int | None,
        given: Mapping[tuple[int, int], Truth],
        hostname: str,
    ) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._book, self._trees, self._processor, self._given = book, trees, processor, given
        self._hostname = hostname
        self._thread = threading.Thread(target=self._work, name="fake root", daemon=True)
        self._failure: BaseException | None = None

    @property
    def theirs(self) -> int:
        return self._theirs.fileno()

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Called when all that was supervised has ended. Raises what the thread has failed with."""
        self._theirs.close()
        self._thread.join()
        self._ours.close()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            descriptor = _received(self._ours)
            if descriptor is None:
                return
            try:
                self._supervise(Listener(descriptor))
            finally:
                os.close(descriptor)  # whoever still waits gets ENOSYS
        except Exception as error:  # noqa: BLE001 - a thread's last boundary: raised again by __exit__
            self._failure = error

    def _supervise(self, listener: Listener) -> None:
        if self._processor is not None:
            os.sched_setaffinity(0, {self._processor})
        handlers = self._handlers(listener)
        poll = select.poll()
        poll.register(listener.descriptor, select.POLLIN)
        answered = 0
        while poll.poll()[0][1] & select.POLLIN:  # until the last process is gone
            call = listener.receive()
            if call is not None:
                answered += 1
                _answer(listener, call, handlers.get(call.number))
        log.debug("fake root has answered %d calls in %.1f s of processor time", answered, time.thread_time())

    def _handlers(self, listener: Listener) -> dict[int, Handler]:
        register = Register()
        found = dict(Identities(register, self._hostname).handlers())
        if self._book is not None:
            found |= Files(
                book=self._book, register=register, listener=listener, trees=self._trees, given=dict(self._given)
            ).handlers()
        return {number: found[name] for number, name in seccomp.names(os.uname().machine).items() if name in found}


def _answer(listener: Listener, call: Call, handler: Handler | None) -> None:
    try:
        value = handler(call) if handler is not None else None
    except OSError as error:
        if not error.errno:
            raise
        listener.refuse(call, error.errno)
        return
    if value is None:
        listener.let_through(call)
    else:
        listener.give(call, value)


def _received(sock: socket.socket) -> int | None:
    """The listener; None if the child has ended without one."""
    data, ancillary, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    if not data or not ancillary:
        return None
    return array.array("i", ancillary[0][2][:4])[0]

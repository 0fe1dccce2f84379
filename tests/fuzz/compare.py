"""One case, built by both at the same time, and what is different."""

from __future__ import annotations

import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.known import failure_heading, heading
from tests.support.bases import Bases
from tests.support.build_case import Built, build_case
from tests.support.cases import Case
from tests.support.images import Difference, differences
from tests.support.oracle import Docker, Outcome

_EXIT_CODE = re.compile(r"did not complete successfully: exit code: (\d+)")
_ENGINE_TROUBLE = re.compile(
    r"cannot connect to the docker daemon|error reading from server|no space left on device", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`kind` is one word for what is wrong, empty for agreement; `built` says that both made an image."""

    kind: str = ""
    built: bool = False
    found: tuple[Difference, ...] = ()
    text: str = ""

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(re.sub(r"\d+", "", difference.field) for difference in self.found)


class UnusableCase(Exception):
    """Its context can't be made, or docker can't give the image away."""


class EngineTrouble(Exception):
    """It says nothing about the case."""


def compare(case: Case, docker: Docker, bases: Bases, *, remember: bool = False) -> Verdict:
    """Raises UnusableCase and EngineTrouble; `remember` keeps docker's answer for the next time."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary, ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(docker.remembered if remember else docker.build, case, bases)
        try:
            ours = build_case(case, bases, Path(temporary))
            return _judge(case, theirs.result(), ours)
        except subprocess.CalledProcessError as error:
            raise UnusableCase(str(error)) from error
        except RuntimeError as error:
            if "empty export" in str(error):  # docker can't save an image without layers
                raise UnusableCase(str(error)) from error
            raise


def _judge(case: Case, docker: Outcome, masu: Built) -> Verdict:
    if _ENGINE_TROUBLE.search(docker.log):
        raise EngineTrouble(f"the engine is in trouble: {docker.log[-500:]}")
    if masu.exit_code == 70 or "Traceback" in masu.log:
        return Verdict(kind="traceback", text=masu.log[-3000:])
    if docker.image is None and masu.image is None:
        return _judge_failures(docker.log, masu)
    if docker.image is None and failure_heading(case, docker.log):
        return Verdict()
    if docker.image is None:
        return Verdict(kind="only docker fails", text=_errors(docker.log))
    if masu.image is None:
        return Verdict(kind="only masu fails", text=masu.log[-1500:])
    found = tuple(item for item in differences(docker.image, masu.image) if not heading(case, item))
    return Verdict(kind="differences" if found else "", built=True, found=found, text="\n".join(map(str, found[:30])))


def _judge_failures(docker: str, masu: Built) -> Verdict:
    """Messages are each builder's own; the exit code of a RUN is not."""
    code = _EXIT_CODE.search(docker)
    if int(code[1] if code else 1) == masu.exit_code:
        return Verdict()
    return Verdict(kind="exit codes", text=f"docker: {_errors(docker)}\nmasu {masu.exit_code}: {masu.log[-800:]}")


def _errors(log: str) -> str:
    return "\n".join(line for line in log.splitlines() if "ERROR" in line or "error:" in line)[-1500:]

"""`python -m bench`: the only place that reads arguments and prints the report."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench.cases import CASES
from bench.compare import compare
from bench.console import exit_code
from bench.contestants import CONTESTANTS
from bench.report import DOCUMENT, draw, render, write_between_markers
from bench.results import Comparison, keep
from bench.settings import FULL, SMALL, Settings, Sizes

_PICTURE, _KEPT = DOCUMENT.with_suffix(".svg"), DOCUMENT.with_suffix(".json")


def main(argv: Sequence[str]) -> int:
    """Exit code: 0, 1 when something failed, 130 after ^C."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.small and arguments.write:
        parser.error("--small shows whether it works; its figures are not for the document")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings(
        sizes=_sizes(arguments),
        contestants=tuple(arguments.contestant or CONTESTANTS),
        cases=tuple(arguments.case or CASES),
        runs=arguments.runs,
    )

    def work() -> None:
        comparisons = []
        for comparison in compare(settings):
            comparisons.append(comparison)
            if arguments.write:
                _write(comparison)
        print(render(comparisons), end="")

    return exit_code(work)


def _write(comparison: Comparison) -> None:
    """Beside what other runs have found of other cases; at once, so that nothing is lost when a later case fails."""
    everything = keep([comparison], _KEPT, order=list(CASES))
    write_between_markers(DOCUMENT, f"{render(everything)}\n![Wall times by docker's]({_PICTURE.name})\n")
    draw(everything, _PICTURE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="time masu beside docker and buildah, cold")
    parser.add_argument("-n", "--runs", type=int, default=5, help="builds of each contestant and case (default %(default)s)")
    parser.add_argument("--small", action="store_true", help="tiny sizes, a busybox base: does it work at all?")
    parser.add_argument("--contestant", action="append", choices=tuple(CONTESTANTS), help="only this one (repeatable)")
    parser.add_argument("--case", action="append", choices=tuple(CASES), help="only this one (repeatable)")
    parser.add_argument("--base-files", type=int, metavar="N", help=f"files of the big base (default {FULL.base_files})")
    parser.add_argument("--base-megabytes", type=int, metavar="N", help=f"their size (default {FULL.base_bytes // 10**6})")
    parser.add_argument("--data-megabytes", type=int, metavar="N", help=f"size of the COPY (default {FULL.data_bytes // 10**6})")
    parser.add_argument("--modules", type=int, metavar="N", help=f"files of node_modules (default {FULL.modules:,})")
    parser.add_argument("--write", action="store_true", help="put what is found of these cases into docs/performance.md")
    return parser


def _sizes(arguments: argparse.Namespace) -> Sizes:
    sizes = SMALL if arguments.small else FULL
    if arguments.base_files is not None:
        sizes = replace(sizes, base_files=arguments.base_files)
    if arguments.base_megabytes is not None:
        sizes = replace(sizes, base_bytes=arguments.base_megabytes * 10**6)
    if arguments.data_megabytes is not None:
        sizes = replace(sizes, data_bytes=arguments.data_megabytes * 10**6)
    if arguments.modules is not None:
        sizes = replace(sizes, modules=arguments.modules)
    return sizes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

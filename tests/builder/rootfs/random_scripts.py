"""Random shell scripts that change a small tree in every way that a layer can tell of."""

from __future__ import annotations

from random import Random

BEGIN = """
mkdir -p a/c b/d; for f in a/f a/g b/f a/c/h b/d/s; do echo $f > $f; done
ln a/f b/l; ln a/f a/c/l; ln -s a/f a/s; ln b/d/s g; touch -h -d @5 a a/* b b/* b/d/* a/c/* g
"""
"""The tree to begin with: directories, a file with three names and one with two, a symbolic link."""

_DIRECTORIES = ("a", "b", "a/c", "b/d")
_MORE = (*_DIRECTORIES, "n", "a/m", "b/n")
_FILES = tuple(f"{directory}/{name}" for directory in (*_DIRECTORIES, ".") for name in "fghls")

# {p} and {q} are files, {d} and {e} directories, which may not be there; {n} is a new number each time. What opens a file for
# writing always changes it here: docs/differences.md tells what becomes of one that is opened only.
_COMMANDS = (
    "echo {n} > {p}", "echo {n} >> {p}", "truncate -s {n} {p}", "touch -d @{n} {p}", "rm -rf {p}", "rm -rf {d}", "mkdir -p {d}",
    "ln -f {p} {q}", "ln -f {p} {q}", "ln {p} t && rm t", "ln -sfn {q} {p}", "mv -fT {p} {q}", "mv -fT {p} t; mv -fT t {q}",
    "mv -fT {d} {e}", "mv -fT {d} t; mv -fT t {d}", "chmod 644 {p}", "chmod 600 {p}", "chmod 755 {d}", "chmod 700 {d}",
    "chown 0:0 {p}", "chown 1:2 {p}", "chown -h 3:4 {p}", "touch {d}/z; rm {d}/z", "cp -a {p} {d}/{n}", "cp -a {d} c{n}",
    "setfattr -n user.k -v {n} {d}", "setfattr -x user.k {d}", "setfattr -x user.k {p}", "setfattr -n user.j -v {n} {d}",
    "mkfifo {d}/p", "mknod {d}/q c 1 3", "mv -fT {d}/p {e}/q", "setfattr -n user.k -v {n} {p}",
    "rm -rf {d}; mkdir {d}; echo {n} > {d}/f", "rm -rf {d}; echo {n} > {d}", "find {d} -type f | sort | head -1 | xargs -r rm -f",
)  # fmt: skip


def random_script(random: Random) -> str:
    """A few commands; failures of single ones are none of the script's."""
    return "; ".join(_command(random) for _ in range(random.randint(1, 6)))


def _command(random: Random) -> str:
    files, directories = random.choices(_FILES, k=2), random.choices(_MORE, k=2)
    number = random.randint(10**6, 10**7)
    return random.choice(_COMMANDS).format(p=files[0], q=files[1], d=directories[0], e=directories[1], n=number)

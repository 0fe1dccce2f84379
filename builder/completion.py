"""Shell completion scripts, made from the options table."""

from __future__ import annotations

from collections.abc import Mapping

from builder.errors import UsageError
from builder.flags import flag_of, option_of
from builder.values import fields

Tables = Mapping[str, tuple[type, ...]]


def script(shell: str, commands: Tables) -> str:
    """The script that `shell` evaluates; raises UsageError for a shell that masu doesn't know."""
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    if shell not in makers:
        raise UsageError(f"no completion for the shell {shell!r}", hint=f"known are {', '.join(makers)}")
    return makers[shell](commands)


def _options(tables: tuple[type, ...]) -> list[str]:
    return sorted(option_of(row) for table in tables for row in fields(table))


def _bash(commands: Tables) -> str:
    """For zsh as well, whose bashcompinit has `complete` and `compgen`, but no other builtins of bash's."""
    cases = "".join(f'    {name}) choices="{" ".join(_options(tables))}" ;;\n' for name, tables in commands.items())
    return f"""_masu() {{
  local choices="{" ".join(commands)}" current="${{COMP_WORDS[COMP_CWORD]}}"
  if (( COMP_CWORD > 1 )); then
    case "${{COMP_WORDS[1]}}" in
{cases}    esac
    [[ $current == -* ]] || choices=""
  fi
  COMPREPLY=( $(compgen -W "$choices" -- "$current") )
}}
complete -o default -F _masu masu
"""


def _zsh(commands: Tables) -> str:
    return "#compdef masu\nautoload -U +X bashcompinit && bashcompinit\n" + _bash(commands)


def _fish(commands: Tables) -> str:
    lines = [f"complete -c masu -n __fish_use_subcommand -a {name}" for name in commands]
    for name, tables in commands.items():
        for row in (row for table in tables for row in fields(table)):
            flag = flag_of(row)
            short = f" -s {flag.short}" if flag.short else ""
            text = flag.help.replace("'", "\\'")
            lines.append(f"complete -c masu -n '__fish_seen_subcommand_from {name}' -l {option_of(row)[2:]}{short} -d '{text}'")
    return "\n".join(lines) + "\n"

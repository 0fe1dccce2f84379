"""A plan as text, for `--dry-run`."""

from __future__ import annotations

import json

from builder import ops
from builder.dockerfile.gotext import quote_list
from builder.ops import Op
from builder.plan.values import Base, ImageBase, Plan, Scratch, StageBase


def render(plan: Plan) -> str:
    """A plan for people to read; equal plans look equal."""
    lines: list[str] = []
    for stage in plan.stages:
        name = f" {stage.name}" if stage.name else ""
        lines.append(f"stage {stage.index}{name} from {_base_text(stage.base)} for {stage.platform}")
        for step in stage.steps:
            lines.append(f"  {step.location}  {step.text}")
            lines += [f"      {_op_text(step.op)}"] if step.op else []
    config = json.loads(plan.target.config.to_bytes())["config"]
    return "\n".join([*lines, "config", *_indented(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)), ""])


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _base_text(base: Base) -> str:
    match base:
        case Scratch():
            return "scratch"
        case StageBase():
            return f"stage {base.index}"
        case ImageBase():
            return f"image {base.reference}"


def _op_text(op: Op) -> str:
    match op:
        case ops.Exec():
            network = "" if op.network is ops.Network.DEFAULT else f" network={op.network.value}"
            script = " with its script" if op.script else ""
            mounts = f" mounts={quote_list([mount.target or '' for mount in op.mounts])}" if op.mounts else ""
            return f"exec {quote_list(op.argv)} in {op.cwd}{_by(op.user)}{network}{script}{mounts}"
        case ops.MakeDir():
            return f"mkdir {op.path}{_by(op.user)}"
        case ops.Copy():
            chown = f" chown={op.chown}" if op.chown else ""
            chmod = f" chmod={op.chmod}" if op.chmod else ""
            exclude = f" exclude={quote_list(op.exclude)}" if op.exclude else ""
            flags = "".join(f" {name}" for name in ("unpack", "parents", "link") if getattr(op, name))
            return f"copy {_what(op)} to {op.destination}{chown}{chmod}{exclude}{flags}"


def _what(op: ops.Copy) -> str:
    files = [f"inline {quote_list([file.name for file in op.files])}"] if op.files else []
    paths = [f"{quote_list(op.paths)} of {_source_text(op.source)}"] if op.paths else []
    return " and ".join([*paths, *files])


def _by(user: str) -> str:
    return f" as {user}" if user else ""


def _source_text(source: ops.CopyFrom) -> str:
    match source:
        case ops.FromContext():
            return "context"
        case ops.FromStage():
            return f"stage {source.index}"
        case ops.FromImage():
            return f"image {source.reference}"
        case ops.FromNamedContext():
            return f"context {source.name}"

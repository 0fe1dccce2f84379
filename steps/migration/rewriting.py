"""The changes to one file: a walk over its YAML, and a rule for each place where Kaniko may be named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import UsageError
from builder.kaniko import VARIABLES
from builder.values import dataclass
from steps.migration import actions, command_lines, groovy, images, positions, substitutions
from steps.migration.changes import Changes, Edit, Note, line_of
from steps.migration.positions import Scalar

_FEATURES = "FF_KANIKO_"
_INPUTS = ("kaniko-args", "extra_args", "EXTRA_ARGS")
"""Of actions and of the catalog's Task: flags of the executor's."""
_FLAGS = re.compile(r"kaniko_\w*(?:arg|flag|opt)", re.IGNORECASE)
"""Variables by which people hand flags to the executor."""
_NEEDLESS = {variable.name: variable.told for variable in VARIABLES if variable.told}
_BUILDER = "BUILDER_IMAGE"
_TASK = f"a Task of the catalog: its parameter {_BUILDER} is masu's image; examples/tekton/task.yaml is one of masu's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`image` and `action` are what --image and --action say. `variables` are plain values that the file sets, by name."""

    text: str
    image: str
    action: str
    variables: Mapping[str, str]

    def scalar(self, node: Any) -> Scalar | None:
        return positions.scalar(self.text, node) if node.id == "scalar" else None

    @property
    def names_kaniko(self) -> bool:
        return "kaniko" in self.text

    def line(self, node: Any) -> int:
        return line_of(self.text, node.start_mark.index)

    def note(self, node: Any, text: str, *, to_do: bool = False) -> Changes:
        return Changes(notes=(Note(line=self.line(node), text=text, to_do=to_do),))


def of_yaml(text: str, *, image: str, action: str) -> Changes:
    """What is to be changed in a CI file. Raises UsageError for what is no YAML."""
    from ruamel.yaml.error import MarkedYAMLError

    try:
        documents = positions.compose(text)
    except MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"it is no YAML: {error.problem}{where}", hint="mend the file, or leave it out") from error
    file = File(
        text=text, image=image, action=action, variables={name: value for node in documents for name, value in _set(node)}
    )
    changes, seen = Changes(), set[int]()
    for document in documents:
        for node in _all(document, seen):
            parts = _parts(file, node)
            seen |= {id(part) for part in parts}
            changes += _of_parts(file, *parts) if parts else Changes()
            changes += _of_node(file, node)
    return changes + substitutions.unused(text, documents, changes.edits)


def of_shell(text: str, *, image: str, action: str) -> Changes:
    """Of a shell script: all of it is one."""
    variables = dict(re.findall(r"""^[ \t]*(?:export[ \t]+)?(\w+)=["']?([^\s"']+)""", text, re.MULTILINE))
    return _in_lines(text, image) + command_lines.in_script(text, Scalar(value=text, at=range(len(text))), variables)


def of_groovy(text: str, *, image: str, action: str) -> Changes:
    """Of a Jenkinsfile: its strings are scripts, or the YAML of pods."""
    changes = _in_lines(text, image)
    for literal in groovy.literals(text):
        if not command_lines.mentions(literal.value, {}):
            continue
        if not groovy.is_pod(literal.value):
            changes += command_lines.in_script(text, literal, {})
            continue
        try:
            changes += groovy.placed(of_yaml(literal.value, image=image, action=action), literal, text)
        except UsageError as error:
            line = line_of(text, literal.at[0])
            changes += Changes(notes=(Note(line=line, text=f"look at the flags here by hand: {error.message}", to_do=True),))
    return changes


def of_other(text: str, *, image: str, action: str) -> Changes:
    """Of a file in another language: images' names are changed, what else names Kaniko is told."""
    changes = _in_lines(text, image)
    for number, line in enumerate(text.splitlines(), start=1):
        is_comment = line.lstrip().startswith(("#", "//"))
        if not is_comment and re.search(r"kaniko/executor\s|--(?:customPlatform|snapshotMode|tarPath|whitelist-var-run)\b", line):
            word = "look at the flags here by hand (docs/flags.md): they are read in YAML, shell scripts and Jenkinsfiles only"
            changes += Changes(notes=(Note(line=number, text=word, to_do=True),))
    return changes


def _in_lines(text: str, image: str) -> Changes:
    """Images anywhere but in lines of comment."""
    changes, position = Changes(), 0
    for line in text.splitlines(keepends=True):
        if not line.lstrip().startswith(("#", "//")):
            changes += _images(text, image, {}, position, line)
        position += len(line)
    return changes


def _all(node: Any, seen: set[int]) -> Iterator[Any]:
    """Every node once, whatever aliases it has."""
    if id(node) in seen:
        return
    seen.add(id(node))
    yield node
    for child in node.value if node.id != "scalar" else ():
        for one in child if isinstance(child, tuple) else (child,):
            yield from _all(one, seen)


def _set(root: Any) -> Iterator[tuple[str, str]]:
    for node in _all(root, set()):
        if node.id == "mapping":
            plain = {key.value: value.value for key, value in node.value if key.id == value.id == "scalar"}
            yield from plain.items()
            if "name" in plain and plain.keys() & {"default", "value"}:
                yield plain["name"], plain.get("value", plain.get("default", ""))


def _of_node(file: File, node: Any) -> Changes:
    if node.id == "scalar":
        return _of_scalar(file, node)
    if node.id == "mapping":
        return _of_mapping(file, node, {key.value: value for key, value in node.value if key.id == "scalar"})
    return _of_sequence(file, node)


def _parts(file: File, node: Any) -> tuple[Any, ...]:
    """The name and the tag of an image of Kaniko's in a mapping that has them apart, as Helm's values do."""
    entries = {key.value: value for key, value in node.value if key.id == value.id == "scalar"} if node.id == "mapping" else {}
    names = [entries[key] for key in ("repository", "name", "image") if key in entries and "tag" in entries]
    apart = [name for name in names if [image.text for image in images.found(f"{name.value}:x", {})] == [f"{name.value}:x"]]
    return (apart[0], entries["tag"]) if apart else ()


def _of_parts(file: File, name: Any, tag: Any) -> Changes:
    """Each is written in its own place."""
    image = next(images.found(f"{name.value}:{tag.value}", file.variables))
    head, _, new_tag = images.replacement(image, file.image).rpartition(":")
    if image.text != f"{name.value}:{tag.value}" or "@" in head:
        return file.note(name, "write masu's image here and its tag beside it", to_do=True)
    edits = []
    for node, new in ((name, head), (tag, new_tag)):
        start = file.text.index(node.value, node.start_mark.index)
        edits.append(Edit(start=start, end=start + len(node.value), text=new))
    return Changes(edits=tuple(edits))


def _of_scalar(file: File, node: Any) -> Changes:
    raw = file.text[node.start_mark.index : node.end_mark.index]
    changes = Changes()
    position = node.start_mark.index
    for line in raw.splitlines(keepends=True):
        if not line.lstrip().startswith("#"):
            changes += _images(file.text, file.image, file.variables, position, line)
        position += len(line)
    other = images.foreign(node.value)
    if other:
        word = f"{other} takes settings of its own: run masu's image with a command instead, as docs/from-kaniko.md shows"
        changes += file.note(node, word, to_do=True)
    if "builds/use_kaniko" in node.value:
        changes += file.note(node, "gcloud's use_kaniko is Kaniko: name masu as a step in cloudbuild.yaml", to_do=True)
    bare = file.names_kaniko and command_lines.calls_bare(node.value)
    if not bare and not command_lines.mentions(node.value, file.variables):
        return changes
    script = file.scalar(node)
    if script is None:
        return changes + file.note(node, "can't be read for flags here: look at them by hand (docs/flags.md)", to_do=True)
    return changes + command_lines.in_script(file.text, script, file.variables)


def _images(text: str, given: str, variables: Mapping[str, str], position: int, line: str) -> Changes:
    edits, notes = [], []
    for image in images.found(line, variables):
        new, number = images.replacement(image, given), line_of(text, position + image.start)
        edits.append(Edit(start=position + image.start, end=position + image.end, text=new))
        if image.is_pinned and "@" not in new:
            notes.append(
                Note(line=number, text=f"{new} isn't pinned by a digest, as {image.text.partition('@')[0]} was: add masu's")
            )
        elif image.tag_varies:
            notes.append(Note(line=number, text=f"{new} has no variable in its tag, as {image.text} had: what sets that may go"))
        elif image.with_shell is None:
            notes.append(Note(line=number, text=f"{image.text} doesn't tell whether it has a shell: {new} has one"))
    return Changes(edits=tuple(edits), notes=tuple(notes))


def _of_mapping(file: File, node: Any, entries: Mapping[str, Any]) -> Changes:
    changes = _variables(file, node)
    if "uses" in entries:
        changes += actions.of_step(file.text, entries, action=file.action)
    image = entries.get("image", entries.get("name", entries.get("uses")))
    found = _kanikos(file, image)
    command = [item.value for key in ("command", "entrypoint") for item in _items(entries.get(key))]
    programs = list(command_lines.programs(command))
    if found or programs or actions.is_kanikos(entries.get("uses")):
        changes += _arguments(file, entries, of_warmer="warmer" in programs or bool(found and found.is_warmer and not programs))
        if found and found.is_warmer and not programs and "/" not in "".join(command):
            changes += _as_warmer(file, node, entries)
    if entries.get("name") is not None and entries["name"].value in _INPUTS:
        changes += _arguments(file, entries, of_warmer=False)
    for key, value in node.value:
        if key.id == value.id == "scalar" and _FLAGS.search(key.value) and value.value.lstrip().startswith("-"):
            flags = file.scalar(value)
            changes += command_lines.in_flags(file.text, flags, of_warmer=False) if flags else Changes()
    if _is_catalog(entries):
        changes += _catalogs(file, entries)
    return changes


def _kanikos(file: File, image: Any) -> images.Found | None:
    """The image of Kaniko that is named there, or by the variable or parameter that is named there."""
    if image is None or image.id != "scalar":
        return None
    return next(images.found(images.of_variable(image.value, file.variables), file.variables), None)


def _items(node: Any) -> list[Any]:
    """The plain items of a list; a word alone is one."""
    if node is None or node.id == "mapping":
        return []
    return [node] if node.id == "scalar" else [item for item in node.value if item.id == "scalar"]


def _arguments(file: File, entries: Mapping[str, Any], *, of_warmer: bool) -> Changes:
    """The flags of a container or step: wherever it has them."""
    changes = Changes()
    inputs = entries.get("with")
    nested = {key.value: value for key, value in inputs.value} if inputs is not None and inputs.id == "mapping" else {}
    for key in ("args", "command", "value", "default", *_INPUTS):
        given = nested.get(key, entries.get(key))
        if given is None or given.id == "mapping":
            continue
        if given.id == "sequence":
            items = [(item, file.scalar(item)) for item in given.value]
            if not any(value and command_lines.mentions(value.value, {}) and " " in value.value for _, value in items):
                changes += command_lines.in_list(file.text, items, given, of_warmer=of_warmer)
        elif given.value.lstrip().startswith("-"):
            value = file.scalar(given)
            changes += (
                command_lines.in_flags(file.text, value, of_warmer=of_warmer)
                if value
                else file.note(given, "look at the flags", to_do=True)
            )
    return changes


def _as_warmer(file: File, node: Any, entries: Mapping[str, Any]) -> Changes:
    """Masu has one image for both: the first argument says which it is."""
    args = entries.get("args", entries.get("command"))
    items = _items(args)
    if args is None or args.id != "sequence" or not items:
        return file.note(node, "masu's image is the executor: give it `warmer` as its first argument", to_do=True)
    if items[0].value == "warmer":
        return Changes()
    edit = command_lines.first_item(file.text, items, "warmer")
    return Changes(edits=(edit,)) + file.note(items[0], "masu has one image for both: its first argument is warmer")


def _of_sequence(file: File, node: Any) -> Changes:
    """A list of words that runs Kaniko's image, as the arguments of a docker step do."""
    items = [(item, file.scalar(item)) for item in node.value]
    for number, (_, value) in enumerate(items):
        image = next(images.found(value.value, file.variables), None) if value else None
        if image and value and image.text == value.value and any(other and other.value == "run" for _, other in items[:number]):
            rest = items[number + 1 :]
            changes = command_lines.in_list(file.text, rest, node, of_warmer=image.is_warmer) if rest else Changes()
            if image.is_warmer and rest:
                changes += Changes(edits=(command_lines.first_item(file.text, [item for item, _ in rest], "warmer"),))
            return changes
    return Changes()


def _variables(file: File, node: Any) -> Changes:
    """Kaniko's variables that do nothing are told; they may stay."""
    changes = Changes()
    for key, value in node.value:
        name = value if key.id == "scalar" and key.value == "name" and value.id == "scalar" else key
        word = str(name.value) if name.id == "scalar" else ""
        if word.startswith(_FEATURES):
            changes += file.note(name, f"{word} may go: masu always does what docker does")
        elif word in _NEEDLESS:
            changes += file.note(name, f"{word} may go: {_NEEDLESS[word]}")
    return changes


def _is_catalog(entries: Mapping[str, Any]) -> bool:
    """A reference to the catalog's Task, by name or through a resolver."""
    reference = entries.get("taskRef")
    if reference is None or reference.id != "mapping":
        return False
    return any(node.id == "scalar" and node.value == "kaniko" for node in _all(reference, set()))


def _catalogs(file: File, entries: Mapping[str, Any]) -> Changes:
    """Its parameter for the image is given, unless the file gives one itself, which then is changed as every image is."""
    params = entries.get("params")
    items = params.value if params is not None and params.id == "sequence" else []
    if any(value.value == _BUILDER for item in items if item.id == "mapping" for key, value in item.value if key.value == "name"):
        return Changes()
    if not items:
        return file.note(
            entries["taskRef"], f"a Task of the catalog: give it the parameter {_BUILDER} with masu's image", to_do=True
        )
    image = images.masus(file.image, with_shell=False)
    edit = command_lines.first_item(file.text, items, f"{{name: {_BUILDER}, value: '{image}'}}")
    return Changes(edits=(edit,)) + file.note(items[0], _TASK)

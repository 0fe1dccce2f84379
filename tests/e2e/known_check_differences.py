"""Where masu's build checks find something else than docker's engine: why, and what the engine finds.

A test fails when the engine comes to find something else. The rules are those of BuildKit's frontend 1.26; the engine's is older.
"""

from __future__ import annotations

from collections.abc import Mapping

Found = frozenset[tuple[int, str]]

# BuildKit, dockerfile2llb/convert.go: WithMergedConfigFromComments. In masu it holds for every rule, in BuildKit not for those
# that look at the whole file (ConsistentInstructionCasing, NoEmptyContinuation, stage names, default arguments, base platforms).
_COMMENT = "the engine doesn't know check directives above an instruction"
_NEWER = "the rule has changed since the engine's frontend"
_BLANK = "the engine takes comments above a blank line for descriptions, against its own documentation"
_PLATFORM = "the engine's --check doesn't look at --platform, its builds do"
_SLASH = "the engine doesn't see that /secret is secret"


def _at(rule: str, *lines: int) -> Found:
    return frozenset((line, rule) for line in lines)


def _skipped(rule: str, *lines: int) -> tuple[str, Found]:
    return _COMMENT, _at(rule, *lines)


KNOWN: Mapping[str, tuple[str, Found]] = {
    "StageNameCasing: skipped by the comment above, there alone": _skipped("StageNameCasing", 1, 3, 4),
    "ConsistentInstructionCasing: skipped by the comment above": _skipped("ConsistentInstructionCasing", 3, 5),
    "DuplicateStageName: skipped by the comment above": _skipped("DuplicateStageName", 3),
    "MaintainerDeprecated: skipped by the comment above": _skipped("MaintainerDeprecated", 2, 4),
    "LegacyKeyValueFormat: skipped by the comment above": _skipped("LegacyKeyValueFormat", 5, 6),
    "NoEmptyContinuation: skipped by the comment above": _skipped("NoEmptyContinuation", 5),
    "UndefinedArgInFrom: skipped by the comment above": _skipped("UndefinedArgInFrom", 4, 5),
    "InvalidDefaultArgInFrom: skipped by the comment above": _skipped("InvalidDefaultArgInFrom", 3),
    "RedundantTargetPlatform: skipped by the comment above": _skipped("RedundantTargetPlatform", 1, 3),
    "FromPlatformFlagConstDisallowed: skipped by the comment above": _skipped("FromPlatformFlagConstDisallowed", 1, 3),
    "InvalidBaseImagePlatform: skipped by the comment above": _skipped("InvalidBaseImagePlatform", 4),
    "UndefinedVar: skipped by the comment above": _skipped("UndefinedVar", 3, 4),
    "SecretsUsedInArgOrEnv: skipped by the comment above": _skipped("SecretsUsedInArgOrEnv", 2, 4),
    "JSONArgsRecommended: skipped by the comment above": _skipped("JSONArgsRecommended", 3, 4),
    "MultipleInstructionsDisallowed: skipped by a comment above the first": _skipped("MultipleInstructionsDisallowed", 3),
    "MultipleInstructionsDisallowed: skipped by a comment above the second": _skipped("MultipleInstructionsDisallowed", 2),
    "WorkdirRelativePath: skipped by the comment above": _skipped("WorkdirRelativePath", 3, 5),
    "CopyIgnoredFile: skipped by the comment above": _skipped("CopyIgnoredFile", 3, 5),
    "ExposeProtoCasing: skipped by the comment above": _skipped("ExposeProtoCasing", 2, 4),
    "ExposeInvalidFormat: skipped by the comment above": (
        _COMMENT,
        _at("ExposeInvalidFormat", 3, 4) | _at("ExposeProtoCasing", 4),
    ),
    "InvalidDefinitionDescription: a blank line sets it apart": (_BLANK, _at("InvalidDefinitionDescription", 5)),
    "InvalidBaseImagePlatform: the whole build is for another platform": (_PLATFORM, frozenset()),
    # validations.go, getSecretsRegex: "version" is newer
    "SecretsUsedInArgOrEnv: what is public, a file or a version": (_NEWER, _at("SecretsUsedInArgOrEnv", 2)),
    # validations.go, validateCopySourcePath: matcher.Exclusions() is newer
    "CopyIgnoredFile: rules with exceptions aren't judged": (_NEWER, _at("CopyIgnoredFile", 3)),
    # ruleset.go: it was experimental
    "CopyIgnoredFile: it need not be asked for": (_NEWER, frozenset()),
    "CopyIgnoredFile: a slash at the beginning means nothing": (_SLASH, frozenset()),
}

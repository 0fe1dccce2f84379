"""The build checks: BuildKit's rules under its names (docs/checks.md is made from this table); adding one is a row."""

from __future__ import annotations

from builder.dockerfile.lint.casing import CONSISTENT_INSTRUCTION_CASING, FROM_AS_CASING, STAGE_NAME_CASING
from builder.dockerfile.lint.choice import Choice
from builder.dockerfile.lint.commands import JSON_ARGS_RECOMMENDED, MULTIPLE_INSTRUCTIONS_DISALLOWED
from builder.dockerfile.lint.comments import INVALID_DEFINITION_DESCRIPTION
from builder.dockerfile.lint.deprecated import LEGACY_KEY_VALUE_FORMAT, MAINTAINER_DEPRECATED, NO_EMPTY_CONTINUATION
from builder.dockerfile.lint.linter import Finding, Linter
from builder.dockerfile.lint.origins import (
    FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    INVALID_BASE_IMAGE_PLATFORM,
    INVALID_DEFAULT_ARG_IN_FROM,
    REDUNDANT_TARGET_PLATFORM,
    UNDEFINED_ARG_IN_FROM,
)
from builder.dockerfile.lint.places import COPY_IGNORED_FILE, EXPOSE_INVALID_FORMAT, EXPOSE_PROTO_CASING, WORKDIR_RELATIVE_PATH
from builder.dockerfile.lint.rule import Rule
from builder.dockerfile.lint.stages import DUPLICATE_STAGE_NAME, RESERVED_STAGE_NAME
from builder.dockerfile.lint.variables import SECRETS_USED_IN_ARG_OR_ENV, UNDEFINED_VAR

__all__ = ["RULES", "Choice", "Finding", "Linter", "Rule"]

RULES: tuple[Rule, ...] = (
    STAGE_NAME_CASING,
    FROM_AS_CASING,
    NO_EMPTY_CONTINUATION,
    CONSISTENT_INSTRUCTION_CASING,
    DUPLICATE_STAGE_NAME,
    RESERVED_STAGE_NAME,
    JSON_ARGS_RECOMMENDED,
    MAINTAINER_DEPRECATED,
    UNDEFINED_ARG_IN_FROM,
    WORKDIR_RELATIVE_PATH,
    UNDEFINED_VAR,
    MULTIPLE_INSTRUCTIONS_DISALLOWED,
    LEGACY_KEY_VALUE_FORMAT,
    INVALID_BASE_IMAGE_PLATFORM,
    REDUNDANT_TARGET_PLATFORM,
    SECRETS_USED_IN_ARG_OR_ENV,
    INVALID_DEFAULT_ARG_IN_FROM,
    FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    COPY_IGNORED_FILE,
    INVALID_DEFINITION_DESCRIPTION,
    EXPOSE_PROTO_CASING,
    EXPOSE_INVALID_FORMAT,
)

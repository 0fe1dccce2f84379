"""JSON as strangers write it, and text as it may be in JSON of ours."""

from __future__ import annotations

import json
import re
from typing import Any

_NO_CHARACTER = "[\ud800-\udfff]"


def read_json(data: bytes) -> Any:
    """The document; raises ValueError, or RecursionError, also for text that can't be written again: halves of characters."""
    document = json.loads(data)
    if b"\\ud" in data.lower():
        json.dumps(document, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return document


def well_formed(text: str) -> str:
    """With U+FFFD for each byte that wasn't UTF-8, as Go's encoder writes it."""
    return re.sub(_NO_CHARACTER, "\ufffd", text)

"""JSON as strangers write it."""

from __future__ import annotations

import json
from typing import Any


def read_json(data: bytes) -> Any:
    """The document; raises ValueError, or RecursionError, also for text that can't be written again: halves of characters."""
    document = json.loads(data)
    if b"\\ud" in data.lower():
        json.dumps(document, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return document

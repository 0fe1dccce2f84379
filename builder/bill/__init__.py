"""The bill of materials of an image: which packages are in it, by what their package managers have written down.

Files of interest are read from the layers as they lie there, whiteouts applied; nothing is unpacked, nothing is run.
"""

from __future__ import annotations

from builder.bill.cyclonedx import document
from builder.bill.package import Contents, Package, System
from builder.bill.reading import read_contents
from builder.bill.spdx import spdx_document

__all__ = ["Contents", "Package", "System", "document", "read_contents", "spdx_document"]

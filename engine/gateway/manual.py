"""The table of keys in docs/configuration.md, made from the schema.

``python -m engine.gateway.manual FILE`` writes it anew between the file's markers.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from engine.gateway.schema import keys

BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"


def table() -> str:
    """Every key with its default and meaning, as Markdown."""
    rows = ["| key | default | change | meaning |", "| --- | --- | --- | --- |"]
    for key in keys():
        empty = key.type in ("dict", "list") or (key.default is None and "[]" in key.path)
        default = "" if empty else f"`{json.dumps(key.default)}`"
        change = "restart" if key.restart else "live"
        rows.append(f"| `{key.path}` | {default} | {change} | {key.meta} |")
    return "\n".join(rows)


def renewed(text: str) -> str:
    """The document with its table made anew."""
    block = f"{BEGIN}\n{table()}\n{END}"
    return re.sub(f"{BEGIN}.*{END}", lambda _: block, text, flags=re.DOTALL)


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(renewed(document.read_text(encoding="utf-8")), encoding="utf-8")

"""What notebooks show of files, data sets and objects. Knows none of them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any


def html_table(caption: str, names: Sequence[str], rows: Sequence[Sequence[Any]], most: int = 1000) -> str:
    def cells(row: Sequence[Any], tag: str) -> str:
        return (
            "<tr>"
            + "".join(f"<{tag} style='text-align:left'>{html.escape(str(cell))}</{tag}>" for cell in row)
            + "</tr>"
        )

    body = "".join(cells(row, "td") for row in rows[:most])
    more = f"<tr><td>... {len(rows) - most} more</td></tr>" if len(rows) > most else ""
    head = f"<p><code>{html.escape(caption)}</code></p><table><thead>{cells(names, 'th')}</thead>"
    return f"{head}<tbody>{body}{more}</tbody></table>"

"""What is in a file, of any format, as `mlaas inspect` shows it."""

from __future__ import annotations

from typing import Any

from .._units import show_bytes


def describe(file: Any, table: str | None = None, brief: bool = False) -> dict[str, Any]:
    """The file as the JSON of `mlaas inspect` has it."""
    info, tables = file.info, []
    for path, kind in file._open().tables():
        if table is not None and table not in (path, path.rpartition(";")[0]) and len(file.tables) > 1:
            continue
        one = file[path]
        row = {"path": path, "class": kind, "unsupported": None, "title": one.title, "entries": one.num_entries}
        names = list(one.columns) + list(one.unsupported)
        row["num_branches"] = len(names)
        row["clusters"] = one.clusters
        if not brief:
            infos = [one.column_info(name) for name in names]
            row["branches"] = [{"baskets" if k == "num_baskets" else k: v for k, v in i.items()} for i in infos]
        tables.append(row)
    return {"url": file.path, "id": info["id"], "size": info["size"], "tables": tables}


def page(about: dict[str, Any]) -> str:
    """The same for people."""
    count = len(about["tables"])
    lines = [about["url"], f"  {show_bytes(about['size'])}, {count} table{'s' * (count != 1)}", f"  id {about['id']}"]
    for table in about["tables"]:
        parts = len(table["clusters"])
        lines += ["", f"{table['path']}  {table['class']}"]
        lines.append(
            f"  {table['entries']:,} entries, {table['num_branches']} columns, {parts} cluster{'s' * (parts != 1)}"
        )
        rows = [(b["name"], b["type"], b["unsupported"] or "") for b in table.get("branches", [])]
        wide = [max((len(row[k]) for row in rows), default=0) for k in (0, 1)]
        for name, kind, reason in rows:
            text = f"  {name:<{wide[0]}}  {kind:<{wide[1]}}"
            lines.append(f"{text}  cannot be read: {reason}" if reason else text.rstrip())
    return "\n".join(lines)

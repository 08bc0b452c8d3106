"""Makes a C file of the page's files, so that the command needs no folder beside it. The form of the table is
src/serve/asset.h. Usage: embed.py OUTPUT ROOT FILE...
"""

import hashlib
import sys
from pathlib import Path

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def lines(data):
    """The bytes as the inside of a C initialiser, 24 a line."""
    for start in range(0, len(data), 24):
        yield "  " + ",".join(str(byte) for byte in data[start : start + 24]) + ","


def main(output, root, *names):
    files = sorted((Path(name).resolve().relative_to(Path(root).resolve()).as_posix(), Path(name)) for name in names)
    text = ["/* Made by tools/embed.py: do not edit. */", '#include "serve/asset.h"', ""]
    rows = []
    for number, (name, path) in enumerate(files):
        data = path.read_bytes()
        text += [f"static const unsigned char data_{number}[] = {{", *lines(data), "  0};", ""]
        tag = hashlib.sha256(data).hexdigest()[:16]
        rows.append(f'  {{"{name}", "{TYPES[path.suffix]}", "\\"{tag}\\"", data_{number}, {len(data)}}},')
    text += [
        "const struct mlaas_asset mlaas_assets[] = {",
        *rows,
        "};",
        f"const size_t mlaas_num_assets = {len(rows)};",
    ]
    Path(output).write_text("\n".join(text) + "\n")


main(*sys.argv[1:])

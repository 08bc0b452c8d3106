"""Seeds for fuzz_ntuple_*: envelopes and pages of small RNTuple files, inflated.

python fuzz/make_ntuple_seeds.py SEEDS FILE...     needs uproot; SEEDS is fuzz/seeds
"""

import pathlib
import struct
import sys

import uproot

EMPTY_PAGES = struct.pack("<QQIQiQ", 0, 0, 0, 48, 48, 256)  # a group without clusters, for fuzz_ntuple_footer


def inflate(data: bytes, seek: int, stored: int, size: int) -> bytes:
    if stored == size:
        return data[seek : seek + stored]
    chunk = uproot.source.chunk.Chunk.wrap(None, data[seek : seek + stored])
    return bytes(uproot.compression.decompress(chunk, uproot.source.cursor.Cursor(0), {}, stored, size).raw_data)


def framed(kind: int, payload: bytes, items: int = 0) -> bytes:
    if kind < 0:
        return struct.pack("<qI", -(len(payload) + 12), items) + payload
    return struct.pack("<q", len(payload) + 8) + payload


def envelopes(path: pathlib.Path):
    """Header, schema extension and page lists, without front and checksum."""
    data = path.read_bytes()
    with uproot.open(path) as file:
        key = file.key(next(name for name in file.keys() if file.key(name).fClassName == "ROOT::RNTuple"))
        words = struct.unpack_from(">7Q", bytes(key.get_uncompressed_chunk_cursor()[0].raw_data), 14)
    header, footer = inflate(data, *words[0:3])[8:-8], inflate(data, *words[3:6])[8:-8]
    size = struct.unpack_from("<q", footer, 16)[0]
    extension, lists, at = footer[24 : 16 + size], [], 16 + size
    groups, at = struct.unpack_from("<I", footer, at + 8)[0], at + 12
    for _ in range(groups):
        frame, _, _, _, length, stored, seek = struct.unpack_from("<qQQIQiQ", footer, at)
        lists.append(inflate(data, seek, stored, length)[8:-8])
        at += frame
    return header, extension, lists


def main() -> None:
    seeds = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:]:
        path = pathlib.Path(name)
        header, extension, lists = envelopes(path)
        both = struct.pack("<H", len(header)) + header
        groups = framed(-1, 2 * framed(1, EMPTY_PAGES), 2)
        footer = bytes(16) + framed(1, extension) + groups + framed(-1, b"")
        made = {"header": [header], "footer": [both + footer]}
        made["pagelist"] = [both + struct.pack("<H", len(extension)) + extension + pages for pages in lists[:1]]
        for target, inputs in made.items():
            folder = seeds / f"fuzz_ntuple_{target}"
            folder.mkdir(parents=True, exist_ok=True)
            for content in inputs:
                (folder / path.stem).write_bytes(content)
    folder = seeds / "fuzz_ntuple_page"
    folder.mkdir(parents=True, exist_ok=True)
    for kind in range(0x1E):
        (folder / f"type-{kind:02x}").write_bytes(struct.pack("<BBHHH", kind, 11, 40, 3, 37) + bytes(range(7, 247, 3)))


if __name__ == "__main__":
    main()

"""Seeds for fuzz_open: files whose metadata are stored plainly, so that mutations reach the decoders behind the codecs.

    python fuzz/make_seeds.py OUT FILE...             needs uproot; small files only
    python fuzz/make_seeds.py --records OUT FILE...   the payloads alone, for fuzz_streamer and fuzz_tree

Appends each object's inflated record to the file and points its key, or the header, there.
"""

import pathlib
import struct
import sys

import uproot


def plain_record(data: bytes, seek: int, payload: bytes) -> bytes:
    """The record at `seek` with its payload stored."""
    key_len = struct.unpack_from(">h", data, seek + 14)[0]
    head = bytearray(data[seek : seek + key_len])
    struct.pack_into(">i", head, 0, key_len + len(payload))
    struct.pack_into(">i", head, 6, len(payload))
    return bytes(head) + payload


def rewrite(path: pathlib.Path) -> bytes:
    data = bytearray(path.read_bytes())
    with uproot.open(path) as file:
        keys = [file.key(name) for name in file.keys(recursive=False, cycle=True)]
        objects = [(key, bytes(key.get_uncompressed_chunk_cursor()[0].raw_data)) for key in keys if key.fObjlen]
        info = file.file.fSeekInfo
        list_at = file.fSeekKeys
        streamers = None
        if info:  # the list of TStreamerInfo
            cursor = uproot.source.cursor.Cursor(info)
            chunk = file.file.source.chunk(info, info + file.file.fNbytesInfo)
            key = uproot.reading.ReadOnlyKey(chunk, cursor, {}, file.file, file.file, read_strings=True)
            streamers = bytes(key.get_uncompressed_chunk_cursor()[0].raw_data)
    for key, payload in objects:
        entry = data.find(data[key.fSeekKey : key.fSeekKey + 26][:18], list_at)
        record = plain_record(data, key.fSeekKey, payload)
        if entry >= 0:
            struct.pack_into(">i", data, entry, len(record))
            struct.pack_into(">i", data, entry + 18, len(data))
        data += record
    if streamers:
        record = plain_record(data, info, streamers)
        struct.pack_into(">i", data, 37, len(data))
        struct.pack_into(">i", data, 41, len(record))
        data += record
    struct.pack_into(">i", data, 12, len(data))
    return bytes(data)


def payloads(path: pathlib.Path) -> tuple[bytes, list[bytes]]:
    """The streamer info, and the records of the trees."""
    with uproot.open(path) as file:
        trees = [file.key(name) for name, kind in file.classnames(cycle=True).items() if kind in ("TTree", "TNtuple")]
        streamers = b""
        if file.file.fSeekInfo:
            start = file.file.fSeekInfo
            chunk = file.file.source.chunk(start, start + file.file.fNbytesInfo)
            cursor = uproot.source.cursor.Cursor(start)
            key = uproot.reading.ReadOnlyKey(chunk, cursor, {}, file.file, file.file, read_strings=True)
            streamers = bytes(key.get_uncompressed_chunk_cursor()[0].raw_data)
        return streamers, [bytes(key.get_uncompressed_chunk_cursor()[0].raw_data) for key in trees]


def write_records(out: pathlib.Path, path: pathlib.Path) -> None:
    streamers, trees = payloads(path)
    for target, name, data in [
        ("fuzz_streamer", path.stem, streamers),
        *(
            ("fuzz_tree", f"{path.stem}-{i}", struct.pack("<I", len(streamers)) + streamers + tree)
            for i, tree in enumerate(trees[:3])
        ),
    ]:
        (out / target).mkdir(parents=True, exist_ok=True)
        if 0 < len(data) < 150_000:
            (out / target / name).write_bytes(data)


def main() -> None:
    names = [name for name in sys.argv[1:] if name != "--records"]
    out = pathlib.Path(names[0])
    out.mkdir(parents=True, exist_ok=True)
    for path in map(pathlib.Path, names[1:]):
        try:
            if "--records" in sys.argv:
                write_records(out, path)
            else:
                (out / path.name).write_bytes(rewrite(path))
        except Exception as error:  # what uproot cannot open is no seed
            print(f"{path}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()

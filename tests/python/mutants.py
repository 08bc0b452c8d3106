"""Opens and reads everything of damaged copies of a file; run by test_bad_input.py under limits of time and memory.

mutants.py FILE SCRATCH truncate|flip SEED COUNT prints one JSON line: how often it was read, refused, how many columns
had other values than before without a word, and what was wrong with a refusal (no message, no name of the file).
"""

import json
import random
import sys

import mlaas


def damage(good: bytes, kind: str, random_: random.Random) -> bytes:
    if kind == "truncate":
        return good[: random_.randrange(len(good))]
    data = bytearray(good)
    for _ in range(random_.choice((1, 1, 1, 2, 8))):
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    return bytes(data)


def read_all(path: str) -> tuple[int, dict]:
    """Reads every column of every table by itself, so that a bad one does not hide the next: refusals, values."""
    refused, values = 0, {}
    with mlaas.open(path, memory="64 MB", threads=1) as file:
        for name in file.tables:
            try:
                table = file[name]
            except mlaas.Error as error:
                complain(error)
                refused += 1
                continue
            for column in table.columns:
                try:
                    values[name, column] = repr(table.arrays([column], library="ak").tolist())
                except mlaas.Error as error:
                    complain(error)
                    refused += 1
    return refused, values


wrong: list = []


def complain(error: mlaas.Error):
    if not error.message or SCRATCH not in str(error) or error.status in ("OK", "BUG"):
        wrong.append(f"{error.status}: {error}")


GOOD, SCRATCH, KIND, SEED, COUNT = sys.argv[1:]
numbers, counts = random.Random(int(SEED)), {"read": 0, "refused": 0, "different": 0}
good = open(GOOD, "rb").read()
_, expected = read_all(GOOD)
for _ in range(int(COUNT)):
    with open(SCRATCH, "wb") as stream:
        stream.write(damage(good, KIND, numbers))
    try:
        refused, values = read_all(SCRATCH)
    except mlaas.Error as error:
        complain(error)
        refused, values = 1, {}
    counts["different"] += sum(values[key] != expected[key] for key in values.keys() & expected.keys())
    counts["refused" if refused else "read"] += 1
print(json.dumps({**counts, "wrong": wrong[:5]}))

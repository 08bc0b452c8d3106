"""How many events of each file the original reads, and in which chunk. Plain arithmetic: it must not open files.

The rules are those of the original's iterator over mixed files, with its rounding (Python's, to even) and its flag that
stays set once any file has run out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .failures import failure


def quotas(files: Sequence[str], entries: Mapping[str, int], nevts: int) -> dict[str, int]:
    """Events to read of each file in all: everything, or a rounded share of `nevts` that is at least one."""
    counts = {name: entries[name] for name in files}
    if nevts == -1:
        return counts
    total = sum(entries[name] for name in files)
    if total == 0:
        raise failure(
            "ArgumentError", "ZeroDivisionError", "no file has an event, so no share of nevts can be computed"
        )
    for name in files:
        counts[name] = round(counts[name] / total * nevts) or 1
    return counts


def takes(files: Sequence[str], counts: Mapping[str, int], total: int, nevts: int, chunk_size: int) -> dict[str, int]:
    """Events that a full chunk takes of each file; `counts` are the quotas, `total` the entries of all files."""
    whole = total if nevts == -1 else nevts
    if whole == 0:
        raise failure("ArgumentError", "ZeroDivisionError", "there is no event to read (nevts 0, or empty files)")
    return {name: round(counts[name] / whole * chunk_size) for name in files}


def check_end(name: str, entries: int, done: int, events: int, chunk_size: int) -> None:
    """Raises what the original raised when `events` more were asked of a file that has given `done` of `entries`."""
    if events <= 0 or done + events <= entries:
        return
    text = f"asked for {done + events} events, the tree has {entries}: the shares of nevts and chunk_size do not fit"
    if entries == 0:
        raise failure("ArgumentError", "ZeroDivisionError", text, name)
    whole_chunks = entries % min(chunk_size, entries) == 0
    raise failure("ArgumentError", "ValueError" if whole_chunks else "UnboundLocalError", text, name)


class Takes:
    """Walks through the chunks of a run: `chunk()` yields (file, events); `count()` books what was read of it.

    Each step must be counted before the next is asked for: the number of events of a step depends on it.
    """

    def __init__(self, files: Sequence[str], entries: Mapping[str, int], nevts: int = -1, chunk_size: int = 1000):
        self.files = list(files)
        self.chunk_size = chunk_size
        self.total = sum(entries[name] for name in self.files)
        self.quotas = quotas(self.files, entries, nevts)
        self.takes = takes(self.files, self.quotas, self.total, nevts, chunk_size)
        self.done = {name: 0 for name in self.files}
        self.finished = False
        self._position = 0
        self._first_was_read = False

    def chunk(self) -> Iterator[tuple[str, int]]:
        """The steps of the next chunk in file order. Call only while `finished` is false."""
        start = self._position
        self._first_was_read = False
        for name in self.files:
            events = self._events(name, start)
            if events is not None:
                yield name, events
        if not self._first_was_read:
            self._fail_first_take()

    def count(self, name: str, events: int) -> None:
        self.done[name] += events
        self._position += events
        self._first_was_read = self._first_was_read or name == self.files[0]
        if not self._first_was_read:
            self._fail_first_take()
        if events < 0:
            text = f"the others' rounded shares leave {events} events of a chunk of {self.chunk_size} to this file"
            raise failure("ArgumentError", "ValueError", text, name)

    def _events(self, name: str, start: int) -> int | None:
        """Events of this file in this chunk; None when it is left out."""
        events = self.takes[name]
        if events + self.done[name] >= self.quotas[name]:
            self.finished = True
        if self.finished:
            return self.quotas[name] - self.done[name]
        if events == 0:
            return None
        if name == self.files[-1] and (self._position + events) % self.chunk_size != 0:
            return start + self.chunk_size - self._position
        return events

    def _fail_first_take(self) -> None:
        text = f"its share of a chunk of {self.chunk_size} events rounds to 0, and it is the first file"
        raise failure("ArgumentError", "UnboundLocalError", text, self.files[0])

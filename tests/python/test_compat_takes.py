"""The original's shares and chunks as plain arithmetic: the published table of its takes, row by row."""

import mlaas
import pytest
from mlaas.compat import Takes
from mlaas.compat.takes import check_end

NINE = [38036, 20000, 90000, 60000, 30000, 40000, 20000, 30000, 21964]


def walk(sizes, nevts, chunk_size):
    """(takes, rows of each chunk, events read of each file, error or None) of a run without any file."""
    entries = {f"file{i}": size for i, size in enumerate(sizes)}
    plan = Takes(list(entries), entries, nevts, chunk_size)
    rows, error = [], None
    try:
        while not plan.finished:
            chunk = 0
            for name, events in plan.chunk():
                check_end(name, entries[name], plan.done[name], events, chunk_size)
                plan.count(name, events)
                chunk += events
            rows.append(chunk)
    except mlaas.Error as caught:
        error = caught
    return list(plan.takes.values()), rows, list(plan.done.values()), error


ROWS = [
    # sizes, nevts, chunk; takes; chunks, first, last; lost of what was asked for
    ([476963, 491653], 50000, 10000, [4924, 5076], 5, 10000, 9999, 1),
    ([1000, 1030], 500, 100, [49, 51], 5, 100, 99, 1),
    ([1000, 1030], -1, 100, [49, 51], 21, 100, 30, 0),
    (NINE, -1, 97, [11, 6, 25, 17, 8, 11, 6, 8, 6], 3334, 97, 25337, 1362),
    (NINE, -1, 1000, [109, 57, 257, 171, 86, 114, 57, 86, 63], 349, 1000, 2000, 0),
    ([100] * 7, -1, 10, [1] * 7, 26, 10, 6, 444),
]


@pytest.mark.parametrize("sizes, nevts, chunk_size, takes, chunks, first, last, lost", ROWS)
def test_published_takes(sizes, nevts, chunk_size, takes, chunks, first, last, lost):
    got_takes, rows, _, error = walk(sizes, nevts, chunk_size)
    assert error is None
    assert got_takes == takes
    assert (len(rows), rows[0], rows[-1]) == (chunks, first, last)
    assert (sum(sizes) if nevts == -1 else nevts) - sum(rows) == lost


def test_last_of_equal_files_is_read_whole_and_the_others_are_not():
    _, _, done, _ = walk([100] * 7, -1, 10)
    assert done == [26] * 6 + [100]


def test_small_file_in_the_middle_is_never_in_a_full_chunk():
    takes, rows, done, error = walk([100000, 10, 5000], -1, 1000)
    assert error is None
    assert takes == [952, 0, 48]
    assert (len(rows), rows[0], rows[-1]) == (105, 1000, 960)
    assert done == [99960, 0, 5000]


def test_first_file_too_small_for_a_chunk_fails_where_the_original_did():
    takes, rows, _, error = walk([10, 100000], -1, 1000)
    assert takes == [0, 1000] and rows == []
    assert isinstance(error, mlaas.ArgumentError)
    assert error.original == "UnboundLocalError"
    assert str(error) == (
        "file0: its share of a chunk of 1000 events rounds to 0, and it is the first file; "
        "the original stops here with UnboundLocalError"
    )


@pytest.mark.parametrize(
    "nevts, chunk_size, chunks, original",
    [(-1, 24, 16, "UnboundLocalError"), (-1, 11, 0, "ValueError"), (350, 10, 13, "ValueError")],
)
def test_seven_equal_files_that_the_original_could_not_finish(nevts, chunk_size, chunks, original):
    _, rows, _, error = walk([100] * 7, nevts, chunk_size)
    assert len(rows) == chunks
    assert error.original == original


def test_one_event_from_two_files_gives_two():
    takes, rows, done, _ = walk([17500, 70000], 1, 1000)
    assert rows == [2] and done == [1, 1]


def test_published_shares_of_the_two_samples():
    """948348 signal and 1003980 background events, 30000 in chunks of 10000."""
    entries = {"ttH": 948348, "TT": 1003980}
    assert Takes(list(entries), entries, 30000, 10000).takes == {"ttH": 4858, "TT": 5142}


def test_no_events_at_all_is_an_error_that_says_so():
    with pytest.raises(mlaas.ArgumentError, match="no file has an event") as caught:
        Takes(["a"], {"a": 0}, 10, 10)
    assert caught.value.original == "ZeroDivisionError"

"""Files of other formats on servers: by the library's own protocols, so with their tokens, retries and counters."""

from __future__ import annotations

import h5py
import mlaas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 5000


def write_all(folder):
    table = pa.table({"a": np.arange(float(ROWS)), "b": [[float(i)] * (i % 3) for i in range(ROWS)]})
    pq.write_table(table, folder / "x.parquet", row_group_size=1000)
    with pa.ipc.new_file(folder / "x.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=1000)
    (folder / "x.csv").write_text("a\n" + "".join(f"{i}\n" for i in range(ROWS)))
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("a", data=np.arange(float(ROWS)), chunks=(500,))
    np.savez(folder / "x.npz", a=np.arange(float(ROWS)))
    return [folder / f"x.{end}" for end in ("parquet", "arrow", "csv", "h5", "npz")]


def test_a_group_of_rows_is_one_request(nginx, tmp_path):
    """All columns of a group together, both ends of the file together, no byte twice."""
    table = pa.table({f"x{i}": np.random.default_rng(i).normal(size=40_000) for i in range(8)})
    pq.write_table(table, tmp_path / "wide.parquet", row_group_size=10_000)
    size = (tmp_path / "wide.parquet").stat().st_size
    with mlaas.open(nginx.http(nginx.add(tmp_path / "wide.parquet"))) as file:
        opened = file.costs
        arrays = file[None].arrays(["x1", "x5"])
        one = {key: value - opened[key] for key, value in file.costs.items()}
        file[None].arrays()
        costs = file.costs
    assert np.array_equal(arrays["x5"], table["x5"].to_numpy())
    assert opened["requests"] <= 3 and opened["delivered"] < 2 * 256 * 1024 + 2000
    assert one["requests"] <= 4 and one["bytes"] < 0.3 * size
    assert costs["delivered"] < 1.1 * costs["bytes"] and costs["requests"] <= 12


def test_a_text_is_fetched_ahead(nginx, tmp_path):
    rows = 200_000
    (tmp_path / "long.csv").write_text("a,b\n" + "".join(f"{i},{i * 0.123456789}\n" for i in range(rows)))
    with mlaas.open(nginx.http(nginx.add(tmp_path / "long.csv"))) as file:
        assert file[None].num_entries == rows
        costs = file.costs
    assert costs["hits"] > 0.8 * costs["ranges"]


def late_fraction(rows):
    return "a,b\n" + "".join(f"{i},{'x' * 60}\n" for i in range(rows)) + "0.5,y\n"


def lines_of(rows):
    return "".join(f'{{"a": {i}, "b": "{"x" * 60}"}}\n' for i in range(rows))


@pytest.mark.parametrize(
    ("name", "text", "last"),
    [
        ("short.csv", "a,b\n" + "1,2\n" * 200_000, 1),
        ("late.csv", late_fraction(80_000), 0.5),  # beyond the first block: all passes again
        ("lines.jsonl", lines_of(30_000), 29_999),
        ("list.json", "[" + ",".join(lines_of(30_000).splitlines()) + "]", 29_999),
    ],
)
def test_several_passes_fetch_once(nginx, tmp_path, name, text, last):
    """Types are found in a pass of its own, and values read in another: the bytes come from the server once."""
    (tmp_path / name).write_text(text)
    with mlaas.open(nginx.http(nginx.add(tmp_path / name))) as file:
        assert file[None].arrays(["a"])["a"][-1] == last
        costs = file.costs
    assert costs["delivered"] < len(text) + 2 * 256 * 1024 + 4000


def test_no_room_to_keep_what_came(nginx, tmp_path, monkeypatch):
    """What cannot be kept between two passes is fetched again."""
    monkeypatch.setattr("os.pwrite", lambda *_: 0)
    text = lines_of(30_000)
    with mlaas.open(nginx.http(nginx.put("again.jsonl", text.encode()))) as file:
        assert file[None].num_entries == 30_000
        assert file.costs["delivered"] > 2 * len(text)


def check(url):
    table = mlaas.open(url)[None]
    assert np.array_equal(table.arrays(["a"])["a"], np.arange(ROWS)), url
    loader = mlaas.Loader([url], [1], {"batch_size": 500}, split="all", shuffle=False)
    assert sum(batch.rows for batch in loader) == ROWS


def test_http(nginx, tmp_path):
    for path in write_all(tmp_path):
        nginx.put(path.name, path.read_bytes())
        check(nginx.http(path.name))
    with pytest.raises(mlaas.NotFoundError, match="absent.parquet"):
        mlaas.open(nginx.http("absent.parquet"))


def test_replicas(nginx, tmp_path):
    path = write_all(tmp_path)[0]
    nginx.put(path.name, path.read_bytes())
    check(f"http://localhost:9/{path.name}|{nginx.http(path.name)}")


def test_s3(s3, tmp_path, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    for path in write_all(tmp_path)[:3]:
        s3.put(path.name, path.read_bytes())
        check(s3.s3(path.name))


def test_xrootd(xrootd, tmp_path):
    for path in write_all(tmp_path)[:3]:
        xrootd.put(path.name, path.read_bytes())
        check(xrootd.root(path.name))

"""mlaas convert: every format to every other, compared by the formats' own libraries."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import awkward as ak
import mlaas
import mlaas.formats
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
import uproot
from mlaas.formats import _convert
from test_formats import ROWS, arrow_table, events, flat, write_parquet, write_root

MLAAS = os.path.join(os.environ.get("MLAAS_BUILD", "build"), "src", "cli", "mlaas")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("convert")
    write_root(folder / "x.root", events())
    write_parquet(str(folder / "x.parquet"), events())
    write_root(folder / "flat.root", flat(events()))
    return folder


def read_arrow(path):
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def read_tree(path):
    with uproot.open(path) as file:
        arrays = file["events"].arrays()
        return {name: arrays[name] for name in arrays.fields}


READERS = {
    "parquet": pq.read_table,
    "arrow": read_arrow,
    "feather": feather.read_table,
    "orc": orc.read_table,
    "jsonl": lambda path: pa.Table.from_pylist([json.loads(line) for line in open(path)]),
    "root": read_tree,
    "rntuple": read_tree,
}


@pytest.mark.parametrize("source", ["x.root", "x.parquet"])
@pytest.mark.parametrize("to", READERS)
def test_same_values(sources, tmp_path, source, to):
    out = tmp_path / f"out.{to}"
    done = mlaas.formats.convert(sources / source, out, to=to)
    assert done["rows"] == ROWS and done["left_out"] == {}
    found = READERS[to](out)
    for name, values in events().items():
        column = found[name].to_pylist() if isinstance(found, pa.Table) else ak.to_list(found[name])
        assert column == ak.to_list(values), name
    if to in ("parquet", "arrow", "feather", "orc"):
        assert found["event"].type == pa.int64() and found["met"].type == pa.float32()
    if to in ("root", "rntuple"):
        assert str(ak.type(found["jet_pt"])).endswith("float32")
    assert os.listdir(tmp_path) == [out.name]


def test_csv_gives_the_same_numbers(sources, tmp_path):
    mlaas.formats.convert(sources / "flat.root", tmp_path / "x.csv")
    arrays = mlaas.open(tmp_path / "x.csv")[None].arrays()
    for name, values in flat(events()).items():
        assert np.array_equal(arrays[name], values), name


def test_a_tree_again_has_one_counter_each(sources, tmp_path):
    mlaas.formats.convert(sources / "x.root", tmp_path / "again.root")
    assert sorted(mlaas.open(tmp_path / "again.root")[None].columns) == sorted(
        mlaas.open(sources / "x.root")[None].columns
    )


def test_several_inputs_and_columns(sources, tmp_path):
    files = [sources / "x.root", sources / "x.parquet"]
    done = mlaas.formats.convert(files, tmp_path / "x.arrow", columns=["event", "jet_*"])
    table = read_arrow(tmp_path / "x.arrow")
    assert done["rows"] == 2 * ROWS and table.column_names == ["event", "jet_pt", "jet_eta"]
    assert table["event"].to_pylist() == 2 * events()["event"].tolist()


def test_missing_values_and_structs_are_kept(tmp_path):
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "jets": pa.array([[{"pt": 1.5}], None]),
            "when": pa.array([0, None], pa.timestamp("us")),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    mlaas.formats.convert(tmp_path / "x.parquet", tmp_path / "x.arrow")
    assert read_arrow(tmp_path / "x.arrow").to_pylist() == table.to_pylist()
    done = mlaas.formats.convert(tmp_path / "x.parquet", tmp_path / "x.root")
    assert list(done["left_out"]) == ["when"]
    arrays = read_tree(tmp_path / "x.root")
    assert ak.to_list(arrays["jets.pt"]) == [[1.5], []] and str(ak.to_list(arrays["i"])) == "[1.0, nan]"


def test_no_rows(tmp_path):
    pq.write_table(pa.table({"a": pa.array([], pa.float32())}), tmp_path / "x.parquet")
    for to in ("arrow", "parquet", "orc", "csv", "jsonl", "root", "rntuple"):
        done = mlaas.formats.convert(tmp_path / "x.parquet", tmp_path / f"y.{to}", to=to)
        assert done["rows"] == 0 and os.path.exists(tmp_path / f"y.{to}")
    assert mlaas.open(tmp_path / "y.root")["events"].num_entries == 0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    """Ten times the rows, the same peak of Arrow's memory."""
    peaks = []
    for rows in (300_000, 3_000_000):
        pq.write_table(
            pa.table({"x": np.arange(rows), "y": np.arange(rows) * 0.5}), tmp_path / "x.parquet", row_group_size=100_000
        )
        pool = pa.proxy_memory_pool(pa.default_memory_pool())
        before = pa.default_memory_pool()
        pa.set_memory_pool(pool)
        try:
            mlaas.formats.convert(tmp_path / "x.parquet", tmp_path / "y.arrow")
        finally:
            pa.set_memory_pool(before)
        peaks.append(pool.max_memory())
    assert peaks[1] < 1.5 * peaks[0] + 1_000_000


@pytest.mark.parametrize(
    "out, options, kind, words",
    [
        ("y.xyz", {}, mlaas.ArgumentError, "names no format"),
        ("y.csv", {}, mlaas.UnsupportedError, "CSV has no lists"),
        ("y.parquet", {"columns": ["nosuch"]}, mlaas.NotFoundError, "nosuch"),
        ("x.root", {}, mlaas.ArgumentError, "one of the inputs"),
        ("absent/y.parquet", {}, mlaas.IOError, "absent"),
        ("s3://bucket/y.parquet", {}, mlaas.ArgumentError, "local file"),
    ],
)
def test_refused(sources, tmp_path, out, options, kind, words):
    write_root(tmp_path / "x.root", events())
    with pytest.raises(kind, match=words):
        mlaas.formats.convert(tmp_path / "x.root", out if "://" in out else tmp_path / out, **options)
    assert os.listdir(tmp_path) == ["x.root"]


def test_inputs_with_other_columns(sources, tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "b.parquet")
    with pytest.raises(mlaas.SchemaError, match="no column 'b'"):
        mlaas.formats.convert([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "c.arrow")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(mlaas.SchemaError, match="do not fit"):
        mlaas.formats.convert([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "c.arrow")
    pq.write_table(pa.table({"a": [0.5]}), tmp_path / "b.parquet")
    mlaas.formats.convert([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "c.arrow")
    assert read_arrow(tmp_path / "c.arrow").to_pylist() == [{"a": 1.0}, {"a": 0.5}]


def test_damaged_input_leaves_nothing(sources, tmp_path):
    data = bytearray((sources / "x.parquet").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(mlaas.Error, match="x.parquet"):
        mlaas.formats.convert(tmp_path / "x.parquet", tmp_path / "y.arrow")
    assert os.listdir(tmp_path) == ["x.parquet"]


# ---- the command ----


def run(*arguments):
    import sys

    build = os.environ.get("MLAAS_BUILD", "build")
    env = {**os.environ, "MLAAS_PYTHON": sys.executable, "PYTHONPATH": os.path.abspath(os.path.join(build, "python"))}
    return subprocess.run([MLAAS, *map(str, arguments)], capture_output=True, text=True, env=env)


@pytest.mark.slow
def test_command(sources, tmp_path):
    done = run("convert", "--columns", "event,met", sources / "x.root", sources / "x.parquet", tmp_path / "y.csv")
    assert done.returncode == 0 and f"{2 * ROWS} events" in done.stdout, done.stderr
    done = run("specs", "--files", tmp_path / "y.csv", "--out", tmp_path / "specs.json", "--quiet")
    assert done.returncode == 0 and "met" in done.stdout, done.stderr
    columns = mlaas.specs([str(tmp_path / "y.csv")]).columns
    assert mlaas.Specs.read(tmp_path / "specs.json").columns == columns
    done = run("inspect", tmp_path / "y.csv", sources / "x.parquet")
    assert done.returncode == 0 and "6,000 entries" in done.stdout and "list<element: float" in done.stdout
    assert arrow_table(events()).num_columns == 7


@pytest.mark.slow
def test_command_on_servers(sources, tmp_path, nginx):
    """Patterns, options, the redirector and counters are those of the other commands."""
    for name in ("x.root", "x.parquet"):
        nginx.add(sources / name, f"conv/{name}")
    (tmp_path / "token").write_text("token-of-the-test")
    (tmp_path / "token").chmod(0o600)
    options = ["--token-file", tmp_path / "token", "--insecure", "--columns", "event,met", "--verbose"]
    done = run("convert", *options, nginx.http("token/conv/x.root"), nginx.http("conv/x.p*"), tmp_path / "y.arrow")
    assert done.returncode == 0 and f"{2 * ROWS} events" in done.stdout, done.stderr
    assert done.stdout.count(" requests for ") == 2
    assert read_arrow(tmp_path / "y.arrow")["event"].to_pylist() == 2 * events()["event"].tolist()
    done = run("convert", "conv/x.parquet", tmp_path / "z.arrow", "--redirector", nginx.http().rstrip("/"))
    assert done.returncode == 0, done.stderr
    done = run("convert", nginx.http("token/conv/x.root"), tmp_path / "w.arrow")
    assert done.returncode == 4 and "401" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["token", "y.arrow", "z.arrow"]


def test_many_inputs(tmp_path):
    """More than are open at a time."""
    for i in range(40):
        pq.write_table(pa.table({"i": [i]}), tmp_path / f"x{i:02}.parquet")
    done = mlaas.formats.convert(tmp_path / "x*.parquet", tmp_path / "y.arrow")
    assert done["rows"] == 40 and read_arrow(tmp_path / "y.arrow")["i"].to_pylist() == list(range(40))


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["convert", "nosuch.parquet", "y.arrow"], 3, "nosuch.parquet"),
        (["convert", "a.parquet"], 2, "FILE... OUT"),
        (["specs", "--files", "nosuch.csv"], 3, "nosuch.csv"),
        (["inspect", "--verify", "x.parquet"], 2, "ROOT files only"),
    ],
)
def test_command_refuses(arguments, code, words):
    done = run(*arguments)
    assert done.returncode == code and words in done.stderr, done.stderr


def test_an_interrupt_waits_for_one_stretch_of_text(tmp_path, monkeypatch):
    """All rows are one group; the signal comes with the first rows of it that are written."""
    rows = 100_000
    pq.write_table(pa.table({"x": np.arange(rows), "y": np.arange(rows) / 7}), tmp_path / "x.parquet")
    written = []

    class Told(_convert._WRITERS["csv"]):
        def __init__(self, path, schema):
            super().__init__(path, schema)
            self.real, self.writer = self.writer, self

        def write_batch(self, batch):
            written.append(batch.num_rows)
            self.real.write_batch(batch)
            os.kill(os.getpid(), signal.SIGINT)

        def close(self):
            self.real.close()

    monkeypatch.setitem(_convert._WRITERS, "csv", Told)
    with pytest.raises(KeyboardInterrupt):
        mlaas.formats.convert(str(tmp_path / "x.parquet"), tmp_path / "y.csv")
    assert len(written) == 1 and written[0] < rows / 10
    assert os.listdir(tmp_path) == ["x.parquet"]
    monkeypatch.undo()
    assert mlaas.formats.convert(str(tmp_path / "x.parquet"), tmp_path / "y.csv")["rows"] == rows
    assert pa.csv.read_csv(tmp_path / "y.csv").equals(pq.read_table(tmp_path / "x.parquet"))


def test_measured_numbers_get_no_dictionary_in_parquet(tmp_path):
    """Looking for one takes several times as long as writing them."""
    measured = pa.array([[1.5, 2.5], [3.5]], pa.list_(pa.float32()))
    pair = pa.array([{"n": 1, "e": 0.5}, {"n": 1, "e": 1.5}])
    table = pa.table({"x": [1.5, 2.5], "n": [7, 7], "name": ["a", "a"], "jets": measured, "ids": [[1], [1]], "p": pair})
    pq.write_table(table, tmp_path / "x.parquet")
    mlaas.formats.convert(str(tmp_path / "x.parquet"), tmp_path / "y.parquet")
    assert pq.read_table(tmp_path / "y.parquet").equals(table)
    group = pq.read_metadata(tmp_path / "y.parquet").row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    with_one = {one.path_in_schema for one in columns if one.has_dictionary_page}
    assert with_one == {"n", "name", "ids.list.element", "p.n"}


def test_a_handler_that_does_not_raise_does_not_end_a_conversion(sources, tmp_path, monkeypatch):
    """The signal comes between two batches: the reading of the next one is interrupted, and made again."""
    came = []

    class Told(_convert._WRITERS["arrow"]):
        def append(self, table):
            os.kill(os.getpid(), signal.SIGINT)
            super().append(table)

    monkeypatch.setattr(_convert, "_GROUP_ROWS", 1)
    monkeypatch.setitem(_convert._WRITERS, "arrow", Told)
    before = signal.signal(signal.SIGINT, lambda *_: came.append(1))
    try:
        done = mlaas.formats.convert([str(sources / "x.root")] * 2, tmp_path / "y.arrow")
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(came) > 1 and done["rows"] == 2 * ROWS
    assert read_arrow(tmp_path / "y.arrow").num_rows == 2 * ROWS

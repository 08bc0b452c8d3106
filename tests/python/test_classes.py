"""Objects of classes with members of every kind, unsplit in both ways of streaming and split, against what was written
(tests/data/classes.C)."""

import pathlib

import mlaas
import pyarrow as pa
import pytest

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
ENTRIES = 8


def hit(i):
    return {"id": i, "e": i * 0.5, "c": [i, -i]}


def obj(i, number=None):
    return {"o": i if number is None else number, "s": "z" * (i % 4)}


def derived(bn, bf, ms, dh, dlast):
    return {"bn": bn, "bf": float(bf), "ms": ms, "dh": dh, "dlast": dlast}


def lorentz(x, y, z, e):
    return {"fP": {"fX": x, "fY": y, "fZ": z}, "fE": e}


def matrix(rows, columns, size, elements):
    head = {"fNrows": rows, "fNcols": columns, "fRowLwb": 0, "fColLwb": 0, "fNelems": size, "fNrowIndex": 0}
    return head | {"fTol": 2.220446049250313e-16, "fElements": elements}


def numbers(e, n):
    return {
        "i": e,
        "kind": 1 if e % 2 else 7,
        "wide": 3 if e % 2 else 500,
        "kinds": [7] * n,
        "wides": [500] * n,
        "f16": [k + 0.5 for k in range(n)],
        "d32": [k + 0.25 for k in range(n)],
        "rd": e * 0.3125,
        "rf": e * 0.5,
        "rda": [0.0, 1.25, 2.5],
        "n": n,
        "dyn": [float(k + e) for k in range(n)],
        "dynd": [k * 1.25 for k in range(n)],
        "a3": [e, e + 1, e + 2],
        "va3": [[k, k + 1, k + 2] for k in range(n)],
        "va": [[e] * n, [e] * (n + 1)],
        "pv": [5] * n,
        "bits": [bool(e * 37 >> k & 1) for k in range(11)],
        "vbits": [[bool(k >> j & 1) for j in range(5)] for k in range(n)],
        "vb": [bool(k % 2) for k in range(n)],
        "uif": [(e, e * 0.5)] if n else [],
        "vpi": [{"first": k, "second": k * 0.5} for k in range(n)],
        "cd": {"_real": float(e), "_imag": -e * 0.5},
        "last": e * 10**12,
    }


def texts(e, n):
    words = ["w" * (k + 1) for k in range(n)]
    return {
        "text": f"t{e}",
        "ts": f"ts{e}",
        "tsa": ["a", f"b{e}"],
        "sa": ["x" * e, "y"],
        "miv": [(k, [words[k]] * k) for k in range(n)],
        "mm": [(k // 2, words[k]) for k in range(n)],
        "ps": {"first": e, "second": "p" * n},
        "vts": words,
        "vs": words,
        "ss": words,
    }


def objects(e, n):
    odd = hit(e) if e % 2 else None
    return {
        "hits": [hit(10 * e + k) for k in range(n)],
        "vha": [[], [hit(e)]],
        "ha": [hit(e), hit(e + 1)],
        "ah": [hit(e), hit(e + 1)],
        "ph": odd,
        "pnull": None,
        "po": obj(e) if e % 3 else None,
        "arrow": obj(0, e),
        "arrow2": obj(0, e + 1),
        "pa": [odd, odd],
        "up": odd,
        "vh": [hit(k) for k in range(n)],
        "lh": [hit(k + 1) for k in range(n)],
        "dq": [obj(k) for k in range(n)],
        "sh": [hit(k) for k in range(n)],
        "vo": [obj(k) for k in range(n)],
        "vpo": [obj(k + e) for k in range(n)],
        "vvh": [[hit(k)] * k for k in range(n)],
        "vd": [derived(k, e, "m" * k, [hit(e)] * k, -k) for k in range(n)],
        "msh": [("w" * (k + 1), hit(k)) for k in range(n)],
        "mhm": [(hit(k), [(k, hit(e))]) for k in range(n)],
        "vps": [{"first": "w" * (k + 1), "second": hit(k)} for k in range(n)],
        "mp": [(k, {"first": -k, "second": hit(k)}) for k in range(n)],
        "clones": [obj(k + e) for k in range(n)],
        "plain": [None if k == 1 else obj(k) for k in range(1 if n == 2 else n)],  # up to the last slot that is used
        "derived": derived(e, e, "dm", [hit(e)] * n, e),
        "zl": {"vector<int>": [e] * n, "extra": -e},
        "za": {"TArrayF": [float(k) for k in range(n)], "after": e},
        "node": {"v": e},  # what contains itself is left out
    }


def roots_own(e, n):
    return {
        "named": {"fName": f"n{e}", "fTitle": "title"},
        "date": {"fDatime": (2020 - 1995) << 26 | 1 << 22 | (1 + e) << 17},
        "arr": [2.0 * k for k in range(n)],
        "ref": {"ref": 0},
        "refs": {"fName": "", "fSize": 0, "refs": []},
        "v2": {"fX": e, "fY": e + 1},
        "v3": {"fX": e, "fY": e + 1, "fZ": e + 2},
        "lv": lorentz(e, e + 1, e + 2, e + 3),
        "vlv": [lorentz(k, k + 1, k + 2, k + 3) for k in range(n)],
        "mat": matrix(2, n + 1, 2 * n + 2, [10.0 * r + c for r in range(2) for c in range(n + 1)]),
        "sym": matrix(2, 2, 4, [e, e + 1, e + 2]),
        "vec": {"fNrows": n + 1, "fRowLwb": 0, "fElements": [float(k) for k in range(n + 1)]},
        "ostr": {"fString": f"os{e}"},
    }


def event(e):
    n = e % 4
    return numbers(e, n) | texts(e, n) | objects(e, n) | roots_own(e, n)


def values(table, column):
    return pa.table(table.select([column])).column(0).to_pylist()


@pytest.mark.parametrize("name", ["classes-memberwise", "classes-objectwise"])
def test_every_kind_of_member_in_an_unsplit_object(name):
    table = mlaas.open(DATA / f"{name}.root")["t"]
    assert table.unsupported == {}
    got = values(table, "ev")
    for e in range(ENTRIES):
        wanted = event(e)
        assert set(got[e]) == set(wanted)
        for member, value in wanted.items():
            assert got[e][member] == value, (e, member)


@pytest.mark.parametrize("name", ["classes-memberwise", "classes-objectwise"])
def test_unsplit_branches(name):
    table = mlaas.open(DATA / f"{name}.root")["t"]
    events = [event(e) for e in range(ENTRIES)]
    assert values(table, "vd") == [e["vd"] for e in events]
    assert values(table, "der") == [e["derived"] for e in events]
    assert values(table, "m") == [[(k, [v, v]) for k, v in e["msh"]] for e in events]
    assert values(table, "obj") == [obj(e) for e in range(ENTRIES)]
    assert values(table, "vp") == [[obj(k) for k in range(e % 3)] for e in range(ENTRIES)]
    assert values(table, "lp") == [[{"first": k, "second": "l" * k} for k in range(e % 3)] for e in range(ENTRIES)]


def member(value, name):
    """`name` of an object, or of every one in a list or map."""
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            return [pair[name == "second"] for pair in value]
        return [member(one, name) for one in value]
    return value[name]


# in their own branches, most of them of one or two levels of collections
SPLIT = """
i kind wide kinds wides f16 d32 rd rf rda[3] n dyn dynd hits text ts tsa[2] sa[2] va[2] vha[2] ha[2] pv ph po arrow
arrow2 pa[2] vh/vh.id vh/vh.c[2] lh/lh.e dq/dq.o dq/dq.s sh/sh.id vo/vo.s vvh vd/vd.bn vd/vd.ms vd/vd.dh vd/vd.dlast
msh/msh.first miv/miv.first miv/miv.second uif/uif.second mm/mm.second mhm/mhm.first mhm/mhm.second vps/vps.first
vpi/vpi.first mp/mp.first bits vbits vb vts vs ss date arr ref refs v2 v3 lv vlv mat sym vec clones/clones.o
clones/clones.s up last
""".split()


def test_members_in_branches_of_their_own():
    table = mlaas.open(DATA / "classes-split99.root")["t"]
    assert table.unsupported == {}
    events = [event(e) for e in range(ENTRIES)]
    checked = 0
    for path in SPLIT:
        column = f"ev/{path}"
        if column not in table.columns:  # ROOT splits it further
            continue
        wanted = events
        for part in [path.split("/")[0].split("[")[0], *path.split("[")[0].split(".")[1:]]:
            wanted = [member(one, part) for one in wanted]
        assert values(table, column) == wanted, column
        checked += 1
    assert checked > 60


def test_rows_of_a_part_equal_those_of_the_whole():
    table = mlaas.open(DATA / "classes-memberwise.root")["t"]
    whole = values(table, "ev")
    assert pa.table(table.select(["ev"], 3, 6)).column(0).to_pylist() == whole[3:6]
    assert [row for batch in table.select(["ev"]).batches(3) for row in batch.column(0).to_pylist()] == whole

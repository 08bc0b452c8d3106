"""Scripts of the original: its imports, call signatures and commands still work."""

import json

import mlaas
import numpy as np
import pytest
from golden_cases import canonical, place_files, records, sha
from MLaaS4HEP import reader, workflow
from MLaaS4HEP.generator import MetaDataGenerator, RootDataGenerator
from MLaaS4HEP.models import Trainer, train_model
from MLaaS4HEP.reader import RootDataReader
from MLaaS4HEP.utils import file_type, load_code
from sklearn.linear_model import SGDClassifier

TREE = {"branch": "boosted/events"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place_files(["special_a.root", "special_b.root", "special_l.root"], tmp_path)
    return tmp_path


def test_generator_gives_the_recorded_chunks():
    run = records("special-two")["runs"][0]
    generator = RootDataGenerator(run["files"], run["labels"], run["params"])
    assert len(generator) == run["len"]
    assert generator.events == run["quota_per_file"]
    assert generator.evts_toread == run["take_per_file"]
    x, mask, y = next(generator)
    assert sha(canonical(x)) == run["chunks"][0]["x_sha256"]
    assert mask.dtype == np.int64 and np.array_equal(mask == 1, np.isnan(x))
    assert sum(len(chunk[2]) for chunk in generator) == run["events_total"] - len(y)
    assert generator.reader_counter == run["read_per_file"]


def test_generator_takes_specs_as_fourth_argument():
    RootDataGenerator(["special_a.root"], [1], {**TREE, "nevts": 20})
    specs = json.loads(open("global-specs.json").read())
    generator = RootDataGenerator(["special_a.root"], [1], {**TREE, "nevts": 20}, specs)
    assert generator.columns[:2] == ["Zebra", "_under"]


def test_reader_reads_event_by_event_what_the_generator_reads():
    generator = RootDataGenerator(["special_a.root"], [1], {**TREE, "nevts": 50, "chunk_size": 50})
    x, mask, _ = next(generator)
    one = RootDataReader("special_a.root", branch="boosted/events", nevts=50, chunk_size=50)
    events = [one.next() for _ in range(50)]
    np.testing.assert_array_equal(np.stack([event[0] for event in events]), x)
    np.testing.assert_array_equal(np.stack([event[1] for event in events]), mask)
    assert one.columns() == generator.columns
    assert one.nrows == 300 and one.shape == x.shape[1]
    one.write_specs("again.json")
    assert open("again.json").read() == open("specs-special_a.json").read()


def test_reader_command_writes_specs_and_says_what_is_there(capsys):
    options = ["--fin", "special_l.root", "--branch", "boosted/events"]
    assert reader.main([*options, "--nevts", "10", "--fout", "specs.json"]) == 0
    assert json.loads(open("specs.json").read())["jdim"]
    assert "Read 10 evts" in capsys.readouterr().out
    assert reader.main([*options, "--info"]) == 0
    assert "Number of events  : 200" in capsys.readouterr().out


def test_reader_command_names_a_missing_file_and_tree(capsys):
    assert reader.main(["--fin", "nowhere.root"]) == mlaas.NotFoundError.exit_code
    assert "nowhere.root: no such file" in capsys.readouterr().err
    assert reader.main(["--fin", "special_l.root", "--branch", "Event"]) == mlaas.NotFoundError.exit_code
    assert "no tree 'Event'" in capsys.readouterr().err


def test_workflow_command_hands_over_what_was_typed(folder, monkeypatch):
    (folder / "files.txt").write_text("# signal first\nspecial_a.root\n\nspecial_b.root\n")
    (folder / "labels.txt").write_text("1\n0\n")
    (folder / "params.json").write_text('{"nevts": 100}')
    calls = []
    monkeypatch.setattr(mlaas, "train", lambda *given, **named: calls.append((given, named)), raising=False)
    assert workflow.main(["--files", "files.txt", "--labels", "labels.txt", "--model", "m.py", "--fout", "out"]) == 0
    assert calls == [((["special_a.root", "special_b.root"], [1.0, 0.0], "m.py", {"nevts": 100}), {"out": "out"})]
    assert workflow.main(["--files", "special_a.root", "--labels", "1", "--model", "m.py", "--params", "none"]) == 0
    assert calls[1][0] == (["special_a.root"], [1.0], "m.py", {})
    assert workflow.main(["--files", "special_a.root", "--labels", "flag", "--model", "m.py"]) == 0
    assert calls[2][0][1] == "flag"
    assert workflow.main(["--files", "a.root", "--labels", "1", "--model", "m.py", "--specs", "own.json"]) == 0
    assert calls[3][1] == {"out": "bundle", "specs": "own.json"}


@pytest.mark.parametrize(
    "arguments, says",
    [
        ([], "no files"),
        (["--files", "a.root"], "no labels"),
        (["--files", "a.root", "--labels", "1"], "no model"),
        (["--files", "a.root", "--labels", "1,x", "--model", "m.py"], "labels must be numbers"),
    ],
)
def test_workflow_command_says_what_is_missing(arguments, says, capsys):
    assert workflow.main(arguments) == mlaas.ArgumentError.exit_code
    assert says in capsys.readouterr().err


class Recorder(SGDClassifier):
    rows: list = []

    def partial_fit(self, x, y, classes=None):
        self.rows.append(len(x))
        assert not np.isnan(x).any()
        return super().partial_fit(x, y, classes=classes)


def test_train_model_trains_chunk_after_chunk(folder):
    params = {**TREE, "chunk_size": 100, "exclude_branches": ["u64", "inf_late"]}
    model = Recorder(loss="log_loss")
    trainer = train_model(lambda idim: model, ["special_a.root", "special_b.root"], [1, 0], params=params)
    assert model.rows == [64] * 5 + [32]
    assert trainer.predict(np.full((2, model.n_features_in_), np.nan)).shape == (2, 2)
    trainer.save("model.joblib")
    assert (folder / "model.joblib").stat().st_size > 0


def test_trainer_refuses_what_is_no_model():
    with pytest.raises(mlaas.ArgumentError, match="builtins.dict is no model"):
        Trainer({})


def test_other_formats_give_the_same_chunks(folder, tmp_path):
    from mlaas.formats import convert

    files, params = ["special_a.root", "special_b.root"], {**TREE, "chunk_size": 100}
    params["exclude_branches"] = ["u64", "inf_late"]
    others = [str(tmp_path / name.replace(".root", ".parquet")) for name in files]
    for name, other in zip(files, others):
        convert(name, other)
    for ours, roots in zip(MetaDataGenerator(others, [1, 0], params), RootDataGenerator(files, [1, 0], params)):
        for one, two in zip(ours, roots):
            np.testing.assert_array_equal(one, two)
    with pytest.raises(mlaas.UnsupportedError, match="preproc"):
        MetaDataGenerator(others, [1, 0], params, preproc=lambda record: record)


def test_file_type_goes_by_the_suffix_of_the_first_name():
    assert file_type(["A.ROOT", "b.csv"]) == "root"
    assert file_type("b.csv.gz") == "csv"
    assert file_type("b.parquet") is None


def test_load_code_imports_from_any_folder(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "mine.py").write_text("def model(idim):\n    return idim\n")
    assert load_code(str(folder / "deep" / "mine.py"), "model")(3) == 3
    with pytest.raises(mlaas.ArgumentError, match="defines no other"):
        load_code(str(folder / "deep" / "mine.py"), "other")
    with pytest.raises(mlaas.NotFoundError, match="must define model"):
        load_code("absent.py", "model")

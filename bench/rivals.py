"""What others need to read all columns of a tree: rivals.py FILE uproot|setbranch|treereader|rdataframe|views.

Prints one line of JSON with the CPU seconds of opening and reading, imports and compilers outside the clock. The three
of ROOT are C++ made for the file's branches and compiled; every number in numbers, lists and lists of lists is summed,
of classes the elements are counted.
"""
import json
import subprocess
import sys
import time

import root_build

MODES = ["setbranch", "treereader", "rdataframe"]
NTUPLE_MODES = ["views"]
LETTERS = {"F": "float", "D": "double", "I": "int", "i": "unsigned", "L": "long long", "S": "short", "B": "char",
           "O": "bool", "b": "unsigned char", "s": "unsigned short", "l": "unsigned long long"}
LEAVES = {"TLeaf" + letter: c for letter, c in LETTERS.items()}

FRONT = r"""
#include "shapes.hpp"
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RNTuple.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <ROOT/RNTupleView.hxx>
#include <TFile.h>
#include <TTree.h>
#include <TTreeReader.h>
#include <TTreeReaderArray.h>
#include <TTreeReaderValue.h>
#include <ctime>
#include <functional>
using namespace std;
template <class T> double total(const T &x) {
  if constexpr (std::is_arithmetic_v<T>) return (double)x;
  else if constexpr (requires { x.begin(); }) { double s = 0; for (const auto &one : x) s += total(one); return s; }
  else return 1;
}
static double total(const std::string &x) { return (double)x.size(); }
static double cpu() { timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
int main(int, char **av) {
  delete TFile::Open(av[1]);
  double begun = cpu(), s = 0; long n = 0;
"""
BACK = r"""
  printf("{\"rival\": \"%s\", \"cpu_s\": %.4f, \"events\": %ld, \"check\": %.9g}\n", av[3], cpu() - begun, n, s);
}
"""


def tree_of(path):
    import uproot
    with uproot.open(path) as file:
        name = next(name for name, kind in file.classnames().items() if kind in ("TTree", "TNtuple"))
        return name.split(";")[0], columns_of(file[name])


def columns_of(tree):
    """(name, C++ type, counter or None, most elements) of each top branch."""
    columns = []
    for branch in tree.branches:
        leaf = branch.member("fLeaves")[0]
        if branch.has_member("fClassName"):
            columns.append((branch.name, branch.member("fClassName"), None, 0))
        else:
            counter = leaf.member("fLeafCount")
            most = counter.member("fMaximum") if counter is not None else leaf.member("fLen")
            columns.append((branch.name, LEAVES[leaf.classname], counter and counter.member("fName"), most))
    return columns


def open_file(tree):
    return f'std::unique_ptr<TFile> file(TFile::Open(av[1])); auto *tree = file->Get<TTree>("{tree}");\n'


def setbranch(tree, columns):
    lines, sums, numbers = [open_file(tree)], [], {name: i for i, (name, *_) in enumerate(columns)}
    for i, (name, kind, counter, most) in enumerate(columns):
        if most == 0 and counter is None:
            lines.append(f'{kind} *v{i} = nullptr; tree->SetBranchAddress("{name}", &v{i});')
            sums.append(f"s += total(*v{i});")
        elif counter is None:
            lines.append(f'static {kind} v{i}; tree->SetBranchAddress("{name}", &v{i});')
            sums.append(f"s += v{i};")
        else:
            lines.append(f'static {kind} v{i}[{most + 1}]; tree->SetBranchAddress("{name}", v{i});')
            sums.append(f"for (int k = 0; k < v{numbers[counter]}; k++) s += v{i}[k];")
    return "\n".join(lines) + "\nfor (long N = tree->GetEntries(); n < N; n++) { tree->GetEntry(n);\n" + \
        "\n".join(sums) + "}"


def treereader(tree, columns):
    lines, sums = ['std::unique_ptr<TFile> file(TFile::Open(av[1]));', f'TTreeReader reader("{tree}", file.get());'], []
    for i, (name, kind, counter, _) in enumerate(columns):
        shape = "TTreeReaderValue" if counter is None else "TTreeReaderArray"
        lines.append(f'{shape}<{kind}> v{i}(reader, "{name}");')
        sums.append(f"s += total(*v{i});" if counter is None else f"for (auto x : v{i}) s += x;")
    return "\n".join(lines) + "\nwhile (reader.Next()) { n++;\n" + "\n".join(sums) + "}"


def rdataframe(tree, columns):
    lines = [f'ROOT::RDataFrame frame("{tree}", av[1]); auto count = frame.Count(); '
             'std::vector<ROOT::RDF::RResultPtr<double>> sums;']
    for name, kind, counter, _ in columns:
        seen = kind if counter is None else f"ROOT::RVec<{kind}>"
        lines.append(f'sums.push_back(frame.Aggregate([](double a, const {seen} &x) {{ return a + total(x); }}, '
                     f'std::plus<double>(), "{name}", 0.0));')
    return "\n".join(lines) + "\nn = *count; for (auto &one : sums) s += *one;"


def views(name, fields):
    lines = ['std::unique_ptr<TFile> file(TFile::Open(av[1]));',
             f'auto reader = ROOT::RNTupleReader::Open(*file->Get<ROOT::RNTuple>("{name}"));']
    lines += [f'auto v{i} = reader->GetView<{kind}>("{field}");' for i, (field, kind) in enumerate(fields)]
    sums = [f"s += total(v{i}(e));" for i in range(len(fields))]
    return "\n".join(lines) + "\nfor (auto e : reader->GetEntryRange()) { n++;\n" + "\n".join(sums) + "}"


def ntuple_of(path):
    """Name and (name, C++ type) of each top field."""
    import uproot
    with uproot.open(path) as file:
        name = next(name for name, kind in file.classnames().items() if kind == "ROOT::RNTuple")
        return name.split(";")[0], [(field.name, field.typename) for field in file[name].fields]


def run_root(path, mode):
    if mode in NTUPLE_MODES:
        tree, fields = ntuple_of(path)
        subprocess.run([root_build.build(mode, FRONT + views(tree, fields) + BACK), path, tree, mode], check=True)
        return
    tree, columns = tree_of(path)
    body = {"setbranch": setbranch, "treereader": treereader, "rdataframe": rdataframe}[mode](tree, columns)
    program = root_build.build(mode, FRONT + body + BACK)
    subprocess.run([program, path, tree, mode], check=True)


def run_uproot(path):
    import awkward  # noqa: F401  outside the clock
    import uproot
    uproot.open(path)
    begun, left_out = time.process_time(), []
    with uproot.open(path) as file:
        kinds = ("TTree", "TNtuple", "ROOT::RNTuple")
        tree = next(file[name] for name, kind in file.classnames().items() if kind in kinds)
        try:
            tree.arrays()
        except (NotImplementedError, ValueError, uproot.DeserializationError):
            begun = time.process_time() # again without what it cannot read
            for branch in tree.branches:
                try:
                    branch.arrays() if branch.branches else branch.array()
                except (NotImplementedError, ValueError, uproot.DeserializationError):
                    left_out.append(branch.name)
    taken = time.process_time() - begun
    print(json.dumps({"rival": "uproot", "cpu_s": round(taken, 4), "events": tree.num_entries, "left_out": left_out}))


if __name__ == "__main__":
    if sys.argv[2] == "uproot":
        run_uproot(sys.argv[1])
    else:
        run_root(sys.argv[1], sys.argv[2])

"""Writes tests/data/objects.root and objects.json: objects of many classes, and what ROOT says of them; and the seeds
of fuzz_object, small files that are not compressed. Not a test; run once, with a Python that has ROOT: make_objects.py
FOLDER SEEDS."""

import json
import math
import os
import sys
import tempfile
from array import array

import ROOT

ROOT.TH1.AddDirectory(False)


def random_fill(seed, count, fill):
    generator = ROOT.TRandom3(seed)
    for _ in range(count):
        fill(generator)


def cells(h):
    count = h.GetNcells()
    return {
        "values": [h.GetBinContent(i) for i in range(count)],
        "errors": [h.GetBinError(i) for i in range(count)],
        "entries": h.GetEntries(),
        "edges": [
            [axis.GetBinLowEdge(i) for i in range(1, axis.GetNbins() + 2)]
            for axis in (h.GetXaxis(), h.GetYaxis(), h.GetZaxis())[: h.GetDimension()]
        ],
        "sum": h.GetSumOfWeights(),
        "mean": h.GetMean(),
    }


def histograms():
    made = []
    for letter in "CSILFD":
        h = getattr(ROOT, "TH1" + letter)("h1" + letter, "letter " + letter, 5, 0, 5)
        random_fill(1, 60, lambda r, h=h: h.Fill(r.Uniform(-1, 6)))
        made.append(h)
    h = ROOT.TH1D("weighted", "with weights;x;y", 4, -1, 1)
    h.Sumw2()
    random_fill(2, 80, lambda r: h.Fill(r.Gaus(), r.Uniform(-0.5, 2)))
    made.append(h)
    v = ROOT.TH1F("variable", "bins of different width", 4, array("d", [0, 0.1, 1, 10, 100]))
    random_fill(3, 50, lambda r: v.Fill(10 ** r.Uniform(-2, 3)))
    made.append(v)
    c = ROOT.TH1D("cutflow", "labels, and what came after", 4, 0, 4)
    for at, (text, weight) in enumerate((("all", 1000.0), ("trigger", 400.5), ("two jets", 35.25), ("signal", 2.0)), 1):
        c.GetXaxis().SetBinLabel(at, text)
        c.SetBinContent(at, weight)
    made.append(c)
    some = ROOT.TH1I("some_labels", "labels in another order", 3, 0, 3)
    some.GetXaxis().SetBinLabel(3, "last")
    some.GetXaxis().SetBinLabel(1, "first")
    some.Fill(2.5)
    made.append(some)
    f = ROOT.TH1D("fitted", "with a function", 10, 0, 1)
    f.GetListOfFunctions().Add(ROOT.TF1("line", "[0]+[1]*x", 0, 1))
    random_fill(4, 30, lambda r: f.Fill(r.Uniform()))
    made.append(f)
    h2 = ROOT.TH2F("h2", "3 by 2", 3, 0, 3, 2, -1, 1)
    random_fill(5, 90, lambda r: h2.Fill(r.Uniform(-0.5, 3.5), r.Uniform(-1.5, 1.5), r.Uniform()))
    made.append(h2)
    h3 = ROOT.TH3D("h3", "2 by 3 by 4", 2, 0, 1, 3, 0, 1, 4, 0, 1)
    random_fill(6, 200, lambda r: h3.Fill(r.Uniform(-0.2, 1.2), r.Uniform(-0.2, 1.2), r.Uniform(-0.2, 1.2)))
    made.append(h3)
    for option, name in (("", "mean"), ("s", "spread"), ("i", "integers"), ("g", "known")):
        p = ROOT.TProfile("profile_" + name, "profile " + name, 5, 0, 5, option)
        random_fill(7, 40, lambda r, p=p: p.Fill(r.Uniform(-1, 5), int(r.Uniform(0, 3)), r.Uniform(0.5, 1.5)))
        p.Fill(4.5, 1)
        made.append(p)
    p2 = ROOT.TProfile2D("profile2", "two axes", 3, 0, 3, 2, 0, 2)
    random_fill(8, 60, lambda r: p2.Fill(r.Uniform(-0.5, 3.5), r.Uniform(-0.5, 2.5), r.Gaus()))
    made.append(p2)
    p3 = ROOT.TProfile3D("profile3", "three axes", 2, 0, 2, 2, 0, 2, 2, 0, 2)
    random_fill(9, 60, lambda r: p3.Fill(r.Uniform(0, 2), r.Uniform(0, 2), r.Uniform(0, 2), r.Gaus()))
    made.append(p3)
    return made + buffered()


def buffered():
    """Written before ROOT has put their entries into the bins."""
    made = [
        ROOT.TH1D("buffered", "with weights", 5, 0, 5),
        ROOT.TH1C("buffered_char", "too many", 2, 0, 2),
        ROOT.TH1F("buffered_variable", "variable bins", 3, array("d", [0, 1, 10, 100])),
        ROOT.TH2I("buffered2", "two axes", 3, 0, 3, 2, 0, 2),
        ROOT.TH3D("buffered3", "three axes", 3, 0, 3, 2, 0, 2, 2, 0, 1),
    ]
    for h in made:
        h.SetBuffer(210)
    for x, w in ((0.5, 1), (-1, 1), (3.2, 2), (7, 0.5), (4.999, 1), (float("nan"), 1)):
        made[0].Fill(x, w)
    for _ in range(200):
        made[1].Fill(0.5)
    for x in (0, 0.5, 1, 9.99, 10, 50, 100, -1):
        made[2].Fill(x)
    for x, y in ((0.5, 0.5), (1, 1), (2, 9), (-2, 1)):
        made[3].Fill(x, y)
    for x, y, z, w in ((0.5, 0.5, 0.5, 2), (1, 1, 0.2, 1), (2, 9, 1, 1), (-2, 1, 0.1, 3)):
        made[4].Fill(x, y, z, w)
    return made


def graphs():
    g = ROOT.TGraph(3)
    e = ROOT.TGraphErrors(3)
    a = ROOT.TGraphAsymmErrors(3)
    g2 = ROOT.TGraph2D(3)
    for i in range(3):
        g.SetPoint(i, i, i * i)
        e.SetPoint(i, i, math.sqrt(i))
        e.SetPointError(i, 0.5, 0.25 * i)
        a.SetPoint(i, -i, i / 3)
        a.SetPointError(i, 0.1, 0.2, 0.3 * i, 0.4 * i)
        g2.SetPoint(i, i, 2 * i, 3 * i)
    for graph, name in ((g, "graph"), (e, "graph_errors"), (a, "graph_asymm"), (g2, "graph2")):
        graph.SetName(name)
    return [g, e, a, g2, ROOT.TGraph()]


def scalars():
    made = {f"parameter_{i}": ROOT.TParameter(t)(f"p{i}", v) for i, (t, v) in enumerate(
        (("int", -5), ("double", 0.25), ("float", 1.5), ("bool", True), ("Long64_t", 1 << 40)))}  # fmt: skip
    made["string"] = ROOT.TObjString("text with \u00fcml\u00e4uts")
    made["long_string"] = ROOT.TObjString("x" * 300)
    made["named"] = ROOT.TNamed("a name", "a title")
    made["formula"] = ROOT.TFormula("formula", "x*[0]+sin(y)")
    made["f1"] = ROOT.TF1("f1", "gaus", -3, 3)
    efficiency = ROOT.TEfficiency("efficiency", "passed over total", 4, 0, 4)
    random_fill(11, 50, lambda r: efficiency.Fill(r.Uniform() < 0.7, r.Uniform(0, 4)))
    made["efficiency"] = efficiency
    return made


DECLARE = """
#include <map>
#include <set>
#include <string>
#include <vector>
#include <bitset>
#include <list>
#include <tuple>
#include <unordered_map>
#include "TObject.h"
#include "TNamed.h"
#include "TString.h"
#include "TClonesArray.h"
#include "TDatime.h"
#include "TDirectory.h"
#include "TExMap.h"
#include "TList.h"
#include "TMap.h"
#include "TMatrixD.h"
#include "TMatrixDSym.h"
#include "TMatrixF.h"
#include "TMatrixFSym.h"
#include "TObjArray.h"
#include "TObjString.h"
#include "TParameter.h"
#include "TRef.h"
#include "TRefArray.h"
#include "TVectorD.h"
enum Colour { RED = 1, GREEN = 7 };
struct Point { int x; float y; std::vector<short> many; };
struct Base { double base = 0.5; };
struct Holder : public Base {
  int n = 3;
  double *counted = nullptr; //[n]
  Double32_t ranged = 0.75;  //[0,1,8]
  Float16_t small[2] = {0.5, 0.25};
  int grid[2][3] = {{1, 2, 3}, {4, 5, 6}};
  char letters[4] = {'a', 'b', 'c', 0};
  const char *text = "chars";
  std::string word = "word";
  std::string words[2] = {"p", "q"};
  TString tstring = "tstring";
  TString tstrings[2] = {"r", "s"};
  Point one{1, 1.5f, {1, 2}};
  Point two[2] = {{2, 2.5f, {}}, {3, 3.5f, {7}}};
  std::vector<Point> points{{4, 4.5f, {4, 4}}, {5, 5.5f, {5}}};
  std::vector<Point> empty;
  std::vector<std::vector<int>> nested{{1}, {}, {2, 3}};
  std::vector<std::string> texts{"u", ""};
  std::map<std::string, int> counts{{"a", 1}, {"b", 2}};
  std::map<int, std::vector<double>> lists{{1, {0.5}}, {2, {}}};
  std::map<std::string, Point> named{{"k", {6, 6.5f, {}}}};
  std::unordered_map<int, std::string> unordered{{9, "nine"}};
  std::vector<std::pair<int, std::string>> pairs{{1, "x"}, {2, "y"}};
  std::vector<std::map<int, int>> maps{{{1, 2}}, {}};
  std::set<short> shorts{3, 1};
  std::bitset<5> bits{0x15};
  std::vector<bool> bools{true, false};
  std::vector<Colour> colours{RED, GREEN};
  Colour colour = GREEN;
  std::vector<float> arrays[2] = {{1.5f}, {}};
  Point *loose = nullptr;
  Point *none = nullptr;
  TNamed *named_one = nullptr;
  TObject *same = nullptr;
  std::vector<TNamed *> pointers;
  std::vector<double> *behind = nullptr;
  Point *loop = nullptr; //[n]
  bool flag = true;
  unsigned long long big = 18446744073709551615ull;
  void Fill() {
    counted = new double[3]{1, 2, 4};
    loose = new Point{8, 8.5f, {8}};
    named_one = new TNamed("inner", "object");
    same = named_one;
    pointers = {named_one, nullptr, new TNamed("second", "")};
    behind = new std::vector<double>{2.5};
    loop = new Point[3]{{1, 0, {}}, {2, 0, {9}}, {3, 0, {}}};
  }
};
void Put(const TObject *object, const char *name) { object->Write(name, TObject::kSingleKey); }
void Collections() {
  auto *shared = new TObjString("shared");
  auto *inner = new TList;
  inner->Add(new TParameter<double>("lumi", 139.5));
  inner->Add(new TNamed("run", "2018"), "option");
  TMap map;
  map.Add(new TObjString("one"), shared);
  map.Add(new TObjString("two"), shared);
  map.Add(new TObjString("list"), inner);
  Put(&map, "map");
  Put(inner, "list");
  TObjArray array(4);
  array.AddAt(new TObjString("first"), 0);
  array.AddAt(new TObjString("third"), 2);
  Put(&array, "array");
  TClonesArray clones("TNamed", 2), plain("TNamed", 2);
  plain.BypassStreamer(false);
  for (auto *each : {&clones, &plain})
    for (int i = 0; i < 2; i++)
      ((TNamed *)each->ConstructedAt(i))->SetNameTitle(Form("name%d", i), Form("title%d", i));
  Put(&clones, "clones");
  Put(&plain, "clones_plain");
  TExMap numbers;
  numbers.Add(7, -8);
  Put(&numbers, "exmap");
  TList twice;
  twice.Add(new TNamed("in", "the list"));
  twice.Add(twice.At(0));
  Put(&twice, "twice");
  TRef ref(shared);
  Put(&ref, "ref");
  TRefArray refs;
  refs.Add(shared);
  Put(&refs, "refs");
}
void Matrices() {
  TVectorD vector(3);
  TMatrixD matrix(2, 3);
  TMatrixDSym symmetric(3);
  TMatrixFSym floats(2);
  for (int i = 0; i < 3; i++) {
    vector[i] = 1.5 * i;
    for (int k = 0; k < 3; k++)
      symmetric(i, k) = 10 * std::min(i, k) + std::max(i, k);
    for (int k = 0; k < 2; k++)
      matrix(k, i) = 3 * k + i;
  }
  floats(0, 1) = floats(1, 0) = 0.5;
  Put(&vector, "vector");
  Put(&matrix, "matrix");
  Put(&symmetric, "symmetric");
  Put(&floats, "symmetric_float");
  TDatime date(2024, 2, 29, 12, 34, 56);
  gDirectory->WriteObject(&date, "date");
}
#ifdef __CLING__
#pragma link C++ class Point+;
#pragma link C++ class Base+;
#pragma link C++ class Holder+;
#pragma link C++ class std::vector<Point>+;
#pragma link C++ class std::map<std::string, Point>+;
#pragma link C++ class std::map<int, std::vector<double>>+;
#pragma link C++ class std::vector<std::pair<int, std::string>>+;
#pragma link C++ class std::vector<std::map<int, int>>+;
#pragma link C++ class std::unordered_map<int, std::string>+;
#pragma link C++ class std::set<short>+;
#pragma link C++ class std::bitset<5>+;
#pragma link C++ class std::vector<Colour>+;
#pragma link C++ class std::vector<TNamed *>+;
#endif
"""


def compile_classes():
    macro = os.path.join(tempfile.mkdtemp(), "holder.C")
    with open(macro, "w") as text:
        text.write(DECLARE)
    ROOT.gSystem.CompileMacro(macro, "k")


def write_holder(out):
    holder = ROOT.Holder()
    holder.Fill()
    out.WriteObject(holder, "holder")


def write_seeds(folder):
    """One small file for each kind of object."""
    made = {h.GetName(): h for h in [*histograms(), *graphs()]}
    made.update(scalars())
    groups = {
        "histograms": lambda out: [made[name].Write() for name in ("cutflow", "weighted", "h2")],
        "buffered": lambda out: [made[name].Write() for name in ("buffered", "buffered2")],
        "profiles": lambda out: made["profile2"].Write(),
        "graphs": lambda out: made["graph_asymm"].Write(),
        "efficiency": lambda out: made["efficiency"].Write(),
        "formula": lambda out: made["f1"].Write(),
        "scalars": lambda out: [made[name].Write(name) for name in ("parameter_1", "string", "named")],
        "holder": write_holder,
        "collections": lambda out: ROOT.Collections(),
        "matrices": lambda out: ROOT.Matrices(),
    }
    os.makedirs(folder, exist_ok=True)
    for name, write in groups.items():
        out = ROOT.TFile(os.path.join(folder, name + ".root"), "RECREATE", "", 0)
        write(out)
        out.Close()


def main(folder):
    path = os.path.join(folder, "objects.root")
    out = ROOT.TFile(path, "RECREATE", "", 505)
    truth = {"histograms": {}}
    for h in histograms():
        h.Write()
        truth["histograms"][h.GetName()] = cells(h)
    unbinned = ROOT.TH1D("unbinned", "bins to be chosen", 5, 0, 0)
    for x in (0.5, 1, 2, 2, 9):
        unbinned.Fill(x)
    unbinned.Write()
    for graph in graphs():
        graph.Write(graph.GetName() or "graph_empty")
    for name, each in scalars().items():
        each.Write(name)
    ROOT.Collections()
    ROOT.Matrices()
    truth["efficiency"] = [out.Get("efficiency").GetEfficiency(i) for i in range(1, 5)]
    write_holder(out)
    out.WriteObject(ROOT.std.vector["double"]([0.5, 1.5]), "vector_key")
    out.WriteObject(ROOT.std.map["std::string,int"]({"k": 4}), "map_key")
    out.WriteObject(ROOT.std.vector["std::string"](["s", "t"]), "strings_key")
    out.WriteObject(ROOT.std.string("a string"), "string_key")
    folder = out.mkdir("dir")
    folder.cd()
    ROOT.TH1F("below", "in a directory", 2, 0, 2).Write()
    canvas = ROOT.TCanvas("canvas", "with a histogram", 200, 200)
    drawn = ROOT.TH1F("drawn", "on a canvas", 2, 0, 2)
    drawn.Fill(0.5)
    drawn.Draw()
    canvas.Write()
    out.Close()
    with open(os.path.join(sys.argv[1], "objects.json"), "w") as text:
        json.dump(truth, text, indent=0)
        text.write("\n")


if __name__ == "__main__":
    ROOT.gROOT.SetBatch(True)
    compile_classes()
    main(sys.argv[1])
    write_seeds(sys.argv[2])

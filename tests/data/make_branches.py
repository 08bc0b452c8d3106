"""Makes branches.root and branches-side.root: kinds of branches that nobody writes any more. Needs PyROOT (6.40).

    make_branches.py FOLDER

tests/python/test_branches.py says what is in them.
"""

import os
import sys

import ROOT

CODE = r"""
#include <TBits.h>
#include <TClonesArray.h>
#include <TFile.h>
#include <TNamed.h>
#include <TTree.h>
#include <string>
#include <vector>

class BranchHit : public TObject {
public:
  Int_t n = 0;
  Float_t *x = nullptr; //[n]
  Double_t *y = nullptr; //[n]
  TBits bits;
  Short_t m[2][3] = {{0}};
  virtual ~BranchHit() { delete[] x; delete[] y; }
  ClassDefOverride(BranchHit, 1)
};

void write_lists(TFile &file) {
  TTree t("lists", "leaf lists");
  struct { Int_t m; Float_t f[8]; } inner;
  struct { Int_t k; char s[40]; } last;
  char first[40];
  Int_t n, len;
  Float_t far_[80];
  t.Branch("n", &n, "n/I");
  t.Branch("far", far_, "x[n]/F:y[n][2]/F:z/F");
  t.Branch("inner", &inner, "m/I:a[m]/F:c[m]/F");
  t.Branch("last", &last, "k/I:s/C");
  t.Branch("first", first, "s/C:k/I");
  t.Branch("len", &len, "len/I");
  for (int i = 0; i < 30; i++) {
    n = i % 4, len = i % 3;
    for (int k = 0; k < 80; k++) far_[k] = 100 * i + k;
    inner.m = (i + 2) % 5;
    for (int k = 0; k < 8; k++) inner.f[k] = i + k / 8.;
    last.k = i;
    snprintf(last.s, sizeof last.s, "%.*s", i % 5, "wxyz");
    memset(first, 'A' + i, sizeof first);
    first[i % 3] = 0;
    t.Fill();
  }
  t.Write();
}

void write_absent(TFile &) {
  TTree t("absent", "branches that were switched off");
  Int_t i; Float_t f[3] = {0}; char text[8] = "no"; std::string s; std::vector<float> v;
  t.Branch("i", &i, "i/I");
  t.Branch("f", f, "f[3]/F");
  t.Branch("text", text, "text/C");
  t.Branch("s", &s);
  t.Branch("v", &v);
  t.Branch("there", &i, "there/I");
  t.SetBranchStatus("*", 0);
  t.SetBranchStatus("there", 1);
  for (i = 0; i < 20; i++) t.Fill();
  t.Write();
  TTree p("part", "a branch that came late");
  p.Branch("i", &i, "i/I");
  for (i = 0; i < 5; i++) p.Fill();
  auto late = p.Branch("late", &i, "late/I");
  for (; i < 8; i++) p.Fill();
  p.Write();
}

void write_circular(TFile &) {
  TTree t("circular", "the last entries of many");
  t.SetDirectory(nullptr); /* circular trees live in memory */
  t.SetCircular(16);
  Int_t i; std::string s; std::vector<int> v;
  t.Branch("i", &i, "i/I");
  t.Branch("s", &s);
  t.Branch("v", &v);
  for (i = 0; i < 43; i++) {
    s = std::string(i % 7, 'a' + i % 26);
    v.assign(i % 4, i);
    t.Fill();
  }
  t.SetDirectory(gDirectory);
  t.Write();
}

void write_elsewhere(TFile &) {
  TTree t("elsewhere", "baskets in another file");
  Int_t i, n; Float_t x[4]; std::vector<int> v;
  t.Branch("i", &i, "i/I", 512);
  t.Branch("n", &n, "n/I", 512)->SetFile("branches-side.root");
  t.Branch("x", x, "x[n]/F", 512)->SetFile("branches-side.root");
  t.Branch("v", &v, 512)->SetFile("branches-gone.root");
  for (i = 0; i < 300; i++) {
    n = i % 4;
    for (int k = 0; k < 4; k++) x[k] = i + k / 4.;
    v.assign(n, i);
    t.Fill();
  }
  t.Write();
}

void write_objects(TFile &) {
  TTree t("objects", "objects of one class");
  TNamed *named = new TNamed;
  Int_t i;
  t.Branch("i", &i, "i/I");
  t.BranchOld("named", "TNamed", &named, 32000, 0);
  for (i = 0; i < 12; i++) {
    named->SetNameTitle(TString::Format("name %d", i), TString(TString('t', i)));
    t.Fill();
  }
  t.Write();
}

void write_clones(TFile &) {
  TTree t("clones", "counted members of a collection");
  TClonesArray array("BranchHit");
  t.Branch("hits", &array, 32000, 99);
  for (int i = 0; i < 15; i++) {
    array.Delete();
    for (int k = 0; k < i % 5; k++) {
      auto *hit = new (array[k]) BranchHit;
      hit->n = (i + k) % 4;
      if (hit->n > 0) {
        hit->x = new Float_t[hit->n];
        hit->y = new Double_t[hit->n];
      }
      for (int q = 0; q < hit->n; q++) hit->x[q] = 100 * i + 10 * k + q, hit->y[q] = -hit->x[q];
      for (int q = 0; q < 6; q++) hit->m[q / 3][q % 3] = 10 * i + q;
      hit->bits.SetBitNumber(8 * k + 1);
    }
    t.Fill();
  }
  t.Write();
}

void write_branches() {
  TFile file("branches.root", "RECREATE");
  write_lists(file);
  write_absent(file);
  write_circular(file);
  file.SetCompressionLevel(0); /* a test changes the names in there */
  write_elsewhere(file);
  file.SetCompressionLevel(1);
  write_objects(file);
  write_clones(file);
}
"""

if __name__ == "__main__":
    os.chdir(sys.argv[1])
    ROOT.gInterpreter.Declare(CODE)
    ROOT.write_branches()
    if os.path.exists("branches-gone.root"):
        os.remove("branches-gone.root")

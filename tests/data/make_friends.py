"""Writes friends-main.root, friends-index.root and friends-plain.root with ROOT (6.40), in the folder it is run in."""

import os

import ROOT

ROOT.gROOT.SetBatch(True)
ROOT.gInterpreter.GenerateDictionary("vector<vector<int> >", "vector")
ROOT.gInterpreter.Declare("""
#include <TFile.h>
#include <TTree.h>
#include <vector>
#include <string>
void make() {
  {
    TFile f("friends-index.root", "RECREATE", "", 101);
    TTree t("i", "by run and event");
    int run; long long event; double y; bool even; std::vector<float> v; std::string s;
    std::vector<std::vector<int>> w; int a[2][3];
    t.Branch("run", &run); t.Branch("event", &event); t.Branch("y", &y); t.Branch("even", &even);
    t.Branch("v", &v); t.Branch("s", &s); t.Branch("w", &w); t.Branch("a", a, "a[2][3]/I");
    t.SetAutoFlush(8);
    for (int k = 0; k < 60; k++) {
      int n = (k * 37 + 11) % 60;   // a permutation of 0..59
      if (n % 7 == 3) continue;      // the main tree finds nothing for these
      run = n / 10; event = 1000 + n; y = n * 0.25; even = n % 2 == 0;
      v.assign(n % 5, n * 1.5f); s = std::string(n % 4, 'a' + n % 26); w.assign(n % 3, std::vector<int>(n % 4, n));
      for (int p = 0; p < 6; p++) a[p / 3][p % 3] = n * 10 + p;
      t.Fill();
    }
    t.BuildIndex("run", "event");
    t.Write();
    TTree e("e", "by an expression"); int q; e.Branch("q", &q); e.Branch("run", &run);
    for (q = 0; q < 50; q++) { run = q; e.Fill(); }
    e.BuildIndex("run*2", "0");
    e.Write();
    TTree r("r", "by run alone, a number for the minor"); r.Branch("run", &run); r.Branch("q", &q);
    for (run = 4; run >= 0; run--) { q = run * run; r.Fill(); }
    r.BuildIndex("run");
    r.Write();
  }
  {
    TFile f("friends-main.root", "RECREATE", "", 101);
    TTree s("short", "fewer entries");
    int z; std::vector<int> u; s.Branch("z", &z); s.Branch("u", &u);
    for (z = 0; z < 30; z++) { u.assign(z % 3, z); s.Fill(); }
    s.Write();
    TTree t("m", "has friends");
    int run; long long event; float x;
    t.Branch("run", &run); t.Branch("event", &event); t.Branch("x", &x);
    t.SetAutoFlush(16);
    for (int k = 0; k < 50; k++) { run = k / 10; event = 1000 + k; x = k; t.Fill(); }
    t.AddFriend("i", "friends-index.root");
    t.AddFriend("near=short", "friends-main.root");
    t.AddFriend("e", "friends-index.root");
    t.AddFriend("r", "friends-index.root");
    t.AddFriend(&s, "same");
    TTree w("w", "all entries"); double weight; std::vector<float> c; w.Branch("weight", &weight); w.Branch("c", &c);
    for (int k = 0; k < 50; k++) { weight = 1 + k * 0.5; c.assign(k % 3, k); w.Fill(); }
    w.Write();
    t.AddFriend(&w, "full");
    t.Write();
    { TFile g("gone.root", "RECREATE"); TTree h("g", "g"); int o = 1; h.Branch("o", &o); h.Fill(); h.Write(); }
    f.cd(); TTree l("lost", "its friend is gone"); l.Branch("x", &x); l.Fill();
    l.AddFriend("g", "gone.root"); l.Write();
  }
}
""")
ROOT.make()
ROOT.gInterpreter.Declare("""
void make_plain() {
  TFile f("friends-plain.root", "RECREATE", "", 0);
  int run, q; long long event;
  TTree i("i", "by run and event"); i.Branch("run", &run); i.Branch("event", &event); i.Branch("q", &q);
  for (int k = 11; k >= 0; k--) { run = k / 4; event = k; q = k * k; i.Fill(); }
  i.BuildIndex("run", "event"); i.Write();
  TTree t("m", "has a friend"); t.Branch("run", &run); t.Branch("event", &event);
  for (int k = 0; k < 12; k++) { run = k / 4; event = k; t.Fill(); }
  t.AddFriend(&i, "near"); t.Write();
}
""")
ROOT.make_plain()

os.remove("gone.root")  # so that a friend is lost

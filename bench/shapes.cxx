// shapes KIND FILE COMPRESSION EVENTS: files as experiments write them, of made-up values, with ROOT's own writer.
//   nano    1,500 branches as CMS' NanoAOD has them: counters, counted arrays, numbers, flags; a cluster every 1,000 events
//   xaod    400 branches as ATLAS' DAOD has them: vectors, vectors of vectors, links; a cluster every 500 events
//   nested  vectors of vectors, of texts and of structs, split and whole; all events are one cluster
#include "shapes.hpp"

#include <TFile.h>
#include <TTree.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>

static uint64_t state = 20200629;

static uint32_t draw() {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 33;
}

static float uniform() { return (draw() & 0xffffff) * (1.0f / 0x1000000); }

// Momenta, angles, masses, in turn, with 12 bits of mantissa, as files that are meant to be small have them.
static float value(int kind) {
  float real = kind % 3 == 0 ? -60 * std::log(uniform() + 1e-6f) : kind % 3 == 1 ? 5 * uniform() - 2.5f : 90 * uniform();
  uint32_t word;
  memcpy(&word, &real, 4);
  word &= 0xfffff800;
  memcpy(&real, &word, 4);
  return real;
}

static int length(int mean) { return (int)(draw() % (2 * mean + 1)); }

static void nano(TTree &tree, long events) {
  enum { COLLECTIONS = 20, BRANCHES = 24, NUMBERS = 400, FLAGS = 600, MOST = 16 };
  static int counts[COLLECTIONS], ints[COLLECTIONS][BRANCHES][MOST];
  static float floats[COLLECTIONS][BRANCHES][MOST], numbers[NUMBERS];
  static bool flags[FLAGS];
  for (int c = 0; c < COLLECTIONS; c++) {
    tree.Branch(Form("nColl%02d", c), &counts[c], Form("nColl%02d/I", c));
    for (int b = 0; b < BRANCHES; b++) {
      const char *name = Form("Coll%02d_%02d", c, b);
      if (b % 4 == 3)
        tree.Branch(name, ints[c][b], Form("%s[nColl%02d]/I", name, c));
      else
        tree.Branch(name, floats[c][b], Form("%s[nColl%02d]/F", name, c));
    }
  }
  for (int i = 0; i < NUMBERS; i++)
    tree.Branch(Form("Event_%03d", i), &numbers[i], Form("Event_%03d/F", i));
  for (int i = 0; i < FLAGS; i++)
    tree.Branch(Form("HLT_%03d", i), &flags[i], Form("HLT_%03d/O", i));
  tree.SetAutoFlush(1000);
  for (long e = 0; e < events; e++) {
    for (int c = 0; c < COLLECTIONS; c++) {
      counts[c] = length(1 + c % 5);
      for (int b = 0; b < BRANCHES; b++)
        for (int k = 0; k < counts[c]; k++)
          b % 4 == 3 ? (void)(ints[c][b][k] = (int)(draw() % 5)) : (void)(floats[c][b][k] = value(b));
    }
    for (float &number : numbers)
      number = value((int)(&number - numbers));
    for (int i = 0; i < FLAGS; i++)
      flags[i] = draw() % 64 == (unsigned)i % 2;
    tree.Fill();
  }
}

static void xaod(TTree &tree, long events) {
  enum { CONTAINERS = 16, FLOATS = 18, BYTES = 3, NESTED = 2, LINKS = 2 };
  static std::vector<float> floats[CONTAINERS][FLOATS];
  static std::vector<unsigned char> bytes[CONTAINERS][BYTES];
  static std::vector<std::vector<float>> nested[CONTAINERS][NESTED];
  static std::vector<std::vector<BenchLink>> links[CONTAINERS][LINKS];
  for (int c = 0; c < CONTAINERS; c++) {
    for (int b = 0; b < FLOATS; b++)
      tree.Branch(Form("Cont%02dAuxDyn.f%02d", c, b), &floats[c][b]);
    for (int b = 0; b < BYTES; b++)
      tree.Branch(Form("Cont%02dAuxDyn.b%02d", c, b), &bytes[c][b]);
    for (int b = 0; b < NESTED; b++)
      tree.Branch(Form("Cont%02dAuxDyn.n%02d", c, b), &nested[c][b]);
    for (int b = 0; b < LINKS; b++)
      tree.Branch(Form("Cont%02dAuxDyn.l%02d", c, b), &links[c][b]);
  }
  tree.SetAutoFlush(500);
  for (long e = 0; e < events; e++) {
    for (int c = 0; c < CONTAINERS; c++) {
      int count = length(2 + c % 6);
      for (int b = 0; b < FLOATS; b++) {
        floats[c][b].resize(count);
        for (float &one : floats[c][b])
          one = value(b);
      }
      for (auto &list : bytes[c]) {
        list.resize(count);
        for (auto &one : list)
          one = (unsigned char)(draw() % 4);
      }
      for (auto &list : nested[c]) {
        list.resize(count);
        for (auto &inner : list) {
          inner.resize(length(3));
          for (float &one : inner)
            one = value(0);
        }
      }
      for (auto &list : links[c]) {
        list.resize(count);
        for (auto &inner : list) {
          inner.resize(length(1));
          for (BenchLink &one : inner)
            one = {1000u + (unsigned)c, draw() % 50};
        }
      }
    }
    tree.Fill();
  }
}

static BenchTrack track() {
  BenchTrack made;
  made.pt = value(0), made.eta = value(1), made.phi = value(1), made.charge = draw() % 2 ? 1 : -1;
  made.chi.resize(length(3));
  for (float &one : made.chi)
    one = value(0);
  return made;
}

static void nested(TTree &tree, long events) {
  static std::vector<std::vector<float>> waves;
  static std::vector<std::vector<int>> ids;
  static std::vector<std::string> names;
  static std::vector<BenchHit> hits, hits_split;
  static std::vector<BenchTrack> tracks, tracks_split;
  tree.Branch("waves", &waves);
  tree.Branch("ids", &ids);
  tree.Branch("names", &names);
  tree.Branch("hits", &hits, 32000, 0);
  tree.Branch("hits_split", &hits_split, 32000, 99);
  tree.Branch("tracks", &tracks, 32000, 0);
  tree.Branch("tracks_split", &tracks_split, 32000, 99);
  tree.SetAutoFlush(events);
  for (long e = 0; e < events; e++) {
    waves.resize(length(4));
    for (auto &inner : waves) {
      inner.resize(length(8));
      for (float &one : inner)
        one = value(0);
    }
    ids.resize(length(4));
    for (auto &inner : ids) {
      inner.resize(length(3));
      for (int &one : inner)
        one = (int)(draw() % 1000);
    }
    names.resize(length(3));
    for (auto &one : names)
      one.assign(1 + draw() % 12, 'a' + draw() % 26);
    hits.resize(length(6));
    for (auto &one : hits)
      one = {value(1), value(1), value(1), value(0), (int)(draw() % 40)};
    hits_split = hits;
    tracks.resize(length(4));
    for (auto &one : tracks)
      one = track();
    tracks_split = tracks;
    tree.Fill();
  }
}

int main(int argc, char **argv) {
  if (argc != 5)
    return 2;
  TFile file(argv[2], "RECREATE", "", atoi(argv[3]));
  auto tree = new TTree("events", "made-up values");
  (strcmp(argv[1], "nano") == 0 ? nano : strcmp(argv[1], "xaod") == 0 ? xaod : nested)(*tree, atol(argv[4]));
  tree->Write();
  file.Close();
}

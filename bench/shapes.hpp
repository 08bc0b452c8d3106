// The classes in the files that shapes.cxx writes.
#pragma once
#include <string>
#include <vector>

struct BenchHit {
  float x = 0, y = 0, z = 0, e = 0;
  int layer = 0;
};

struct BenchTrack {
  float pt = 0, eta = 0, phi = 0;
  int charge = 0;
  std::vector<float> chi;
};

struct BenchLink {
  unsigned key = 0, index = 0;
};

#ifdef __ROOTCLING__
#pragma link C++ class std::vector<std::vector<int>>+;
#pragma link C++ class std::vector<std::vector<float>>+;
#pragma link C++ class BenchHit+;
#pragma link C++ class BenchTrack+;
#pragma link C++ class BenchLink+;
#pragma link C++ class std::vector<BenchHit>+;
#pragma link C++ class std::vector<BenchTrack>+;
#pragma link C++ class std::vector<BenchLink>+;
#pragma link C++ class std::vector<std::vector<BenchLink>>+;
#endif

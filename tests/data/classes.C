// Classes with members of every kind, written by ROOT 6.40 for tests/python/test_classes.py:
//   .L classes.C+
//   Zoo("classes-memberwise.root", 0, true); Zoo("classes-objectwise.root", 0, false); Zoo("classes-split99.root", 99,
//   true)
// For the last one, va3, vpo and plain were transient: ROOT cannot split them.
#include <TObject.h>
#include <TNamed.h>
#include <TTree.h>
#include <TFile.h>
#include <TRef.h>
#include <TRefArray.h>
#include <TDatime.h>
#include <TArrayF.h>
#include <TArrayS.h>
#include <TClonesArray.h>
#include <TObjArray.h>
#include <TObjString.h>
#include <TMatrixD.h>
#include <TMatrixDSym.h>
#include <TVectorD.h>
#include <TVector2.h>
#include <TVector3.h>
#include <TLorentzVector.h>
#include <TVirtualStreamerInfo.h>
#include <vector>
#include <list>
#include <deque>
#include <set>
#include <map>
#include <unordered_map>
#include <array>
#include <tuple>
#include <bitset>
#include <string>
#include <complex>
#include <memory>
enum ZooKind { kCat = 1, kDog = 7 };
enum class ZooWide : unsigned short { a = 3, b = 500 };
struct ZooHit {
  int id;
  float e;
  short c[2];
  ZooHit(int i = 0) : id(i), e(i * 0.5f) {
    c[0] = i;
    c[1] = -i;
  }
  bool operator<(const ZooHit &o) const { return id < o.id; }
};
struct ZooBase {
  int bn;
  float bf;
  virtual ~ZooBase() {}
  ZooBase() : bn(0), bf(0) {}
  ClassDef(ZooBase, 3)
};
struct ZooMid : ZooBase {
  std::string ms;
  ClassDef(ZooMid, 2)
};
struct ZooDerived : ZooMid {
  std::vector<ZooHit> dh;
  int dlast;
  ClassDef(ZooDerived, 5)
};
struct ZooObj : TObject {
  int o;
  std::string s;
  ZooObj(int i = 0) : o(i), s(std::string(i % 4, 'z')) {}
  ClassDef(ZooObj, 2)
};
struct ZooList : std::vector<int> {
  int extra;
  ClassDef(ZooList, 1)
};
struct ZooArrayed : TArrayF {
  int after;
  ClassDef(ZooArrayed, 1)
};
struct ZooNode {
  int v;
  ZooNode *next;
  std::vector<ZooNode> kids;
  ZooNode(int i = 0) : v(i), next(nullptr) {}
};
struct ZooEvent {
  int i;
  ZooKind kind;
  ZooWide wide;
  std::vector<ZooKind> kinds;
  std::vector<ZooWide> wides;
  std::vector<Float16_t> f16;
  std::vector<Double32_t> d32;
  Double32_t rd;     //[0,10,16]
  Float16_t rf;      //[0,0,10]
  Double32_t rda[3]; //[0,10,16]
  int n;
  float *dyn;       //[n]
  Double32_t *dynd; //[n] [0,10,16]
  ZooHit *hits;     //[n]
  char *text;
  TString ts;
  TString tsa[2];
  std::string sa[2];
  std::vector<int> va[2];
  std::vector<ZooHit> vha[2];
  ZooHit ha[2];
  std::vector<int> *pv;
  ZooHit *ph;
  ZooHit *pnull;
  ZooObj *po;
  ZooObj *arrow;  //->
  ZooObj *arrow2; //->
  ZooHit *pa[2];
  std::vector<ZooHit> vh;
  std::list<ZooHit> lh;
  std::deque<ZooObj> dq;
  std::set<ZooHit> sh;
  std::vector<ZooObj> vo;
  std::vector<ZooObj *> vpo;
  std::vector<std::vector<ZooHit>> vvh;
  std::vector<ZooDerived> vd;
  std::map<std::string, ZooHit> msh;
  std::map<int, std::vector<std::string>> miv;
  std::unordered_map<int, float> uif;
  std::multimap<int, std::string> mm;
  std::map<ZooHit, std::map<int, ZooHit>> mhm;
  std::pair<int, std::string> ps;
  std::vector<std::pair<std::string, ZooHit>> vps;
  std::vector<std::pair<int, float>> vpi;
  std::map<int, std::pair<short, ZooHit>> mp;
  std::array<int, 3> a3;
  std::vector<std::array<int, 3>> va3;
  std::array<ZooHit, 2> ah;
  std::bitset<11> bits;
  std::vector<std::bitset<5>> vbits;
  std::vector<bool> vb;
  std::complex<double> cd;
  std::vector<TString> vts;
  std::vector<std::string> vs;
  std::set<std::string> ss;
  TNamed named;
  TDatime date;
  TArrayF arr;
  TRef ref;
  TRefArray refs;
  TVector2 v2;
  TVector3 v3;
  TLorentzVector lv;
  std::vector<TLorentzVector> vlv;
  TMatrixD mat;
  TMatrixDSym sym;
  TVectorD vec;
  TObjString ostr;
  TClonesArray clones;
  TClonesArray plain;
  ZooDerived derived;
  ZooList zl;
  ZooArrayed za;
  ZooNode node;
  std::unique_ptr<ZooHit> up;
  long long last;
  ZooEvent()
      : dyn(nullptr), dynd(nullptr), hits(nullptr), text(nullptr), pv(new std::vector<int>), ph(nullptr),
        pnull(nullptr), po(nullptr), arrow(new ZooObj), arrow2(new ZooObj), pa{nullptr, nullptr}, clones("ZooObj"),
        plain("ZooObj") {
    plain.BypassStreamer(false);
  }
  void Fill(int e);
  ClassDefNV(ZooEvent, 7)
};
void ZooEvent::Fill(int e) {
  i = e;
  kind = e % 2 ? kCat : kDog;
  wide = e % 2 ? ZooWide::a : ZooWide::b;
  n = e % 4;
  kinds.assign(n, kDog);
  wides.assign(n, ZooWide::b);
  f16.clear();
  d32.clear();
  for (int k = 0; k < n; k++) {
    f16.push_back(k + 0.5f);
    d32.push_back(k + 0.25);
  }
  rd = e * 0.3125;
  rf = e * 0.5;
  for (int k = 0; k < 3; k++)
    rda[k] = k * 1.25;
  delete[] dyn;
  dyn = n ? new float[n] : nullptr;
  delete[] dynd;
  dynd = n ? new Double32_t[n] : nullptr;
  delete[] hits;
  hits = n ? new ZooHit[n] : nullptr;
  for (int k = 0; k < n; k++) {
    dyn[k] = k + e;
    dynd[k] = k * 1.25;
    hits[k] = ZooHit(10 * e + k);
  }
  delete[] text;
  text = new char[10];
  snprintf(text, 10, "t%d", e);
  ts = Form("ts%d", e);
  tsa[0] = "a";
  tsa[1] = Form("b%d", e);
  sa[0] = std::string(e, 'x');
  sa[1] = "y";
  for (int k = 0; k < 2; k++) {
    va[k].assign(k + n, e);
    vha[k].assign(k, ZooHit(e));
    ha[k] = ZooHit(e + k);
  }
  pv->assign(n, 5);
  delete ph;
  ph = e % 2 ? new ZooHit(e) : nullptr;
  delete po;
  po = e % 3 ? new ZooObj(e) : nullptr;
  arrow->o = e;
  arrow2->o = e + 1;
  pa[0] = ph;
  pa[1] = ph;
  vh.clear();
  lh.clear();
  dq.clear();
  sh.clear();
  vo.clear();
  for (auto p : vpo)
    delete p;
  vpo.clear();
  vvh.clear();
  vd.clear();
  for (int k = 0; k < n; k++) {
    vh.emplace_back(k);
    lh.emplace_back(k + 1);
    dq.emplace_back(k);
    sh.insert(ZooHit(k));
    vo.emplace_back(k);
    vpo.push_back(new ZooObj(k + e));
    vvh.push_back(std::vector<ZooHit>(k, ZooHit(k)));
    ZooDerived d;
    d.bn = k;
    d.bf = e;
    d.ms = std::string(k, 'm');
    d.dh.assign(k, ZooHit(e));
    d.dlast = -k;
    vd.push_back(d);
  }
  msh.clear();
  miv.clear();
  uif.clear();
  mm.clear();
  mhm.clear();
  vps.clear();
  vpi.clear();
  mp.clear();
  va3.clear();
  vbits.clear();
  vb.clear();
  vts.clear();
  vs.clear();
  ss.clear();
  vlv.clear();
  for (int k = 0; k < n; k++) {
    std::string w(k + 1, 'w');
    msh[w] = ZooHit(k);
    miv[k] = std::vector<std::string>(k, w);
    mm.insert({k / 2, w});
    mhm[ZooHit(k)][k] = ZooHit(e);
    vps.push_back({w, ZooHit(k)});
    vpi.push_back({k, k * 0.5f});
    mp[k] = {short(-k), ZooHit(k)};
    va3.push_back({k, k + 1, k + 2});
    vbits.push_back(std::bitset<5>(k));
    vb.push_back(k % 2);
    vts.push_back(w.c_str());
    vs.push_back(w);
    ss.insert(w);
    vlv.emplace_back(k, k + 1, k + 2, k + 3);
  }
  if (n)
    uif[e] = 0.5f * e;
  ps = {e, std::string(n, 'p')};
  a3 = {e, e + 1, e + 2};
  ah = {ZooHit(e), ZooHit(e + 1)};
  bits = std::bitset<11>(e * 37);
  cd = {e * 1.0, -e * 0.5};
  named.SetNameTitle(Form("n%d", e), "title");
  date.Set(2020, 1, 1 + e, 0, 0, 0);
  arr.Set(n);
  for (int k = 0; k < n; k++)
    arr[k] = k * 2;
  v2.Set(1.0 * e, e + 1.0);
  v3.SetXYZ(e, e + 1, e + 2);
  lv.SetPxPyPzE(e, e + 1, e + 2, e + 3);
  mat.ResizeTo(2, n + 1);
  for (int r = 0; r < 2; r++)
    for (int c = 0; c <= n; c++)
      mat(r, c) = 10 * r + c;
  sym.ResizeTo(2, 2);
  sym(0, 0) = e;
  sym(0, 1) = sym(1, 0) = e + 1;
  sym(1, 1) = e + 2;
  vec.ResizeTo(n + 1);
  for (int k = 0; k <= n; k++)
    vec[k] = k;
  ostr.SetString(Form("os%d", e));
  clones.Clear("C");
  plain.Clear("C");
  for (int k = 0; k < n; k++) {
    new (clones[k]) ZooObj(k + e);
    if (k != 1)
      new (plain[k]) ZooObj(k);
  }
  derived.bn = e;
  derived.bf = e;
  derived.ms = "dm";
  derived.dh.assign(n, ZooHit(e));
  derived.dlast = e;
  zl.assign(n, e);
  zl.extra = -e;
  za.Set(n);
  for (int k = 0; k < n; k++)
    za[k] = k;
  za.after = e;
  node.v = e;
  up.reset(e % 2 ? new ZooHit(e) : nullptr);
  last = e * 1000000000000LL;
}
void Zoo(const char *name = "zoo.root", int split = 0, bool mw = true) {
  TVirtualStreamerInfo::SetStreamMemberWise(mw);
  TFile f(name, "recreate", "", 505);
  TTree t("t", "t");
  ZooEvent *ev = new ZooEvent;
  std::vector<ZooDerived> vd;
  std::map<std::string, std::vector<ZooHit>> m;
  ZooObj *obj = new ZooObj;
  std::vector<ZooObj *> vp;
  ZooDerived *der = new ZooDerived;
  std::list<std::pair<int, std::string>> lp;
  std::tuple<int, float> *tup = nullptr;
  t.Branch("ev", &ev, 32000, split);
  t.Branch("vd", &vd, 32000, split);
  t.Branch("m", &m, 32000, split);
  t.Branch("obj", &obj, 32000, split);
  t.Branch("vp", &vp, 32000, split);
  t.Branch("der", &der, 32000, split);
  t.Branch("lp", &lp, 32000, split);
  for (int e = 0; e < 8; e++) {
    ev->Fill(e);
    vd = ev->vd;
    m.clear();
    for (auto &x : ev->msh)
      m[x.first] = {x.second, x.second};
    *obj = ZooObj(e);
    for (auto p : vp)
      delete p;
    vp.clear();
    for (int k = 0; k < e % 3; k++)
      vp.push_back(new ZooObj(k));
    *der = ev->derived;
    lp.clear();
    for (int k = 0; k < e % 3; k++)
      lp.push_back({k, std::string(k, 'l')});
    t.Fill();
  }
  t.Write();
  f.Close();
}
#ifdef __CLING__
#pragma link C++ enum ZooKind;
#pragma link C++ enum ZooWide;
#pragma link C++ struct ZooHit + ;
#pragma link C++ struct ZooBase + ;
#pragma link C++ struct ZooMid + ;
#pragma link C++ struct ZooDerived + ;
#pragma link C++ struct ZooObj + ;
#pragma link C++ struct ZooList + ;
#pragma link C++ struct ZooArrayed + ;
#pragma link C++ struct ZooNode + ;
#pragma link C++ struct ZooEvent + ;
#pragma link C++ class std::vector < ZooObj *> + ;
#pragma link C++ class std::map < std::string, std::vector < ZooHit>> + ;
#pragma link C++ class std::list < std::pair < int, std::string>> + ;
#endif

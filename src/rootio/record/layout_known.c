/* What is known by heart: classes as ROOT 2.23 and as ROOT 5.34 to 6.40 stream them. One word for each member: a letter
 * for its type, a colon and its name (only wanted members need theirs), another and the name of its counter.
 * b bool, c char, h short, i int, u unsigned, l long, e float, d double, s TString, N TNamed, ^ a base, F anything to
 * be skipped by its byte count, j k m TAttLine, TAttFill and TAttMarker (before 3.00 they had none), f TIOFeatures, I L
 * counted arrays of int and long, A an array with its own count, o TObjArray, p pointer. */
#include "rootio/record/layout_known.h"

#include <string.h>

#define BRANCH_FRONT "N F i:fCompress i:fBasketSize i:fEntryOffsetLen i:fWriteBasket l:fEntryNumber "
#define BRANCH_MIDDLE "i:fOffset i:fMaxBaskets i:fSplitLevel l:fEntries l:fFirstEntry l:fTotBytes l:fZipBytes "
#define BRANCH_LISTS "o:fBranches o:fLeaves o:fBaskets I:fBasketBytes:fMaxBaskets "
#define BRANCH_BACK BRANCH_LISTS "L:fBasketEntry:fMaxBaskets L:fBasketSeek:fMaxBaskets s:fFileName"
#define BRANCH_OLD_FRONT                                                                                               \
  "i:fCompress i:fBasketSize i:fEntryOffsetLen i:fWriteBasket i:fEntryNumber i:fOffset i:fMaxBaskets "
#define BRANCH_OLD_BACK                                                                                                \
  "d:fEntries d:fTotBytes d:fZipBytes " BRANCH_LISTS "I:fBasketEntry:fMaxBaskets I:fBasketSeek:fMaxBaskets "           \
  "s:fFileName"
#define ELEMENT_OLD                                                                                                    \
  "^:TBranch s:fClassName s:fParentName s:fClonesName u:fCheckSum i:fClassVersion i:fID i:fType i:fStreamerType "      \
  "i:fMaximum p:fBranchCount p:fBranchCount2"
#define TREE_FRONT "N F F F l:fEntries l:fTotBytes l:fZipBytes l l d i i i i "
#define TREE_OLD_FRONT "N F F F l:fEntries l:fTotBytes l:fZipBytes l "
#define TREE_FIRST "N j k m i i i d:fEntries d:fTotBytes d:fZipBytes i i o:fBranches o:fLeaves"

static const struct {
  const char *class_name;
  int16_t version;
  const char *words;
} known[] = {
    {"TTree", 1, TREE_FIRST},
    {"TTree", 2, TREE_FIRST},
    {"TTree", 3, TREE_FIRST},
    {"TTree", 4, TREE_FIRST},
    {"TTree", 15, TREE_OLD_FRONT "d i i i l l l l l o:fBranches o:fLeaves"},
    {"TTree", 16, TREE_OLD_FRONT "d i i i l l l l l o:fBranches o:fLeaves"},
    {"TTree", 17, TREE_OLD_FRONT "d i i i i l l l l l o:fBranches o:fLeaves"},
    {"TTree", 18, TREE_FRONT "l l l l l:fAutoFlush l o:fBranches o:fLeaves"},
    {"TTree", 19,
     TREE_FRONT "i:fNClusterRange l l l l l:fAutoFlush l L:fClusterRangeEnd:fNClusterRange "
                "L:fClusterSize:fNClusterRange o:fBranches o:fLeaves"},
    {"TTree", 20,
     TREE_FRONT "i:fNClusterRange l l l l l:fAutoFlush l L:fClusterRangeEnd:fNClusterRange "
                "L:fClusterSize:fNClusterRange f o:fBranches o:fLeaves"},
    {"TNtuple", 1, "^:TTree"},
    {"TNtuple", 2, "^:TTree"},
    {"TNtupleD", 1, "^:TTree"},
    {"TBranch", 5,
     "N i:fCompress i:fBasketSize i:fEntryOffsetLen i:fMaxBaskets i:fWriteBasket i:fEntryNumber "
     "d:fEntries d:fTotBytes d:fZipBytes i o:fBranches o:fLeaves o:fBaskets A:fBasketEntry "
     "A:fBasketBytes A:fBasketSeek s:fFileName"},
    {"TBranch", 6, "N " BRANCH_OLD_FRONT BRANCH_OLD_BACK},
    {"TBranch", 7, "N " BRANCH_OLD_FRONT "i:fSplitLevel " BRANCH_OLD_BACK},
    {"TBranch", 8, "N F " BRANCH_OLD_FRONT "i:fSplitLevel " BRANCH_OLD_BACK},
    {"TBranch", 9, "N F " BRANCH_OLD_FRONT "i:fSplitLevel " BRANCH_OLD_BACK},
    {"TBranch", 10,
     BRANCH_FRONT "i:fOffset i:fMaxBaskets i:fSplitLevel l:fEntries l:fTotBytes l:fZipBytes " BRANCH_BACK},
    {"TBranch", 11, BRANCH_FRONT BRANCH_MIDDLE BRANCH_BACK},
    {"TBranch", 12, BRANCH_FRONT BRANCH_MIDDLE BRANCH_BACK},
    {"TBranch", 13, BRANCH_FRONT "f:fIOFeatures " BRANCH_MIDDLE BRANCH_BACK},
    {"TBranchElement", 1, "^:TBranch s:fClassName i:fClassVersion i:fID i:fType i:fStreamerType"},
    {"TBranchElement", 7,
     "^:TBranch s:fClassName s:fParentName s:fClonesName i:fClassVersion i:fID i:fType i:fStreamerType i:fMaximum "
     "p:fBranchCount p:fBranchCount2"},
    {"TBranchElement", 8, ELEMENT_OLD},
    {"TBranchElement", 9, ELEMENT_OLD},
    {"TBranchElement", 10,
     "^:TBranch s:fClassName s:fParentName s:fClonesName u:fCheckSum h:fClassVersion i:fID "
     "i:fType i:fStreamerType i:fMaximum p:fBranchCount p:fBranchCount2"},
    {"TBranchObject", 1, "^:TBranch s:fClassName"},
    {"TBranchSTL", 1, "^:TBranch s:fContName s:fClassName i:fClassVersion u:fCheckSum i:fID"},
    {"TBranchClones", 2, /* streams itself, so no file describes it */
     "N i:fCompress i:fBasketSize i:fEntryOffsetLen i:fMaxBaskets i:fWriteBasket l:fEntryNumber l:fEntries l l i "
     "p:fBranchCount s:fClassName o:fBranches"},
    {"TLeaf", 1, "N i:fLen i:fLenType i:fOffset b:fIsRange b:fIsUnsigned p:fLeafCount"},
    {"TLeaf", 2, "N i:fLen i:fLenType i:fOffset b:fIsRange b:fIsUnsigned p:fLeafCount"},
    {"TLeafO", 1, "^:TLeaf b b:fMaximum"},
    {"TLeafB", 1, "^:TLeaf c c:fMaximum"},
    {"TLeafS", 1, "^:TLeaf h h:fMaximum"},
    {"TLeafI", 1, "^:TLeaf i i:fMaximum"},
    {"TLeafL", 1, "^:TLeaf l l:fMaximum"},
    {"TLeafG", 1, "^:TLeaf l l:fMaximum"},
    {"TLeafF", 1, "^:TLeaf"},
    {"TLeafD", 1, "^:TLeaf"},
    {"TLeafF16", 1, "^:TLeaf"},
    {"TLeafF16", 2, "^:TLeaf"},
    {"TLeafD32", 1, "^:TLeaf"},
    {"TLeafD32", 2, "^:TLeaf"},
    {"TLeafC", 1, "^:TLeaf i i:fMaximum"},
    {"TLeafElement", 1, "^:TLeaf i:fID i:fType"},
    {"TLeafObject", 1, "^:TLeaf"},
    {"TLeafObject", 2, "^:TLeaf"},
    {"TLeafObject", 3, "^:TLeaf b:fVirtual"},
    {"TLeafObject", 4, "^:TLeaf b:fVirtual"},
};

const char *mlaas_layout_known(const char *class_name, int16_t version, const char **name) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].version == version && strcmp(known[i].class_name, class_name) == 0) {
      *name = known[i].class_name;
      return known[i].words;
    }
  return NULL;
}

const char *mlaas_layout_known_base(const char *text) {
  size_t length = strcspn(text, " ");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strlen(known[i].class_name) == length && strncmp(known[i].class_name, text, length) == 0)
      return known[i].class_name;
  return "";
}

/* Trees: branches, leaves, baskets, clusters; and records that are damaged. */
#include "../sample.h"

#include <time.h>

static void leaf_lists_keep_their_leaves(void **state) {
  (void)state;
  struct sample sample = sample_tree(DATA "leaf-lists.root");
  size_t several = 0;
  for (size_t i = 0; i < sample.tree.num_all; i++) {
    const struct mlaas_branch *branch = sample.tree.all[i];
    assert_null(branch->unsupported);
    several += branch->num_leaves > 1;
    for (size_t k = 0; k < branch->num_leaves; k++) {
      assert_ptr_equal(branch->leaves[k]->branch, branch);
      assert_int_not_equal(branch->leaves[k]->kind, MLAAS_LEAF_UNKNOWN);
    }
  }
  assert_true(several > 0);
  sample_free(&sample);
}

static void clones_branches_have_counted_children(void **state) {
  (void)state;
  struct sample sample = sample_tree(DATA "old-branch-split1.root");
  const struct mlaas_branch *px = sample_branch(&sample, "obj/trk/trk.px"),
                            *h = sample_branch(&sample, "obj/trk/trk.h[2]");
  assert_non_null(px);
  assert_non_null(h);
  assert_string_equal(px->parent->class_name, "TBranchClones");
  assert_string_equal(px->leaves[0]->count->name, "trk_");
  assert_ptr_equal(px->leaves[0]->count, h->leaves[0]->count);
  assert_string_equal(px->leaves[0]->count->branch->path, "trk_"); /* in no list, but there */
  assert_int_equal(px->leaves[0]->count->branch->num_baskets, 1);
  assert_int_equal(h->leaves[0]->len, 2);
  assert_non_null(sample_branch(&sample, "plain"));
  sample_free(&sample);
}

static void collections_of_pointers_have_a_branch_for_each_class(void **state) {
  (void)state;
  struct sample sample = sample_tree(DATA "pointer-vector-split199.root");
  const struct mlaas_branch *parent = sample_branch(&sample, "hits"),
                            *hits = sample_branch(&sample, "hits/hits.MadeHit");
  assert_non_null(parent);
  assert_null(parent->unsupported);
  assert_string_equal(parent->class_name, "TBranchSTL");
  assert_string_equal(parent->container_class, "vector<MadeHit*>");
  assert_non_null(hits);
  assert_ptr_equal(hits->parent, parent);
  assert_string_equal(hits->clones_class, "MadeHit");
  sample_free(&sample);
}

static void ntuples_of_old_are_trees(void **state) {
  (void)state;
  struct sample sample = sample_tree(DATA "tntuple.root");
  assert_string_equal(sample.tree.class_name, "TNtuple");
  assert_int_equal(sample.tree.entries, 20);
  assert_true(mlaas_tree_is_tree(&sample.streamers, "TNtupleD"));
  assert_false(mlaas_tree_is_tree(&sample.streamers, "TBranch"));
  assert_false(mlaas_tree_is_tree(&sample.streamers, "TH1F"));
  sample_free(&sample);
}

static void empty_trees_have_no_clusters(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "empty.root");
  assert_int_equal(sample_read_all(&sample, sample.size), MLAAS_OK);
  assert_int_equal(sample.tree.entries, 0);
  assert_int_equal(sample.tree.num_clusters, 0);
  sample_free(&sample);
}

/* Clusters ascend from 0, and where the writer flushed by cluster each begins a basket in every branch. */
static void assert_clusters(const char *path, bool flushed) {
  struct sample sample = sample_tree(path);
  const struct mlaas_tree *tree = &sample.tree;
  assert_true(tree->num_clusters > 1);
  assert_int_equal(tree->clusters[0], 0);
  for (size_t i = 1; i < tree->num_clusters; i++)
    assert_true(tree->clusters[i] > tree->clusters[i - 1] && tree->clusters[i] < tree->entries);
  for (size_t b = 0; flushed && b < tree->num_all; b++)
    for (size_t i = 0; i < tree->num_clusters; i++) {
      const struct mlaas_branch *branch = tree->all[b];
      bool begins = branch->num_baskets == 0;
      for (size_t k = 0; k < branch->num_baskets; k++)
        begins |= branch->baskets[k].entry == tree->clusters[i];
      assert_true(begins);
    }
  sample_free(&sample);
}

static void clusters_come_from_ranges_flushes_or_baskets(void **state) {
  (void)state;
  assert_clusters(DATA "clusters-merged.root", true);
  assert_clusters(DATA "autoflush.root", true);
  assert_clusters(PLAIN_METADATA "chain-1.root", true);
}

static void baskets_cover_the_entries(void **state) {
  (void)state;
  static const char *const paths[] = {DATA "clusters-merged.root", DATA "strings-split0.root", DATA "autoflush.root"};
  for (size_t f = 0; f < sizeof paths / sizeof *paths; f++) {
    struct sample sample = sample_tree(paths[f]);
    for (size_t i = 0; i < sample.tree.num_all; i++) {
      const struct mlaas_branch *branch = sample.tree.all[i];
      for (size_t k = 0; k < branch->num_baskets; k++) {
        const struct mlaas_basket_ref *basket = &branch->baskets[k];
        assert_true(k ? basket->entry > basket[-1].entry : basket->entry == 0);
        assert_true((basket->seek > 0) != (basket->embedded != NULL));
        assert_true(basket->num_bytes > 0);
      }
      assert_true(branch->num_baskets == 0 || branch->entry_number == sample.tree.entries);
    }
    sample_free(&sample);
  }
}

/* Every third byte of a plainly stored tree is damaged once: an error, a marked branch, or a tree, but never more
 * memory than the budget, a crash or a hang. */
static void damaged_trees_are_errors_or_harmless(void **state) {
  (void)state;
  static const char *const paths[] = {PLAIN_METADATA "old-branch-split1.root", PLAIN_METADATA "clones-split99.root",
                                      PLAIN_METADATA "tntuple.root"};
  size_t errors = 0;
  for (size_t f = 0; f < sizeof paths / sizeof *paths; f++) {
    struct sample sample = sample_load(paths[f]);
    assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
    size_t start = (size_t)sample.container.keys[0].offset, end = start + (size_t)sample.container.keys[0].num_bytes;
    sample_close(&sample);
    for (size_t i = start; i < end; i += 3) {
      uint8_t kept = sample.data[i];
      sample.data[i] ^= (uint8_t)(0x80 >> i % 8);
      enum mlaas_status status = sample_read_all(&sample, sample.size);
      assert_true(status == MLAAS_OK || status == MLAAS_FORMAT || status == MLAAS_UNSUPPORTED || status == MLAAS_LIMIT);
      errors += status != MLAAS_OK;
      sample_close(&sample);
      sample.data[i] = kept;
    }
    sample_free(&sample);
  }
  assert_true(errors > 0);
}

/* Of work: what others do on the machine meanwhile does not count. */
static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void ten_thousand_branches_open_at_once(void **state) {
  (void)state;
  const char *path = TESTS_ROOT "/../shared/corpus/made/wide-10000.root";
  FILE *file = fopen(path, "rb");
  if (!file) {
    print_message("../shared/corpus is not there: the wide tree is not read\n");
    skip();
  }
  fclose(file);
  double start = seconds();
  struct sample sample = sample_tree(path);
  assert_true(sample.tree.num_all >= 10000);
  assert_true(seconds() - start < 5); /* 0.07 on a quiet machine; what is quadratic takes minutes */
  sample_free(&sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(leaf_lists_keep_their_leaves),
      cmocka_unit_test(clones_branches_have_counted_children),
      cmocka_unit_test(collections_of_pointers_have_a_branch_for_each_class),
      cmocka_unit_test(ntuples_of_old_are_trees),
      cmocka_unit_test(empty_trees_have_no_clusters),
      cmocka_unit_test(clusters_come_from_ranges_flushes_or_baskets),
      cmocka_unit_test(baskets_cover_the_entries),
      cmocka_unit_test(damaged_trees_are_errors_or_harmless),
      cmocka_unit_test(ten_thousand_branches_open_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reading ahead of the mixer: the plan says which clusters of which files come next, so their bytes are on their way,
 * and the files open, before a lane gets there. Moves no row: what is read, and in which order, is the mixer's. */
#include "dataset/mixer.h"

enum { ROOM_SHARE = 4 }; /* a quarter of the cache is left to whoever else reads with this context */

static int64_t room_of(const struct mlaas_mixer *mixer) {
  int64_t cache = mlaas_context_remote(mixer->dataset->context)->cache;
  return cache - cache / ROOM_SHARE;
}

/* Bytes that are on their way, or here and not decoded. */
static int64_t awaited(const struct mlaas_mixer *mixer) {
  int64_t bytes = 0;
  for (size_t i = 0; i < mixer->num_bound; i++)
    if (mixer->bound[i].open)
      bytes += mlaas_reader_ahead_bytes(mixer->bound[i].access.reader);
  return bytes;
}

/* Rows of a lane in whole pieces of one unit, or of one piece. */
struct stretch {
  size_t file;
  int64_t start, stop; /* entries */
  int64_t rows;
};

/* The entry of the row behind the first `skip` rows of a piece that are delivered. */
static int64_t entry_of(struct mlaas_mixer *mixer, size_t piece, int64_t skip) {
  int32_t row;
  mlaas_plan_select(&mixer->dataset->plan, piece, mixer->options.order.set, skip, 1, &row);
  return mixer->dataset->plan.pieces[piece].start + row;
}

/* What follows row `at` of the lane's share, as far as its pieces adjoin, up to `most` entries or the share's end. */
static struct stretch stretch_at(struct mlaas_mixer *mixer, size_t lane, int64_t at, int64_t most) {
  const struct mlaas_piece *pieces = mixer->dataset->plan.pieces;
  int64_t size = mixer->order.sizes[lane];
  struct mlaas_run run = mlaas_order_run(&mixer->order, lane, at, size - at);
  const struct mlaas_piece *piece = &pieces[run.piece];
  struct stretch stretch = {piece->file, run.skip ? entry_of(mixer, run.piece, run.skip) : piece->start, piece->stop,
                            run.take};
  while (at + stretch.rows < size) {
    size_t before = run.piece;
    run = mlaas_order_run(&mixer->order, lane, at + stretch.rows, size - at - stretch.rows);
    piece = &pieces[run.piece];
    if (run.piece != before + 1 || piece->file != stretch.file || piece->start != stretch.stop ||
        piece->stop - stretch.start > most)
      return stretch;
    stretch.stop = piece->stop;
    stretch.rows += run.take;
  }
  stretch.stop = entry_of(mixer, run.piece, run.skip + run.take - 1) + 1; /* the share ends within the piece */
  return stretch;
}

static int64_t share_of(const struct mlaas_mixer *mixer) {
  return room_of(mixer) / (int64_t)(mixer->order.num_lanes + 1);
}

/* Begins to open the files that a lane comes to from row `at` on, the next few, and to fetch what it reads first. */
static void want_files(struct mlaas_mixer *mixer, size_t lane, int64_t at) {
  enum { MOST_FILES = 8, MOST_STEPS = 1000 };
  size_t last = SIZE_MAX, files = 0, most = MOST_FILES / mixer->order.num_lanes + 1;
  struct stretch whole = stretch_at(mixer, lane, at, mixer->longest), piece = stretch_at(mixer, lane, at, 1);
  const struct mlaas_opener_first first = {whole.file, whole.start, whole.stop, piece.stop, share_of(mixer)};
  for (int step = 0; step < MOST_STEPS && files < most && at < mixer->order.sizes[lane]; step++) {
    struct mlaas_run run = mlaas_order_run(&mixer->order, lane, at, INT64_MAX);
    size_t file = mixer->dataset->plan.pieces[run.piece].file;
    at += run.take;
    if (file == last)
      continue;
    bool wanted = !mlaas_mixer_bound(mixer, file) && !mlaas_mixer_is_lost(mixer, file);
    if (wanted && file == first.file)
      mlaas_opener_want_rows(&mixer->opener, &first);
    else if (wanted)
      mlaas_opener_want(&mixer->opener, file);
    last = file;
    files++;
  }
}

/* Announces what follows row `at` of a lane; the row behind it, or `at` where the file is not open yet. */
static int64_t announce_lane(struct mlaas_mixer *mixer, size_t lane, int64_t at) {
  int64_t unit = mixer->longest;
  struct mlaas_run run = mlaas_order_run(&mixer->order, lane, at, 1);
  size_t file = mixer->dataset->plan.pieces[run.piece].file;
  struct mlaas_bound *bound = mlaas_mixer_bound(mixer, file);
  struct mlaas_error ignored;           /* whoever reads it will say why */
  if (mlaas_mixer_is_lost(mixer, file)) /* nobody will read it */
    return at + mlaas_order_run(&mixer->order, lane, at, mixer->order.sizes[lane] - at).take;
  if (!bound && mlaas_opener_ready(&mixer->opener, file))
    bound = mlaas_mixer_bind(mixer, file, &bound, &ignored) == MLAAS_OK ? bound : NULL;
  if (!bound) {
    want_files(mixer, lane, at);
    return at;
  }
  bool fits = unit * bound->access.row_stored <= share_of(mixer);
  struct stretch stretch = stretch_at(mixer, lane, at, fits ? unit : 1);
  mlaas_reader_ahead(bound->access.reader, stretch.start, stretch.stop, INT64_MAX);
  return at + stretch.rows;
}

/* Rows [row, row + rows) of the shard: false when there is no lane left that can go on. */
static bool announce_window(struct mlaas_mixer *mixer, int64_t row, int64_t rows, bool now, bool *stuck) {
  const int64_t *from, *taken;
  int64_t room = room_of(mixer), ends[MLAAS_LANES], starts[MLAAS_LANES];
  bool any = false;
  mlaas_order_window(&mixer->order, row, rows, &from, &taken);
  for (size_t lane = 0; lane < mixer->order.num_lanes; lane++) {
    starts[lane] = from[lane];
    ends[lane] = from[lane] + taken[lane];
  }
  for (size_t lane = 0; lane < mixer->order.num_lanes; lane++) {
    int64_t at = mixer->ahead[lane] > starts[lane] ? mixer->ahead[lane] : starts[lane];
    while (at < ends[lane] && !stuck[lane] && (now || awaited(mixer) < room)) {
      mixer->ahead[lane] = announce_lane(mixer, lane, at);
      stuck[lane] = mixer->ahead[lane] == at;
      at = mixer->ahead[lane];
    }
    any |= !stuck[lane];
  }
  return any && awaited(mixer) < room;
}

void mlaas_mixer_announce(struct mlaas_mixer *mixer, int64_t start) {
  bool stuck[MLAAS_LANES] = {false}, more = true;
  int64_t window = mixer->options.window_rows;
  if (!mixer->opener.early)
    return;
  if (start < mixer->announced) /* somebody went back */
    for (size_t lane = 0; lane < MLAAS_LANES; lane++)
      mixer->ahead[lane] = 0;
  mixer->announced = start;
  for (int64_t row = start; row < mixer->rows && more; row += window)
    more = announce_window(mixer, row, mixer->rows - row < window ? mixer->rows - row : window, row == start, stuck);
}

void mlaas_mixer_expect(struct mlaas_mixer *mixer, int64_t first) {
  mlaas_mixer_announce(mixer,
                       first * mixer->options.batch_rows / mixer->options.window_rows * mixer->options.window_rows);
}

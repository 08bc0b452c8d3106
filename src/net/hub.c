/* Pools, lists and the clock, for the connections of one loop. Knows neither protocol nor socket. */
#include "net/hub.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { MOST_BUFFERS = 512, MOST_FLIGHTS = 512, SHORTEST_TICK = 10, LONGEST_TICK = 1000, TOUCH_MS = 1000 };

int64_t mlaas_hub_now(const struct mlaas_hub *hub) { return (int64_t)uv_now(mlaas_loop_uv(hub->loop)); }

/* ---- buffers ---- */

struct mlaas_buffer *mlaas_hub_get_buffer(struct mlaas_hub *hub, size_t capacity) {
  struct mlaas_buffer *buffer = hub->buffers;
  if (capacity == MLAAS_BUFFER_BYTES && buffer) {
    hub->buffers = buffer->next;
    hub->num_buffers--;
    return buffer;
  }
  struct mlaas_block block;
  if (mlaas_block_new(hub->shared->budget, (int64_t)(sizeof *buffer + capacity), &block, NULL) != MLAAS_OK)
    return NULL;
  buffer = block.data;
  *buffer = (struct mlaas_buffer){.block = block, .capacity = capacity, .data = (char *)(buffer + 1)};
  return buffer;
}

static void free_buffer(struct mlaas_buffer *buffer) {
  struct mlaas_block block = buffer->block;
  mlaas_block_reset(&block);
}

void mlaas_hub_put_buffer(struct mlaas_hub *hub, struct mlaas_buffer *buffer) {
  if (!buffer)
    return;
  if (buffer->capacity != MLAAS_BUFFER_BYTES || hub->num_buffers == MOST_BUFFERS) {
    free_buffer(buffer);
    return;
  }
  buffer->next = hub->buffers;
  hub->buffers = buffer;
  hub->num_buffers++;
}

/* ---- flights ---- */

struct mlaas_flight *mlaas_hub_next_flight(struct mlaas_hub *hub) {
  if (!hub->flights) {
    struct mlaas_flight *flight = mlaas_alloc(sizeof *flight);
    if (!flight)
      return NULL;
    mlaas_arena_init(&flight->exchange.arena, hub->shared->budget);
    flight->hub = hub;
    flight->exchange.loop = hub->loop;
    hub->flights = flight;
    hub->num_flights = 1;
  }
  return hub->flights;
}

struct mlaas_flight *mlaas_hub_take_flight(struct mlaas_hub *hub, struct mlaas_connection *connection) {
  struct mlaas_flight *flight = mlaas_hub_next_flight(hub);
  if (!flight)
    return NULL;
  hub->flights = flight->next;
  hub->num_flights--;
  flight->next = NULL;
  flight->connection = connection;
  flight->begun = flight->handled = flight->replied = flight->over = flight->bad_header = false;
  flight->num_headers = 0;
  flight->fd = -1;
  struct mlaas_exchange *exchange = &flight->exchange;
  exchange->user = NULL;
  exchange->gone = NULL;
  exchange->status = 0;
  exchange->bytes_in = exchange->bytes_out = 0;
  exchange->body_limit = hub->shared->options.body_limit;
  return flight;
}

static void free_flight(struct mlaas_flight *flight) {
  mlaas_arena_reset(&flight->exchange.arena);
  mlaas_free(flight);
}

void mlaas_hub_put_flight(struct mlaas_hub *hub, struct mlaas_flight *flight) {
  mlaas_arena_clear(&flight->exchange.arena);
  if (hub->num_flights >= MOST_FLIGHTS) {
    free_flight(flight);
    return;
  }
  flight->next = hub->flights;
  hub->flights = flight;
  hub->num_flights++;
}

void mlaas_hub_end_flight(struct mlaas_flight *flight) {
  struct mlaas_hub *hub = flight->hub;
  if (flight->over)
    return;
  flight->over = true;
  if (hub->over)
    hub->over_last->next = flight;
  else
    hub->over = flight;
  hub->over_last = flight;
  flight->next = NULL;
}

/* ---- the list of connections, and when to look at their timeouts ---- */

void mlaas_hub_add(struct mlaas_hub *hub, struct mlaas_member *member) {
  member->before = hub->last;
  member->next = NULL;
  if (hub->last)
    hub->last->next = member;
  else
    hub->first = member;
  hub->last = member;
}

void mlaas_hub_remove(struct mlaas_hub *hub, struct mlaas_member *member) {
  if (member->before)
    member->before->next = member->next;
  else
    hub->first = member->next;
  if (member->next)
    member->next->before = member->before;
  else
    hub->last = member->before;
}

void mlaas_hub_touch(struct mlaas_hub *hub, struct mlaas_member *member) {
  int64_t now = mlaas_hub_now(hub);
  if (now - member->touched < TOUCH_MS)
    return;
  member->touched = now;
  mlaas_hub_remove(hub, member);
  mlaas_hub_add(hub, member);
}

/* Earlier than was asked for before, never later. */
void mlaas_hub_look_in(struct mlaas_hub *hub, int64_t ms) {
  ms = ms < SHORTEST_TICK ? SHORTEST_TICK : ms;
  uv_handle_t *handle = (uv_handle_t *)&hub->timer;
  if (uv_is_closing(handle) || (uv_is_active(handle) && (int64_t)uv_timer_get_due_in(&hub->timer) <= ms))
    return;
  uv_timer_start(&hub->timer, hub->on_timer, (uint64_t)ms, 0);
}

/* ---- what replies carry ---- */

const char *mlaas_hub_date(struct mlaas_hub *hub) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != hub->second) {
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);
    snprintf(hub->date, sizeof hub->date, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
             days + tm.tm_wday % 7 * 3, tm.tm_mday % 100, months + tm.tm_mon % 12 * 3, (tm.tm_year + 1900) % 10000,
             tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
    hub->second = now.tv_sec;
  }
  return hub->date;
}

void mlaas_hub_make_id(struct mlaas_hub *hub, char id[static 17]) {
  uint64_t mixed = hub->id_seed += 0x9e3779b97f4a7c15u; /* splitmix64 */
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  mixed ^= mixed >> 31;
  for (int i = 0; i < 16; i++)
    id[i] = "0123456789abcdef"[mixed >> (60 - 4 * i) & 15];
  id[16] = 0;
}

/* ---- its own life ---- */

enum mlaas_status mlaas_hub_init(struct mlaas_hub *hub, struct mlaas_shared *shared, struct mlaas_loop *loop,
                                 struct mlaas_error *error) {
  const struct mlaas_server_options *options = &shared->options;
  hub->shared = shared;
  hub->loop = loop;
  int64_t shortest = LONGEST_TICK * 4;
  const int64_t timeouts[] = {options->head_timeout_ms, options->idle_timeout_ms, options->body_timeout_ms,
                              options->write_timeout_ms};
  for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++)
    shortest = timeouts[i] < shortest ? timeouts[i] : shortest;
  hub->tick = shortest / 4;
  if (getrandom(&hub->id_seed, sizeof hub->id_seed, GRND_NONBLOCK) != sizeof hub->id_seed)
    hub->id_seed = uv_hrtime() ^ (uint64_t)(uintptr_t)hub;
  if (shared->tls && !(hub->cipher = mlaas_alloc(MLAAS_CIPHER_BYTES)))
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a loop");
  uv_timer_init(mlaas_loop_uv(loop), &hub->timer);
  hub->timer.data = hub;
  return MLAAS_OK;
}

void mlaas_hub_reset(struct mlaas_hub *hub) {
  while (hub->buffers) {
    struct mlaas_buffer *next = hub->buffers->next;
    free_buffer(hub->buffers);
    hub->buffers = next;
  }
  while (hub->flights) {
    struct mlaas_flight *next = hub->flights->next;
    free_flight(hub->flights);
    hub->flights = next;
  }
  mlaas_free(hub->cipher);
  *hub = (struct mlaas_hub){0};
}

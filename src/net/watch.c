/* Timeouts, the end of exchanges, and the end of all connections of a loop. Knows no protocol. */
#include "net/watch.h"

#include "net/connection.h"

static struct mlaas_connection *of(struct mlaas_member *member) { return (struct mlaas_connection *)member; }

bool mlaas_watch_evict(struct mlaas_hub *hub) {
  for (struct mlaas_connection *connection = of(hub->first); connection; connection = of(connection->member.next))
    if (!connection->closing && connection->codec->idle(connection)) {
      mlaas_connection_close(connection);
      return true;
    }
  return false;
}

void mlaas_watch_stop(struct mlaas_hub *hub, bool cut) {
  if (!hub->stopping)
    hub->cut_at = mlaas_hub_now(hub) + hub->shared->options.drain_ms;
  hub->stopping = true;
  hub->cutting |= cut;
  for (struct mlaas_connection *connection = of(hub->first), *next; connection; connection = next) {
    next = of(connection->member.next);
    if (cut)
      mlaas_connection_close(connection);
    else
      connection->codec->stop(connection);
  }
  mlaas_hub_look_in(hub, hub->tick);
}

static void on_timer(uv_timer_t *timer) {
  struct mlaas_hub *hub = timer->data;
  int64_t now = mlaas_hub_now(hub), soonest = now + hub->tick;
  if (hub->stopping && !hub->cutting && now >= hub->cut_at)
    mlaas_watch_stop(hub, true);
  for (struct mlaas_connection *connection = of(hub->first); connection; connection = of(connection->member.next)) {
    if (connection->closing)
      continue;
    int64_t deadline = mlaas_connection_deadline(connection, now);
    if (deadline <= now)
      mlaas_connection_expire(connection);
    else if (deadline < soonest)
      soonest = deadline;
  }
  if (hub->stopping && !hub->cutting && hub->cut_at < soonest)
    soonest = hub->cut_at;
  if (hub->first || (hub->stopping && hub->num_connections))
    mlaas_hub_look_in(hub, soonest - now);
}

static void finish_flights(void *context) {
  struct mlaas_hub *hub = context;
  if (!hub->over)
    return;
  const struct mlaas_handler *handler = &hub->shared->options.handler;
  struct mlaas_flight *flight = hub->over;
  hub->over = NULL;
  while (flight) {
    struct mlaas_flight *next = flight->next;
    mlaas_count(&hub->counters.requests, 1);
    mlaas_count(&hub->counters.bytes_in, flight->exchange.bytes_in);
    mlaas_count(&hub->counters.bytes_out, flight->exchange.bytes_out);
    if (handler->finished)
      handler->finished(handler->context, &flight->exchange);
    flight->connection->codec->finish(flight);
    flight = next;
  }
  mlaas_loop_again(hub->loop); /* requests that waited behind have begun */
}

void mlaas_watch_begin(struct mlaas_hub *hub) {
  hub->on_timer = on_timer;
  mlaas_loop_after_round(hub->loop, finish_flights, hub);
}

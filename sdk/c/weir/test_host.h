/* The functions of the ABI, as the host in memory has them. */
#ifndef WEIR_TEST_HOST_H
#define WEIR_TEST_HOST_H

/* Gives the filter bytes, in its own memory. */
static uint32_t wt_give(const void *from, size_t size, uint8_t **data, size_t *data_size) {
	*data = NULL;
	*data_size = 0;
	if (!size) return WEIR_OK;
	*data = (uint8_t *)proxy_on_memory_allocate((uint32_t)size);
	if (!*data) return WEIR_INTERNAL_FAILURE;
	memcpy(*data, from, size);
	*data_size = size;
	return WEIR_OK;
}

static wt_pair **wt_map(uint32_t kind) {
	weir_exchange *x = wt_exchange();
	if (kind == WEIR_MAP_CALL_RESPONSE_HEADERS) return wt_host->answered ? &wt_host->answered->answer : NULL;
	if (kind > WEIR_MAP_RESPONSE_TRAILERS || !x) return NULL;
	wt_half *h = &x->half[kind >> 1];
	if (h->stage == WT_IDLE && !h->inside) return NULL; /* there is none yet */
	return kind & 1 ? &h->trailers : &h->head;
}

/* Maps can be changed until they have gone on. */
static wt_pair **wt_map_open(uint32_t kind) {
	weir_exchange *x = wt_exchange();
	wt_pair **m = wt_map(kind);
	if (!m || kind > WEIR_MAP_RESPONSE_TRAILERS || x->over) return NULL;
	wt_half *h = &x->half[kind >> 1];
	if (!(kind & 1) && h->stage != WT_IDLE && h->stage != WT_HEAD) return NULL;
	return m;
}

#ifdef __cplusplus
extern "C" {
#endif

uint32_t proxy_log(uint32_t level, const void *message, size_t message_size) {
	static const char *const names[] = {"trace", "debug", "info", "warn", "error", "critical"};
	if (level > 5) return WEIR_BAD_ARGUMENT;
	if (!wt_host) return WEIR_OK;
	wt_add(&wt_host->log, names[level], strlen(names[level]));
	wt_add(&wt_host->log, ": ", 2);
	wt_add(&wt_host->log, message, message_size);
	wt_add(&wt_host->log, "\n", 1);
	return WEIR_OK;
}

uint32_t proxy_get_current_time_nanoseconds(uint64_t *time) {
	*time = UINT64_C(1700000000000000000) + (wt_host ? wt_host->now : 0);
	return WEIR_OK;
}

uint32_t proxy_set_tick_period_milliseconds(uint32_t milliseconds) {
	for (wt_event *e = wt_host->events, *next; e; e = next) {
		next = e->next;
		if (e->kind != WT_TICK) continue;
		wt_event_take(e);
		wt_event_free(e);
	}
	wt_host->tick = milliseconds;
	if (milliseconds) wt_event_new(WT_TICK, milliseconds);
	return WEIR_OK;
}

uint32_t proxy_set_effective_context(uint32_t context) {
	uint32_t before = wt_host->effective;
	wt_host->effective = context;
	if (context == wt_host->root || wt_exchange()) return WEIR_OK;
	wt_host->effective = before;
	return WEIR_BAD_ARGUMENT;
}

uint32_t proxy_get_status(uint32_t *code, uint8_t **message, size_t *message_size) {
	weir_test_call *c = wt_host->answered;
	*code = c && c->fails ? WEIR_BROKEN_CONNECTION : WEIR_OK;
	return wt_give(c ? c->message.data : NULL, c ? c->message.size : 0, message, message_size);
}

uint32_t proxy_get_buffer_bytes(uint32_t buffer, uint32_t start, uint32_t most, uint8_t **data, size_t *data_size) {
	weir_exchange *x = wt_exchange();
	wt_bytes *b = NULL;
	if (buffer <= WEIR_BUFFER_RESPONSE_BODY && x && x->half[buffer].stage != WT_IDLE && x->half[buffer].stage != WT_PASSED) b = &x->half[buffer].held;
	if (buffer == WEIR_BUFFER_PLUGIN_CONFIGURATION) b = &wt_host->config;
	if (buffer == WEIR_BUFFER_CALL_DATA) b = &wt_host->call_data;
	if (buffer == WEIR_BUFFER_CALL_RESPONSE_BODY && wt_host->answered) b = &wt_host->answered->body;
	if (!b) return WEIR_NOT_FOUND;
	if (start > b->size) start = (uint32_t)b->size;
	if (most > b->size - start) most = (uint32_t)(b->size - start);
	return wt_give(b->data ? b->data + start : NULL, most, data, data_size);
}

uint32_t proxy_set_buffer_bytes(uint32_t buffer, uint32_t start, uint32_t size, const void *data, size_t data_size) {
	weir_exchange *x = wt_exchange();
	if (buffer > WEIR_BUFFER_RESPONSE_BODY || !x) return WEIR_BAD_ARGUMENT;
	wt_half *h = &x->half[buffer];
	if (h->stage == WT_PASSED || (h->stage == WT_IDLE && (!h->inside || h->chunks))) return WEIR_BAD_ARGUMENT;
	wt_bytes made = {NULL, 0};
	if (start > h->held.size) start = (uint32_t)h->held.size;
	if (size > h->held.size - start) size = (uint32_t)(h->held.size - start);
	wt_add(&made, h->held.data, start);
	wt_add(&made, data, data_size);
	wt_add(&made, h->held.data ? h->held.data + start + size : NULL, h->held.size - start - size);
	wt_clear(&h->held);
	h->held = made;
	return WEIR_OK;
}

uint32_t proxy_get_header_map_pairs(uint32_t kind, uint8_t **pairs, size_t *pairs_size) {
	wt_pair **m = wt_map(kind);
	wt_bytes b = wt_encode(m ? *m : NULL);
	uint32_t st = wt_give(b.data, b.size, pairs, pairs_size);
	wt_clear(&b);
	return st;
}

uint32_t proxy_get_header_map_value(uint32_t kind, const void *key, size_t key_size, uint8_t **value, size_t *value_size) {
	wt_pair **m = wt_map(kind), *p = m ? wt_find(*m, key, key_size) : NULL;
	if (!p) return WEIR_NOT_FOUND;
	return wt_give(p->value.data, p->value.size, value, value_size);
}

uint32_t proxy_add_header_map_value(uint32_t kind, const void *key, size_t key_size, const void *value, size_t value_size) {
	wt_pair **m = wt_map_open(kind);
	if (!m) return WEIR_BAD_ARGUMENT;
	wt_append(m, key, key_size, value, value_size);
	return WEIR_OK;
}

uint32_t proxy_replace_header_map_value(uint32_t kind, const void *key, size_t key_size, const void *value, size_t value_size) {
	wt_pair **m = wt_map_open(kind), *p = m ? wt_find(*m, key, key_size) : NULL;
	if (!m) return WEIR_BAD_ARGUMENT;
	if (!p) {
		wt_append(m, key, key_size, value, value_size);
		return WEIR_OK;
	}
	wt_set(&p->value, value, value_size);
	wt_remove(&p->next, key, key_size);
	return WEIR_OK;
}

uint32_t proxy_remove_header_map_value(uint32_t kind, const void *key, size_t key_size) {
	wt_pair **m = wt_map_open(kind);
	if (!m) return WEIR_BAD_ARGUMENT;
	wt_remove(m, key, key_size);
	return WEIR_OK;
}

uint32_t proxy_get_property(const void *path, size_t path_size, uint8_t **value, size_t *value_size) {
	wt_pair *p = wt_find(wt_host->properties, path, path_size);
	if (!p) return WEIR_NOT_FOUND;
	return wt_give(p->value.data, p->value.size, value, value_size);
}

uint32_t proxy_set_property(const void *path, size_t path_size, const void *value, size_t value_size) {
	wt_remove(&wt_host->properties, path, path_size);
	wt_append(&wt_host->properties, path, path_size, value, value_size);
	return WEIR_OK;
}

uint32_t proxy_continue_stream(uint32_t direction) {
	weir_exchange *x = wt_exchange();
	if (direction > 1) return WEIR_BAD_ARGUMENT;
	if (x && x->half[direction].stage != WT_IDLE && x->half[direction].stage != WT_PASSED) x->half[direction].resumed = true;
	return WEIR_OK;
}

uint32_t proxy_close_stream(uint32_t direction) {
	weir_exchange *x = wt_exchange();
	(void)direction;
	if (x) x->cut = true;
	return WEIR_OK;
}

static void wt_replied(weir_exchange *x, uint32_t status, const void *pairs, size_t pairs_size) {
	char text[16];
	wt_half *out = &x->half[1];
	wt_free(&out->head);
	wt_free(&out->chunks);
	wt_free(&out->trailers);
	wt_clear(&out->held);
	out->stage = WT_IDLE;
	snprintf(text, sizeof text, "%u", (unsigned)status);
	wt_append(&out->head, ":status", 7, text, strlen(text));
	wt_decode(&out->head, (const char *)pairs, pairs_size);
	x->replied = true;
}

uint32_t proxy_send_local_response(uint32_t status, const void *details, size_t details_size, const void *body, size_t body_size, const void *pairs, size_t pairs_size, int32_t grpc_status) {
	weir_exchange *x = wt_exchange();
	(void)details, (void)details_size, (void)grpc_status;
	if (!x || x->replied) return WEIR_OK;
	wt_replied(x, status, pairs, pairs_size);
	if (body_size) wt_append(&x->half[1].chunks, "", 0, body, body_size);
	return WEIR_OK;
}

uint32_t proxy_get_shared_data(const void *key, size_t key_size, uint8_t **value, size_t *value_size, uint32_t *version) {
	wt_pair *p = wt_find(wt_host->shared, key, key_size);
	if (!p) return WEIR_NOT_FOUND;
	*version = (uint32_t)p->version;
	return wt_give(p->value.data, p->value.size, value, value_size);
}

uint32_t proxy_set_shared_data(const void *key, size_t key_size, const void *value, size_t value_size, uint32_t version) {
	wt_pair *p = wt_find(wt_host->shared, key, key_size);
	if (p && version && p->version != version) return WEIR_CAS_MISMATCH;
	if (!p) p = wt_append(&wt_host->shared, key, key_size, "", 0);
	wt_set(&p->value, value, value_size);
	p->version = ++wt_host->versions;
	return WEIR_OK;
}

uint32_t proxy_define_metric(uint32_t kind, const void *name, size_t name_size, uint32_t *metric) {
	wt_pair *p = wt_find(wt_host->metrics, name, name_size);
	if (kind > 2) return WEIR_BAD_ARGUMENT;
	if (!p) p = wt_append(&wt_host->metrics, name, name_size, "", 0), p->version = kind;
	*metric = 0;
	for (wt_pair *q = wt_host->metrics; q; q = q->next, ++*metric)
		if (q == p) break;
	return WEIR_OK;
}

static wt_pair *wt_metric(uint32_t id) {
	wt_pair *p = wt_host->metrics;
	while (p && id--) p = p->next;
	return p;
}

uint32_t proxy_record_metric(uint32_t metric, uint64_t value) {
	wt_pair *p = wt_metric(metric);
	if (!p) return WEIR_NOT_FOUND;
	p->number = p->version == WEIR_METRIC_GAUGE ? value : p->number + value;
	return WEIR_OK;
}

uint32_t proxy_increment_metric(uint32_t metric, int64_t delta) {
	wt_pair *p = wt_metric(metric);
	if (!p) return WEIR_NOT_FOUND;
	if (p->version == WEIR_METRIC_HISTOGRAM || (p->version == WEIR_METRIC_COUNTER && delta <= 0)) return WEIR_BAD_ARGUMENT;
	p->number += (uint64_t)delta;
	return WEIR_OK;
}

#ifdef __cplusplus
}
#endif

#endif

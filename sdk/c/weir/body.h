/* Bodies: read before the head goes on, taken chunk by chunk, or changed as they come by. */
#ifndef WEIR_BODY_H
#define WEIR_BODY_H

#define WEIR_ALL 0x7fffffff /* longer than any body */

static uint32_t weir_host_body(int side, uint64_t order) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_number(&b, (uint64_t)side);
	weir_field_number(&b, order);
	return weir_foreign(WEIR_CALL_BODY, &b, 0);
}

static weir_bytes weir_body_bytes(int side, size_t size) {
	uint8_t *data = 0;
	size_t n = 0;
	weir_bytes none = {"", 0};
	if (!size || proxy_get_buffer_bytes((uint32_t)side, 0, (uint32_t)size, &data, &n) != WEIR_OK) return none;
	return weir_given(data, n);
}

/* ---- As they come by ---- */

uint32_t weir_write(weir_stream *s, const void *data, size_t size) {
	weir_side *d = &s->side[s->now];
	if (s->over) return WEIR_LATE;
	if (d->head && !d->end) return WEIR_BAD_ARGUMENT; /* there is nothing in whose place it could go */
	d->changed = true;
	d->made.kept = true;
	weir_buffer_add(&d->made, data, size);
	return WEIR_OK;
}

void weir_drop(weir_stream *s) { s->side[s->now].changed = true; }
void weir_pass(weir_stream *s) { s->side[s->now].unseen = true; }

/* Puts what was written in the place of what the host holds. */
static void weir_flush(weir_stream *s, int side) {
	weir_side *d = &s->side[side];
	if (!d->changed) return;
	d->changed = false;
	if (d->held || d->made.size) {
		uint32_t st = proxy_set_buffer_bytes((uint32_t)side, 0, WEIR_ALL, d->made.data, d->made.size);
		if (st) { /* what was to be changed must not go on as it is */
			weir_complain("change body: ", weir_reason(st));
			proxy_close_stream((uint32_t)side);
		}
	}
	if (d->made.room > 65536)
		weir_buffer_free(&d->made);
	else
		d->made.size = 0;
}

/* Other hosts than weir send the length that the head has. */
static void weir_forget_length(weir_stream *s, int side, bool shown) {
	if (shown && !s->side[side].end && !weir_on_weir()) proxy_remove_header_map_value(side == WEIR_IN ? WEIR_REQUEST : WEIR_RESPONSE, "content-length", 14);
}

static void (*weir_body_callback(weir_stream *s, int side))(weir_stream *, const weir_chunk *) {
	const weir_filter *f = s->root->filter;
	return side == WEIR_IN ? f->on_request_body : f->on_response_body;
}

/* Has a side go on that was paused. */
static void weir_resume(weir_stream *s, int side) {
	weir_side *d = &s->side[side];
	if (s->over || s->is_root || s->replied || d->reading) return;
	weir_turn_to(s);
	weir_flush(s, side);
	if (d->head) weir_forget_length(s, side, weir_body_callback(s, side) != 0);
	d->paused = d->head = false;
	proxy_continue_stream((uint32_t)side);
}

/* ---- Before the head goes on ---- */

/* Takes what has come of a body that is read; false while there is more to come. */
static bool weir_reading_go_on(weir_stream *s, int side, size_t size) {
	weir_side *d = &s->side[side];
	weir_wait *w = d->reading;
	weir_answer a = weir_answer_of(WEIR_OK, 0);
	if (d->on_chunk) {
		weir_bytes chunk = weir_body_bytes(side, size);
		if (size) d->on_chunk(s, chunk, w->arg);
		if (!s->over && !d->end && weir_host_body(side, WEIR_ORDER_DROP_MORE) == WEIR_OK) return false;
		s->now = (uint8_t)side;
		weir_drop(s);
	} else if (size > d->most) {
		a = weir_answer_of(WEIR_TOO_BIG, 0);
	} else if (!d->end && weir_host_body(side, WEIR_ORDER_SHOW_MORE) == WEIR_OK) {
		return false;
	} else {
		a.body = weir_body_bytes(side, size);
	}
	d->unseen = true;
	d->reading = 0;
	weir_wait_tell(w, &a);
	return true;
}

static void weir_reading_gone(weir_wait *w) {
	if (w->s->side[w->side].reading == w) w->s->side[w->side].reading = 0;
}

static weir_wait *weir_reading_new(weir_stream *s, int part, weir_then *then, void *arg, uint64_t order, uint32_t *st) {
	int side = part >> 1;
	weir_side *d = &s->side[side];
	weir_wait *w = weir_wait_new(s, sizeof *w, 0, then, arg);
	w->free_more = weir_reading_gone;
	*st = WEIR_OK;
	if (!then || s->over || side > 1 || !d->head || d->reading || s->is_root)
		*st = WEIR_LATE;
	else if (d->end)
		; /* there is none */
	else if (!weir_on_weir())
		*st = WEIR_UNSUPPORTED;
	else if ((*st = weir_host_body(side, order)) == WEIR_OK) {
		s->side[w->side].waits--;
		w->side = (uint8_t)side;
		d->waits++;
		d->reading = w;
		weir_hooks.reading = weir_reading_go_on;
		return w;
	}
	weir_wait_due(w, *st, 0);
	return 0;
}

uint32_t weir_read_body(weir_stream *s, int part, size_t most, weir_then *then, void *arg) {
	uint32_t st;
	if (weir_reading_new(s, part, then, arg, WEIR_ORDER_SHOW_MORE, &st)) {
		s->side[part >> 1].on_chunk = 0;
		s->side[part >> 1].most = most;
	}
	return st;
}

uint32_t weir_take_body(weir_stream *s, int part, void (*on_chunk)(weir_stream *, weir_bytes, void *), weir_then *then, void *arg) {
	uint32_t st;
	if (weir_reading_new(s, part, then, arg, WEIR_ORDER_DROP_MORE, &st)) s->side[part >> 1].on_chunk = on_chunk;
	return st;
}

uint32_t weir_set_body(weir_stream *s, int part, const void *data, size_t size) {
	int side = part >> 1;
	if (s->over) return WEIR_LATE;
	s->side[side].changed = false;
	return proxy_set_buffer_bytes((uint32_t)side, 0, WEIR_ALL, data, size);
}

#endif

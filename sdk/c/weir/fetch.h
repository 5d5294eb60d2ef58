/* Calls of upstreams: weir's, which come as they come, and where there is no weir those of the ABI. */
#ifndef WEIR_FETCH_H
#define WEIR_FETCH_H

typedef struct weir_fetching {
	weir_wait w;
	size_t most;
	void (*on_head)(weir_stream *, weir_answer *, void *);
	void (*on_chunk)(weir_stream *, weir_bytes, void *);
	bool begun, answered;
	weir_buffer head, body, trailers;
} weir_fetching;

const char *weir_answer_get(weir_answer *a, const char *name) {
	weir_fields f = weir_fields_of(a->pairs);
	while (weir_next(&f))
		if (weir_same_name(f.name, name)) return f.value;
	return 0;
}

weir_fields weir_answer_all(weir_answer *a) { return weir_fields_of(a->pairs); }
weir_fields weir_answer_trailers(weir_answer *a) { return weir_fields_of(a->trailers); }

static void weir_fetching_free(weir_wait *w) {
	weir_fetching *f = (weir_fetching *)w;
	weir_buffer_free(&f->head);
	weir_buffer_free(&f->body);
}

static void weir_fetched_head(weir_fetching *f, weir_answer *a) {
	const char *p = weir_answer_get(a, ":status");
	while (p && *p >= '0' && *p <= '9' && a->status < 1000) a->status = a->status * 10 + *p++ - '0';
	if (!f->begun && f->on_head) f->on_head(f->w.s, a, f->w.arg);
	f->begun = true;
}

/* Takes a part of the body; false if that is too much. */
static bool weir_fetched_part(weir_fetching *f, weir_bytes part, weir_answer *a) {
	if (f->on_chunk) {
		part.data = part.size ? weir_scratch_text(part.data, part.size) : "";
		if (part.size) f->on_chunk(f->w.s, part, f->w.arg);
		return true;
	}
	if (part.size > f->most - f->body.size) {
		*a = weir_answer_of(WEIR_TOO_BIG, 0);
		return false;
	}
	weir_buffer_add(&f->body, part.data, part.size);
	return true;
}

/* Gives a what was collected. It is copied, for f is freed before the callback has returned. */
static void weir_fetched(weir_fetching *f, weir_answer *a) {
	a->pairs.data = weir_scratch_text(f->head.data, f->head.size);
	a->pairs.size = f->head.size;
	a->body.data = weir_scratch_text(f->body.data, f->body.size);
	a->body.size = f->body.size;
	weir_fetched_head(f, a);
}

static bool weir_fetch_more(weir_fetching *f, weir_answer *a) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_number(&b, f->w.node.id);
	uint32_t st = weir_foreign(WEIR_CALL_FETCH_READ, &b, 0);
	if (!st) return true;
	*a = weir_answer_of(st, 0);
	return false;
}

/* Asks for more, unless the reply that it is written to is full. */
static bool weir_fetch_goes_on(weir_fetching *f, weir_answer *a) {
	weir_stream *s = f->w.s;
	if (s->gone) {
		*a = weir_answer_of(WEIR_GONE, 0);
		return false;
	}
	if (s->full && f->on_chunk && !s->stalled) {
		s->stalled = &f->w;
		return true;
	}
	return weir_fetch_more(f, a);
}

static void weir_fetch_unstall(weir_wait *w) {
	weir_answer a = weir_answer_of(WEIR_OK, 0);
	if (weir_fetch_goes_on((weir_fetching *)w, &a)) return;
	weir_take_back(w->node.id);
	weir_wait_tell(w, &a);
}

static bool weir_fetch_take(weir_wait *w, weir_reader *r, weir_answer *a) {
	weir_fetching *f = (weir_fetching *)w;
	weir_bytes none = {0, 0}, part = none, trailers = none;
	bool more = true, first = !f->answered;
	if (a->error == WEIR_EMPTY && !first) { /* the end */
		a->error = WEIR_OK;
		a->message = "";
		trailers = weir_read_field(r);
		more = false;
	} else if (weir_take_error(r, a)) {
		return true;
	} else if (first) {
		f->answered = true;
		weir_bytes head = weir_read_field(r);
		weir_buffer_add(&f->head, head.data, head.size);
		part = weir_read_field(r);
		more = weir_read_number(r) == 1;
		if (!more && r->left) trailers = weir_read_field(r);
	} else {
		part = weir_read_field(r);
	}
	weir_take_bad(r, a);
	if (a->error) return weir_take_back(w->node.id), true;
	if (first && f->on_head) {
		a->pairs.data = f->head.data;
		a->pairs.size = f->head.size;
		weir_fetched_head(f, a);
		*a = weir_answer_of(WEIR_OK, 0);
	}
	if (!weir_fetched_part(f, part, a)) return weir_take_back(w->node.id), true;
	if (more) {
		if (weir_fetch_goes_on(f, a)) return false;
		return weir_take_back(w->node.id), true;
	}
	weir_fetched(f, a);
	a->trailers = trailers;
	return true;
}

/* What proxy_on_http_call_response tells. */
static void weir_called(uint32_t token, uint32_t fields, size_t size) {
	weir_fetching *f = (weir_fetching *)weir_table_find(&weir_guest.waits, token);
	if (!f || f->w.take != weir_fetch_take || weir_guest.host == 1) return;
	uint8_t *data = 0;
	size_t n = 0;
	weir_answer a = weir_answer_of(WEIR_OK, 0);
	if (!fields) {
		uint32_t code = 0;
		proxy_get_status(&code, &data, &n);
		a = weir_answer_of(WEIR_BROKEN_CONNECTION, n ? weir_given(data, n).data : 0);
	} else {
		weir_bytes part = {"", 0};
		if (proxy_get_header_map_pairs(WEIR_MAP_CALL_RESPONSE_HEADERS, &data, &n) == WEIR_OK) weir_buffer_add(&f->head, data, n);
		if (size && proxy_get_buffer_bytes(WEIR_BUFFER_CALL_RESPONSE_BODY, 0, (uint32_t)size, &data, &n) == WEIR_OK) part = weir_given(data, n);
		weir_turn_to(f->w.s);
		f->w.s->now = f->w.side;
		a.pairs.data = f->head.data;
		a.pairs.size = f->head.size;
		if (f->on_head) weir_fetched_head(f, &a);
		a = weir_answer_of(WEIR_OK, 0);
		if (weir_fetched_part(f, part, &a)) weir_fetched(f, &a);
	}
	weir_wait_tell(&f->w, &a);
}

static weir_buffer weir_call_pairs(const char *upstream, const weir_call *c) {
	weir_pairs p;
	memset(&p, 0, sizeof p);
	weir_pairs_add(&p, ":method", c && c->method ? c->method : "GET");
	weir_pairs_add(&p, ":path", c && c->path ? c->path : "/");
	weir_pairs_add(&p, ":authority", c && c->authority ? c->authority : upstream);
	for (const weir_header *h = c ? c->headers : 0; h && h->name; h++) weir_pairs_add(&p, h->name, h->value);
	return weir_pairs_end(&p);
}

uint32_t weir_fetch(weir_stream *s, const char *upstream, const weir_call *call, weir_then *then, void *arg) {
	weir_fetching *f = (weir_fetching *)weir_wait_new(s, sizeof *f, weir_fetch_take, then, arg);
	weir_buffer pairs = weir_call_pairs(upstream, call);
	const void *body = call ? call->body : 0;
	size_t size = call ? call->body_size : 0;
	f->w.free_more = weir_fetching_free;
	f->head.kept = f->body.kept = true;
	f->most = call && call->most ? call->most : 1 << 20;
	f->on_head = call && then ? call->on_head : 0;
	f->on_chunk = call && then ? call->on_chunk : 0;
	weir_hooks.unstall = weir_fetch_unstall;
	weir_hooks.called = weir_called;
	uint32_t timeout = call ? call->timeout : 0, token = 0;
	if (f->w.s->over || weir_on_weir()) {
		weir_buffer b = {0, 0, 0, false};
		weir_field_text(&b, upstream);
		weir_field(&b, pairs.data, pairs.size);
		weir_field(&b, body, size);
		weir_field_number(&b, timeout);
		return weir_ask(&f->w, WEIR_CALL_FETCH, &b);
	}
	uint32_t st = proxy_http_call(upstream, strlen(upstream), pairs.data, pairs.size, body, size, 0, 0, timeout ? timeout : 60000, &token);
	if (st) return weir_wait_due(&f->w, st, 0);
	weir_wait_token(&f->w, token);
	return WEIR_OK;
}

#endif

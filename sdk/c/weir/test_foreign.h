/* What weir offers beyond the ABI, and calls of upstreams. */
#ifndef WEIR_TEST_FOREIGN_H
#define WEIR_TEST_FOREIGN_H

/* An answer that begins with a token and a status. Its fields are added by the caller. */
static wt_event *wt_answer(uint32_t token, uint32_t status, uint64_t delay) {
	wt_event *e = wt_event_new(WT_ANSWER, delay);
	e->token = token;
	wt_number(&e->data, token);
	wt_number(&e->data, status);
	return e;
}

/* What a function that takes time returns. */
static wt_event *wt_late(wt_bytes *result, uint32_t status, uint64_t delay) {
	wt_number(result, ++wt_host->tokens);
	return wt_answer(wt_host->tokens, status, delay);
}

static void wt_fails(wt_event *e, const char *message) { wt_field(&e->data, message, strlen(message)); }

/* ---- Calls ---- */

static weir_test_call *wt_call(const char *upstream, size_t upstream_size, const char *pairs, size_t pairs_size, const void *body, size_t body_size) {
	wt_upstream *u = wt_host->upstreams;
	while (u && (strlen(u->name) != upstream_size || memcmp(u->name, upstream, upstream_size) != 0)) u = u->next;
	if (!u) return NULL;
	weir_test_call *c = (weir_test_call *)calloc(1, sizeof *c);
	if (!c) abort();
	wt_decode(&c->head, pairs, pairs_size);
	wt_set(&c->body, body, body_size);
	wt_host->calls++;
	c->status = 200;
	u->answers(c, u->arg);
	char status[16];
	snprintf(status, sizeof status, "%d", c->status);
	wt_pair *rest = c->answer;
	c->answer = NULL;
	wt_append(&c->answer, ":status", 7, status, strlen(status))->next = rest;
	return c;
}

/* The part of a body that comes next. */
static void wt_part(weir_test_call *c, wt_bytes *to) {
	wt_pair *p = c->chunks;
	wt_field(to, p ? p->value.data : "", p ? p->value.size : 0);
	if (!p) return;
	c->chunks = p->next;
	wt_free_pair(p);
}

static uint32_t wt_fetch(wt_reader *r, wt_bytes *result) {
	wt_bytes upstream = wt_next(r), pairs = wt_next(r), body = wt_next(r);
	uint64_t most = wt_next_number(r);
	weir_test_call *c = wt_call(upstream.data, upstream.size, pairs.data, pairs.size, body.data, body.size);
	if (!c) return WEIR_BAD_ARGUMENT;
	bool slow = most && c->delay > most;
	wt_event *e = wt_late(result, c->fails || slow ? WEIR_BROKEN_CONNECTION : WEIR_OK, slow ? most : c->delay);
	if (c->fails || slow) {
		wt_fails(e, slow ? "timeout" : wt_text(&c->message));
		wt_call_free(c);
		return WEIR_OK;
	}
	wt_bytes head = wt_encode(c->answer);
	wt_field(&e->data, head.data, head.size);
	wt_clear(&head);
	wt_part(c, &e->data);
	wt_number(&e->data, c->bits);
	if (!c->bits) {
		wt_field(&e->data, "", 0);
		wt_call_free(c);
		return WEIR_OK;
	}
	wt_event *rest = wt_event_new(WT_READ, 0); /* rests until it is asked for */
	rest->resting = true;
	rest->token = e->token;
	rest->call = c;
	return WEIR_OK;
}

static uint32_t wt_fetch_read(wt_reader *r) {
	uint32_t token = (uint32_t)wt_next_number(r);
	wt_event *e = wt_host->events;
	while (e && !(e->kind == WT_READ && e->token == token && e->resting)) e = e->next;
	if (!e) return WEIR_NOT_FOUND;
	weir_test_call *c = e->call;
	if (!c->chunks && c->message.size) {
		wt_fails(wt_answer(token, WEIR_BROKEN_CONNECTION, 0), wt_text(&c->message));
	} else if (!c->chunks) {
		wt_field(&wt_answer(token, WEIR_EMPTY, 0)->data, "", 0);
	} else {
		wt_part(c, &wt_answer(token, WEIR_OK, 0)->data);
		return WEIR_OK;
	}
	wt_event_take(e);
	wt_event_free(e);
	return WEIR_OK;
}

/* ---- The store ---- */

static wt_bytes wt_store_key(wt_reader *r) {
	wt_bytes key = {NULL, 0}, space = wt_next(r), rest = wt_next(r);
	wt_add(&key, space.data, space.size);
	wt_add(&key, "", 1);
	wt_add(&key, rest.data, rest.size);
	return key;
}

static wt_pair *wt_stored(const wt_bytes *key) {
	wt_pair *p = wt_find(wt_host->store, key->data, key->size);
	if (!p || !p->until || p->until > wt_host->now) return p;
	wt_remove(&wt_host->store, key->data, key->size);
	return NULL;
}

static uint32_t wt_store_get(wt_reader *r, wt_bytes *result) {
	wt_bytes key = wt_store_key(r);
	wt_pair *p = wt_stored(&key);
	wt_event *e = wt_late(result, p ? WEIR_OK : WEIR_NOT_FOUND, 0);
	if (p) {
		wt_field(&e->data, p->value.data, p->value.size);
		wt_number(&e->data, p->version);
	} else {
		wt_fails(e, "");
	}
	wt_clear(&key);
	return WEIR_OK;
}

static uint32_t wt_store_put(wt_reader *r, wt_bytes *result) {
	wt_bytes key = wt_store_key(r), value = wt_next(r);
	uint64_t ttl = wt_next_number(r), wanted = wt_next_number(r);
	wt_pair *p = wt_stored(&key);
	bool fits = wanted == WEIR_WANTED_ANY || wanted == (p ? p->version : 0);
	wt_event *e = wt_late(result, fits ? WEIR_OK : WEIR_CAS_MISMATCH, 0);
	if (fits) {
		if (!p) p = wt_append(&wt_host->store, key.data, key.size, "", 0);
		wt_set(&p->value, value.data, value.size);
		p->version = ++wt_host->versions;
		p->until = ttl ? wt_host->now + ttl * 1000000 : 0;
		wt_number(&e->data, p->version);
	} else {
		wt_fails(e, "");
	}
	wt_clear(&key);
	return WEIR_OK;
}

static uint32_t wt_store_delete(wt_reader *r, wt_bytes *result) {
	wt_bytes key = wt_store_key(r);
	uint64_t wanted = wt_next_number(r);
	wt_pair *p = wt_stored(&key);
	bool fits = wanted == WEIR_WANTED_ANY || wanted == (p ? p->version : 0);
	wt_event *e = wt_late(result, fits || !p ? WEIR_OK : WEIR_CAS_MISMATCH, 0);
	if (fits) wt_remove(&wt_host->store, key.data, key.size);
	else if (p) wt_fails(e, "");
	wt_clear(&key);
	return WEIR_OK;
}

static uint32_t wt_store_list(wt_reader *r, wt_bytes *result) {
	wt_bytes prefix = wt_store_key(r), after = wt_next(r);
	uint64_t most = wt_next_number(r);
	size_t space = strlen(prefix.data) + 1;
	wt_event *e = wt_late(result, WEIR_OK, 0);
	wt_bytes last = {NULL, 0};
	wt_set(&last, after.data, after.size);
	for (uint64_t i = 0; i < most; i++) {
		wt_pair *next = NULL; /* the least of those behind the last */
		for (wt_pair *p = wt_host->store; p; p = p->next) {
			if (p->key.size < prefix.size || memcmp(p->key.data, prefix.data, prefix.size) != 0) continue;
			if (strcmp(p->key.data + space, last.data) <= 0) continue;
			if (!next || strcmp(p->key.data + space, next->key.data + space) < 0) next = p;
		}
		if (!next) break;
		wt_field(&e->data, next->key.data + space, next->key.size - space);
		wt_field(&e->data, next->value.data, next->value.size);
		wt_number(&e->data, next->version);
		wt_set(&last, next->key.data + space, next->key.size - space);
	}
	wt_clear(&prefix);
	wt_clear(&last);
	return WEIR_OK;
}

/* ---- Passwords and keys: not safe, but right and wrong ---- */

static uint32_t wt_password(const char *name, wt_reader *r, wt_bytes *result) {
	wt_bytes first = wt_next(r), hash = {NULL, 0};
	bool verify = !strcmp(name, WEIR_CALL_PASSWORD_VERIFY);
	wt_bytes password = verify ? wt_next(r) : first;
	wt_add(&hash, "$test$", 6);
	wt_add(&hash, password.data, password.size);
	wt_event *e = wt_late(result, WEIR_OK, 100);
	if (verify) {
		wt_number(&e->data, wt_is(&hash, first.data, first.size));
		wt_number(&e->data, 0);
	} else {
		wt_field(&e->data, hash.data, hash.size);
	}
	wt_clear(&hash);
	return WEIR_OK;
}

static uint32_t wt_key(const char *name, wt_reader *r, wt_bytes *result) {
	wt_bytes key = wt_next(r), message = wt_next(r), signature = {NULL, 0};
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < key.size; i++) hash = (hash ^ (unsigned char)key.data[i]) * 16777619u;
	for (size_t i = 0; i < message.size; i++) hash = (hash ^ (unsigned char)message.data[i]) * 16777619u;
	wt_put32(&signature, hash);
	wt_event *e = wt_late(result, WEIR_OK, 0);
	if (!strcmp(name, WEIR_CALL_VERIFY)) {
		wt_bytes given = wt_next(r);
		wt_number(&e->data, wt_is(&signature, given.data, given.size));
	} else {
		wt_field(&e->data, signature.data, signature.size);
		wt_field(&e->data, "HS256", 5);
	}
	wt_clear(&signature);
	return WEIR_OK;
}

/* ---- Replies and bodies ---- */

static uint32_t wt_reply(const char *name, wt_reader *r, wt_bytes *result) {
	weir_exchange *x = wt_exchange();
	if (!x) return WEIR_BAD_ARGUMENT;
	if (!strcmp(name, WEIR_CALL_INFORM)) {
		wt_next_number(r);
		wt_bytes pairs = wt_next(r);
		wt_decode(&x->hints, pairs.data, pairs.size);
		return WEIR_OK;
	}
	if (!strcmp(name, WEIR_CALL_REPLY_START)) {
		uint64_t status = wt_next_number(r);
		wt_bytes pairs = wt_next(r);
		if (x->replied) return WEIR_BAD_ARGUMENT;
		wt_replied(x, (uint32_t)status, pairs.data, pairs.size);
		x->streaming = x->streamed = true;
		x->status = (int)status;
		return WEIR_OK;
	}
	if (!x->streaming) return WEIR_BAD_ARGUMENT;
	wt_bytes bytes = wt_next(r);
	if (!strcmp(name, WEIR_CALL_REPLY_END)) {
		wt_decode(&x->half[1].trailers, bytes.data, bytes.size);
		x->streaming = false;
		return WEIR_OK;
	}
	wt_add(&x->text, bytes.data, bytes.size);
	x->unsent += bytes.size;
	bool full = wt_host->room && x->unsent >= wt_host->room;
	if (full) {
		wt_event *e = wt_event_new(WT_EVENT, 1);
		wt_number(&e->data, x->context);
		wt_number(&e->data, WEIR_EVENT_ROOM);
		x->unsent = 0;
	}
	wt_number(result, !full);
	return WEIR_OK;
}

static uint32_t wt_body(wt_reader *r) {
	weir_exchange *x = wt_exchange();
	uint64_t direction = wt_next_number(r), order = wt_next_number(r);
	if (!x || direction > 1 || order < 1 || order > 3) return WEIR_BAD_ARGUMENT;
	x->half[direction].order = (int)order;
	return WEIR_OK;
}

static uint32_t wt_cancel(uint32_t token) {
	for (wt_event *e = wt_host->events, *next; e; e = next) {
		next = e->next;
		if (e->token != token || e->kind == WT_CALL) continue;
		wt_event_take(e);
		wt_event_free(e);
	}
	return WEIR_OK;
}

static uint32_t wt_foreign(const char *name, wt_reader *r, wt_bytes *result) {
	if (wt_host->plain) return WEIR_NOT_FOUND;
	if (wt_find(wt_host->denied, name, strlen(name))) {
		wt_fails(wt_late(result, WEIR_DENIED, 0), "grant it");
		return WEIR_OK;
	}
	if (!strcmp(name, WEIR_CALL_HELLO)) return wt_number(result, 1), WEIR_OK;
	if (!strcmp(name, WEIR_CALL_FETCH)) return wt_fetch(r, result);
	if (!strcmp(name, WEIR_CALL_FETCH_READ)) return wt_fetch_read(r);
	if (!strcmp(name, WEIR_CALL_TIMER)) return wt_late(result, WEIR_OK, wt_next_number(r)), WEIR_OK;
	if (!strcmp(name, WEIR_CALL_CANCEL)) return wt_cancel((uint32_t)wt_next_number(r));
	if (!strcmp(name, WEIR_CALL_STORE_GET)) return wt_store_get(r, result);
	if (!strcmp(name, WEIR_CALL_STORE_PUT)) return wt_store_put(r, result);
	if (!strcmp(name, WEIR_CALL_STORE_DELETE)) return wt_store_delete(r, result);
	if (!strcmp(name, WEIR_CALL_STORE_LIST)) return wt_store_list(r, result);
	if (!strncmp(name, "weir.password.", 14)) return wt_password(name, r, result);
	if (!strcmp(name, WEIR_CALL_SIGN) || !strcmp(name, WEIR_CALL_VERIFY)) return wt_key(name, r, result);
	if (!strncmp(name, "weir.reply.", 11) || !strcmp(name, WEIR_CALL_INFORM)) return wt_reply(name, r, result);
	if (!strcmp(name, WEIR_CALL_BODY)) return wt_body(r);
	if (!strcmp(name, WEIR_CALL_RANDOM)) {
		uint64_t n = wt_next_number(r);
		if (n < 1 || n > 65536) return WEIR_BAD_ARGUMENT;
		wt_put32(result, (uint32_t)n);
		for (uint64_t i = 0; i < n; i++) {
			char c = (char)(wt_host->versions++ * 167 + 13);
			wt_add(result, &c, 1);
		}
		return WEIR_OK;
	}
	return WEIR_NOT_FOUND;
}

#ifdef __cplusplus
extern "C" {
#endif

uint32_t proxy_call_foreign_function(const void *name, size_t name_size, const void *argument, size_t argument_size, uint8_t **result, size_t *result_size) {
	wt_bytes text = {NULL, 0}, made = {NULL, 0};
	wt_reader r = {(const char *)argument, argument_size};
	wt_set(&text, name, name_size);
	uint32_t st = wt_foreign(text.data, &r, &made);
	if (st == WEIR_OK) st = wt_give(made.data, made.size, result, result_size);
	wt_clear(&text);
	wt_clear(&made);
	return st;
}

uint32_t proxy_http_call(const void *upstream, size_t upstream_size, const void *pairs, size_t pairs_size, const void *body, size_t body_size, const void *trailers, size_t trailers_size, uint32_t milliseconds, uint32_t *token) {
	(void)trailers, (void)trailers_size;
	weir_test_call *c = wt_call((const char *)upstream, upstream_size, (const char *)pairs, pairs_size, body, body_size);
	if (!c) return WEIR_BAD_ARGUMENT;
	if (milliseconds && c->delay > milliseconds) {
		c->fails = true;
		wt_set(&c->message, "timeout", 7);
		c->delay = milliseconds;
	}
	wt_clear(&c->body); /* from now on it is the answer's */
	for (wt_pair *p = c->chunks; p; p = p->next) wt_add(&c->body, p->value.data, p->value.size);
	wt_event *e = wt_event_new(WT_CALL, c->delay);
	e->token = *token = ++wt_host->tokens;
	e->call = c;
	return WEIR_OK;
}

#ifdef __cplusplus
}
#endif

#endif

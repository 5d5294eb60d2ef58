/* What tests call. */
#ifndef WEIR_TEST_API_H
#define WEIR_TEST_API_H

static void weir_test_check(bool holds, const char *what, const char *file, int line) {
	if (holds) return;
	wt_failures++;
	fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
}

static void weir_test_same(const char *got, const char *want, const char *what, const char *file, int line) {
	if (got == want || (got && want && !strcmp(got, want))) return;
	wt_failures++;
	fprintf(stderr, "%s:%d: %s: got %s%s%s, want %s%s%s\n", file, line, what, got ? "\"" : "", got ? got : "none", got ? "\"" : "", want ? "\"" : "", want ? want : "none", want ? "\"" : "");
}

static void weir_test_same_number(long long got, long long want, const char *what, const char *file, int line) {
	if (got == want) return;
	wt_failures++;
	fprintf(stderr, "%s:%d: %s: got %lld, want %lld\n", file, line, what, got, want);
}

/* ---- The host ---- */

static weir_test *wt_start(const char *root_id, const char *config, bool plain) {
	weir_test *t = (weir_test *)calloc(1, sizeof *t);
	if (!t) abort();
	t->plain = plain;
	t->root = ++wt_contexts;
	wt_host = t;
	if (config) wt_set(&t->config, config, strlen(config));
	if (root_id) wt_append(&t->properties, "plugin_root_id", 14, root_id, strlen(root_id));
	wt_enter(t->root);
	proxy_on_context_create(t->root, 0);
	t->refused = !proxy_on_vm_start(t->root, 0) || !proxy_on_configure(t->root, (uint32_t)t->config.size);
	return t;
}

static weir_test *weir_test_start_as(const char *root_id, const char *config) {
	weir_test *t = wt_start(root_id, config, false);
	if (t->refused) {
		wt_failures++;
		fprintf(stderr, "the configuration %s is refused: %s", config ? config : "", wt_text(&t->log));
	}
	return t;
}

static weir_test *weir_test_start(const char *config) { return weir_test_start_as(NULL, config); }

static weir_test *weir_test_plain(const char *config) { return wt_start(NULL, config, true); }

static void wt_half_free(wt_half *h) {
	wt_free(&h->head);
	wt_free(&h->chunks);
	wt_free(&h->trailers);
	wt_clear(&h->held);
	wt_clear(&h->out);
}

static void wt_exchange_free(weir_exchange *x) {
	wt_half_free(&x->half[0]);
	wt_half_free(&x->half[1]);
	wt_free(&x->hints);
	wt_clear(&x->taken);
	wt_clear(&x->text);
	free(x);
}

static int weir_test_end(weir_test *t) {
	wt_host = t;
	for (weir_exchange *x = t->exchanges; x; x = x->next)
		if (x->sent) wt_end(x);
	wt_enter(t->root);
	proxy_on_done(t->root);
	proxy_on_delete(t->root);
	while (t->exchanges) {
		weir_exchange *x = t->exchanges;
		t->exchanges = x->next;
		wt_exchange_free(x);
	}
	while (t->events) {
		wt_event *e = t->events;
		t->events = e->next;
		wt_event_free(e);
	}
	while (t->upstreams) {
		wt_upstream *u = t->upstreams;
		t->upstreams = u->next;
		free(u->name);
		free(u);
	}
	wt_free(&t->properties), wt_free(&t->store), wt_free(&t->shared), wt_free(&t->metrics), wt_free(&t->denied);
	wt_clear(&t->config), wt_clear(&t->log), wt_clear(&t->call_data);
	free(t);
	wt_host = NULL;
	return wt_failures ? 1 : 0;
}

static bool weir_test_refused(const char *config, const char *text) {
	weir_test *t = wt_start(NULL, config, false);
	bool ok = t->refused && strstr(wt_text(&t->log), text);
	if (!ok) fprintf(stderr, "the configuration %s: %s: %s\n", config, t->refused ? "is refused" : "is not refused", wt_text(&t->log));
	weir_test_end(t);
	return ok;
}

static void weir_test_upstream(weir_test *t, const char *name, weir_test_answers *answers, void *arg) {
	wt_upstream *u = (wt_upstream *)calloc(1, sizeof *u);
	if (!u || !(u->name = (char *)malloc(strlen(name) + 1))) abort();
	memcpy(u->name, name, strlen(name) + 1);
	u->answers = answers;
	u->arg = arg;
	u->next = t->upstreams;
	t->upstreams = u;
}

static const char *weir_test_call_field(weir_test_call *c, const char *name) { return wt_value(c->head, name); }
static const char *weir_test_call_text(weir_test_call *c) { return wt_text(&c->body); }

static void weir_test_answer(weir_test_call *c, int status, const char *body) {
	c->status = status;
	wt_free(&c->chunks);
	if (body && *body) wt_append(&c->chunks, "", 0, body, strlen(body));
}

static void weir_test_answer_header(weir_test_call *c, const char *name, const char *value) { wt_append(&c->answer, name, strlen(name), value, strlen(value)); }

static void weir_test_answer_chunk(weir_test_call *c, const char *chunk) {
	c->bits = true;
	wt_append(&c->chunks, "", 0, chunk, strlen(chunk));
}

static void weir_test_answer_later(weir_test_call *c, uint64_t milliseconds) { c->delay = milliseconds; }

static void weir_test_answer_fails(weir_test_call *c, const char *message) {
	c->fails = !c->bits; /* else it breaks off */
	wt_set(&c->message, message, strlen(message));
}

static int weir_test_calls(weir_test *t) { return t->calls; }

static void weir_test_property(weir_test *t, const char *path, const char *value) {
	char key[256];
	size_t n = strlen(path);
	if (n > sizeof key) abort();
	for (size_t i = 0; i < n; i++) key[i] = path[i] == '.' ? 0 : path[i];
	wt_remove(&t->properties, key, n);
	wt_append(&t->properties, key, n, value, strlen(value));
}

static wt_bytes wt_space_key(const char *space, const char *key) {
	wt_bytes b = {NULL, 0};
	wt_add(&b, space ? space : "", space ? strlen(space) + 1 : 1);
	wt_add(&b, key, strlen(key));
	return b;
}

static void weir_test_store(weir_test *t, const char *space, const char *key, const char *value) {
	wt_bytes k = wt_space_key(space, key);
	wt_remove(&t->store, k.data, k.size);
	wt_append(&t->store, k.data, k.size, value, strlen(value))->version = ++t->versions;
	wt_clear(&k);
}

static const char *weir_test_stored(weir_test *t, const char *space, const char *key) {
	wt_bytes k = wt_space_key(space, key);
	wt_host = t;
	wt_pair *p = wt_stored(&k);
	wt_clear(&k);
	return p ? p->value.data : NULL;
}

static void weir_test_deny(weir_test *t, const char *function) { wt_append(&t->denied, function, strlen(function), "", 0); }
static void weir_test_room(weir_test *t, size_t bytes) { t->room = bytes; }
static bool weir_test_logged(weir_test *t, const char *text) { return strstr(wt_text(&t->log), text) != NULL; }

static int64_t weir_test_metric(weir_test *t, const char *name) {
	wt_pair *p = wt_find(t->metrics, name, strlen(name));
	return p ? (int64_t)p->number : 0;
}

static uint64_t weir_test_time(weir_test *t) { return t->now / 1000000; }

static void weir_test_pass(weir_test *t, uint64_t milliseconds) {
	wt_host = t;
	uint64_t until = t->now + milliseconds * 1000000;
	while (wt_turn(until))
		;
	t->now = until;
}

/* ---- Exchanges ---- */

static weir_exchange *weir_test_request(weir_test *t, const char *method, const char *path) {
	weir_exchange *x = (weir_exchange *)calloc(1, sizeof *x), **at = &t->exchanges;
	if (!x) abort();
	while (*at) at = &(*at)->next;
	*at = x;
	x->t = t;
	wt_append(&x->half[0].head, ":method", 7, method, strlen(method));
	wt_append(&x->half[0].head, ":path", 5, path, strlen(path));
	wt_append(&x->half[0].head, ":authority", 10, "example.com", 11);
	wt_append(&x->half[0].head, ":scheme", 7, "https", 5);
	wt_append(&x->half[1].head, ":status", 7, "200", 3);
	return x;
}

static void weir_test_header(weir_exchange *x, const char *name, const char *value) { wt_append(&x->half[0].head, name, strlen(name), value, strlen(value)); }
static void weir_test_body(weir_exchange *x, const char *chunk) { wt_append(&x->half[0].chunks, "", 0, chunk, strlen(chunk)); }
static void weir_test_trailer(weir_exchange *x, const char *name, const char *value) { wt_append(&x->half[0].trailers, name, strlen(name), value, strlen(value)); }

static void weir_test_response(weir_exchange *x, int status, const char *body) {
	char text[16];
	snprintf(text, sizeof text, "%d", status);
	wt_set(&wt_find(x->half[1].head, ":status", 7)->value, text, strlen(text));
	if (body && *body) weir_test_response_body(x, body);
}

static void weir_test_response_header(weir_exchange *x, const char *name, const char *value) { wt_append(&x->half[1].head, name, strlen(name), value, strlen(value)); }
static void weir_test_response_body(weir_exchange *x, const char *chunk) { wt_append(&x->half[1].chunks, "", 0, chunk, strlen(chunk)); }
static void weir_test_response_trailer(weir_exchange *x, const char *name, const char *value) { wt_append(&x->half[1].trailers, name, strlen(name), value, strlen(value)); }

static void wt_send(weir_exchange *x) {
	wt_host = x->t;
	if (x->sent) return;
	x->sent = true;
	x->context = ++wt_contexts;
	wt_enter(x->context);
	proxy_on_context_create(x->context, x->t->root);
}

static bool weir_test_step(weir_exchange *x) {
	wt_send(x);
	wt_drive_all();
	while (!x->over && wt_turn(x->t->now))
		;
	return !x->over;
}

static void weir_test_run(weir_exchange *x) {
	wt_send(x);
	wt_drive_all();
	for (int ticks = 0; !x->over && ticks < 100000; ticks++)
		if (!wt_turn(UINT64_MAX)) break;
	if (x->over) return;
	wt_failures++;
	fprintf(stderr, "the exchange does not end: the filter waits for what does not come\n");
	wt_end(x);
}

static void weir_test_forget(weir_exchange *x) {
	weir_exchange **at = &x->t->exchanges;
	weir_test_cancel(x);
	while (*at != x) at = &(*at)->next;
	*at = x->next;
	wt_exchange_free(x);
}

static void weir_test_gone(weir_exchange *x) {
	wt_host = x->t;
	for (wt_event *e = x->t->events, *next; e; e = next) { /* there will be no room */
		next = e->next;
		if (e->kind != WT_EVENT) continue;
		wt_event_take(e);
		wt_event_free(e);
	}
	wt_event *e = wt_event_new(WT_EVENT, 0);
	wt_number(&e->data, x->context);
	wt_number(&e->data, WEIR_EVENT_GONE);
	weir_test_step(x);
}

static void weir_test_cancel(weir_exchange *x) {
	wt_host = x->t;
	if (x->sent) wt_end(x);
}

static weir_exchange *weir_test_get(weir_test *t, const char *path) {
	weir_exchange *x = weir_test_request(t, "GET", path);
	weir_test_run(x);
	return x;
}

static int weir_test_status(weir_exchange *x) { return x->status; }
static const char *weir_test_field(weir_exchange *x, const char *name) { return wt_value(x->half[1].head, name); }
static const char *weir_test_text(weir_exchange *x) { return wt_text(&x->text); }
static const char *weir_test_trailer_field(weir_exchange *x, const char *name) { return wt_value(x->half[1].trailers, name); }
static const char *weir_test_hint(weir_exchange *x, const char *name) { return wt_value(x->hints, name); }
static bool weir_test_reached(weir_exchange *x) { return x->reached; }
static const char *weir_test_upstream_field(weir_exchange *x, const char *name) { return wt_value(x->half[0].head, name); }
static const char *weir_test_upstream_text(weir_exchange *x) { return wt_text(&x->taken); }

#endif

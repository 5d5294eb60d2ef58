/* Filters that do, between them, everything that the SDK can. Their root ids say which. */
#include "weir.h"

/* ---- headers ---- */

static void headers_request(weir_stream *s) {
	weir_set(s, WEIR_REQUEST, "X-Set", "one");
	weir_add(s, WEIR_REQUEST, "x-add", "two");
	weir_remove(s, WEIR_REQUEST, "X-Gone");
	unsigned n = 0;
	weir_fields f = weir_all(s, WEIR_REQUEST);
	while (weir_next(&f)) n++;
	weir_set(s, WEIR_REQUEST, "x-count", weir_format("%u", n));
	weir_set(s, WEIR_REQUEST, "x-query", weir_query(s, "name"));
	weir_set(s, WEIR_REQUEST, "x-cookie", weir_cookie(s, "id"));
	*(unsigned *)weir_state(s, sizeof n) = n;
	if (weir_is(s, "GET", "/late")) weir_reply_header(s, "location", weir_keep(s, "/x"));
	const char *who = weir_param(s, "/hello/{who}/{rest...}", "who"), *rest = weir_param(s, "/hello/{who}/{rest...}", "rest");
	if (who && rest) weir_reply(s, 200, weir_format("%s|%s|%d", who, rest, weir_is(s, "GET", "/hello/{a}/{b}")));
	if (weir_is(s, 0, "/away")) weir_redirect(s, 302, "/there");
}

static void headers_response(weir_stream *s) {
	unsigned *n = (unsigned *)weir_state(s, sizeof *n);
	weir_set(s, WEIR_RESPONSE, "x-state", weir_format("%u of %d", *n, weir_status(s)));
	weir_bytes b = weir_property(s, "source", "address");
	if (b.data) weir_set(s, WEIR_RESPONSE, "x-source", b.data);
	weir_counter_add("responses", 1);
	weir_gauge_set("last", 7);
	weir_gauge_add("last", -2);
	weir_histogram_record("sizes", 3);
	weir_shared_set("key", "value", 5, 0);
	uint32_t version;
	if (weir_shared_get("key", &b, &version) == WEIR_OK) weir_set(s, WEIR_RESPONSE, "x-shared", b.data);
	if (weir_shared_get("none", &b, 0) == WEIR_NOT_FOUND) weir_debug("nothing is shared");
	weir_info("%s|%5d|%05d|%u", "a", 42, -42, 1u);
	weir_warn("%x %c %% %lld %llu %zu %ld %lu %.*s", 255u, 'c', -5ll, 6ull, (size_t)7, -8l, 9ul, 2, "xyz");
}

static void headers_log(weir_stream *s) { weir_info("%s took %d", weir_get(s, WEIR_REQUEST, ":path"), weir_status(s)); }

/* ---- auth: a fetch that decides ---- */

static void auth_answered(weir_stream *s, weir_answer *a, void *arg) {
	const char *word = (const char *)arg;
	if (a->error) {
		weir_warn("%s: %s", word, a->message);
		weir_reply(s, 502, "nobody knows");
	} else if (a->status != 200) {
		weir_reply_header(s, "www-authenticate", "Basic");
		weir_reply(s, 401, "who are you?");
	} else {
		weir_set(s, WEIR_REQUEST, "x-user", a->body.data);
		weir_set(s, WEIR_REQUEST, "x-kind", weir_answer_get(a, "Content-Type"));
	}
}

static void auth_request(weir_stream *s) {
	const weir_header headers[] = {{"cookie", weir_get(s, WEIR_REQUEST, "cookie")}, {0, 0}};
	weir_call call = {0};
	call.path = "/session";
	call.headers = headers;
	call.timeout = 1000;
	call.most = 100;
	weir_fetch(s, "users", &call, auth_answered, (void *)"users");
}

static void slept(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	weir_set(s, WEIR_RESPONSE, "x-slept", a->error ? a->message : "yes");
}

static void auth_response(weir_stream *s) {
	weir_sleep(s, 50, slept, 0);
	weir_sleep(s, 70, slept, 0);
}

/* ---- store ---- */

static void store_listed(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	weir_entry e;
	const char *all = "";
	while (weir_answer_next(a, &e)) all = weir_format("%s%s=%s;", all, e.key.data, e.value.data);
	weir_reply(s, 200, all);
}

static void store_lost(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	if (a->error != WEIR_CAS_MISMATCH) weir_reply(s, 500, weir_reason(a->error));
	weir_store_delete(s, 0, "gone", WEIR_WANTED_ANY, 0, 0);
	weir_store_list(s, 0, "n", "", 10, store_listed, 0);
}

static void store_put(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	if (a->error) weir_reply(s, 500, a->message);
	weir_store_put(s, 0, "nb", "x", 1, 0, a->version + 7, store_lost, 0);
}

static void store_got(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	if (a->error == WEIR_NOT_FOUND)
		weir_store_put(s, 0, "nb", "2", 1, 0, WEIR_WANTED_ABSENT, store_put, 0);
	else
		weir_reply(s, a->error ? 500 : 200, a->error ? a->message : a->body.data);
}

static void store_request(weir_stream *s) { weir_store_get(s, weir_query(s, "space"), "nb", store_got, 0); }

/* ---- bodies ---- */

static void upper(weir_stream *s, const weir_chunk *c) {
	char *copy = (char *)weir_scratch(c->size + 1);
	for (size_t i = 0; i < c->size; i++) copy[i] = c->data[i] >= 'a' && c->data[i] <= 'z' ? (char)(c->data[i] - 32) : c->data[i];
	weir_write(s, copy, c->size);
	if (c->last) weir_write(s, "!", 1);
}

static void slow_again(weir_stream *s, weir_answer *a, void *arg) {
	(void)a, (void)arg;
	weir_write(s, ")", 1);
}

static void slow(weir_stream *s, const weir_chunk *c) {
	weir_write(s, "(", 1);
	weir_write(s, c->data, c->size);
	weir_sleep(s, 10, slow_again, 0);
}

static void bodies_trailers(weir_stream *s) { weir_set(s, WEIR_RESPONSE_TRAILERS, "x-trailer", "seen"); }

static void pass_first(weir_stream *s, const weir_chunk *c) {
	(void)c;
	weir_drop(s);
	weir_pass(s);
}

static void whole_read(weir_stream *s, weir_answer *a, void *arg) {
	int part = arg ? WEIR_RESPONSE : WEIR_REQUEST;
	if (a->error) {
		weir_reply(s, 413, a->message);
		return;
	}
	weir_set(s, part, "x-size", weir_format("%zu", a->body.size));
	const char *made = weir_format("<%s>", a->body.data);
	weir_set_body(s, part, made, __builtin_strlen(made));
}

static void whole_request(weir_stream *s) { weir_read_body(s, WEIR_REQUEST, 20, whole_read, 0); }
static void whole_response(weir_stream *s) { weir_read_body(s, WEIR_RESPONSE, 20, whole_read, s); }

struct sum {
	unsigned chunks, bytes;
};

static void take_chunk(weir_stream *s, weir_bytes chunk, void *arg) {
	struct sum *sum = (struct sum *)arg;
	(void)s;
	sum->chunks++;
	sum->bytes += (unsigned)chunk.size;
}

static void taken(weir_stream *s, weir_answer *a, void *arg) {
	struct sum *sum = (struct sum *)arg;
	weir_reply(s, a->error ? 500 : 200, weir_format("%u in %u", sum->bytes, sum->chunks));
}

static void take_request(weir_stream *s) { weir_take_body(s, WEIR_REQUEST, take_chunk, taken, weir_state(s, sizeof(struct sum))); }

/* ---- replies that are written bit by bit ---- */

static void events_next(weir_stream *s, weir_answer *a, void *arg) {
	unsigned *n = (unsigned *)arg;
	if (a->error) {
		weir_info("events: %s", a->message);
		return;
	}
	while (*n < 6) {
		const char *event = weir_format("data: %u\n\n", (*n)++);
		uint32_t st = weir_reply_write(s, event, __builtin_strlen(event));
		if (st == WEIR_FULL) {
			weir_reply_room(s, events_next, n);
			return;
		}
		if (*n == 2) {
			weir_sleep(s, 1000, events_next, n);
			return;
		}
	}
	weir_reply_header(s, "x-end", "yes");
	weir_reply_end(s);
}

static void events_request(weir_stream *s) {
	weir_reply_header(s, "link", "</style.css>; rel=preload");
	weir_inform(s, 103);
	weir_reply_header(s, "content-type", "text/event-stream");
	uint32_t st = weir_reply_start(s, 200);
	if (st) {
		weir_reply(s, 501, weir_reason(st));
		return;
	}
	weir_answer first = {0};
	events_next(s, &first, weir_state(s, sizeof(unsigned)));
}

static void relay_head(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	weir_reply_header(s, "x-from", weir_answer_get(a, "x-name"));
	weir_reply_start(s, a->status);
}

static void relay_chunk(weir_stream *s, weir_bytes chunk, void *arg) {
	(void)arg;
	weir_reply_write(s, chunk.data, chunk.size);
}

static void relay_end(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	if (a->error) weir_warn("relay: %s", a->message);
	if (weir_reply_end(s) == WEIR_LATE && a->error) weir_reply(s, 502, "broken");
}

static void relay_request(weir_stream *s) {
	weir_call call = {0};
	call.method = "POST";
	call.body = "question";
	call.body_size = 8;
	call.on_head = relay_head;
	call.on_chunk = relay_chunk;
	weir_fetch(s, "model", &call, relay_end, 0);
}

/* ---- secrets ---- */

static void secrets_verified(weir_stream *s, weir_answer *a, void *arg) {
	unsigned char random[8] = {0};
	(void)arg;
	uint32_t st = weir_random(random, sizeof random);
	weir_reply(s, 200, weir_format("%s %s", a->right ? "yes" : "no", st ? weir_reason(st) : "random"));
}

static void secrets_signed(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	if (a->error) {
		weir_reply(s, 403, a->message);
		return;
	}
	weir_info("signed with %s", a->algorithm);
	weir_verify(s, "session", "ada", 3, a->body.data, a->body.size, secrets_verified, 0);
}

static void secrets_checked(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	if (a->error || !a->right || a->renew)
		weir_reply(s, 403, a->message);
	else
		weir_sign(s, "session", "ada", 3, secrets_signed, 0);
}

static void secrets_hashed(weir_stream *s, weir_answer *a, void *arg) { weir_password_verify(s, a->body.data, (const char *)arg, secrets_checked, 0); }
static void secrets_request(weir_stream *s) { weir_password_hash(s, "secret", secrets_hashed, (void *)"secret"); }

/* ---- configuration ---- */

struct settings {
	const char *name;
	int64_t limit, wait, most;
	double rate;
	bool on;
	unsigned items, members;
};

static void configure(weir_value *c, void *to) {
	struct settings *set = (struct settings *)to;
	set->name = weir_text(c, "name", "nobody");
	set->limit = weir_int(c, "limit", 10);
	set->on = weir_bool(c, "on", true);
	set->wait = weir_duration(c, "wait", 100);
	set->most = weir_size(c, "most", 1024);
	weir_value *more = weir_object(c, "more");
	set->rate = weir_number(more, "rate", 0.5);
	for (weir_value *v = weir_list(c, "items"); v; v = weir_item_next(v)) set->items += weir_item_text(v, "")[0] == 'x';
	for (weir_value *v = weir_members(c, "users"); v; v = weir_item_next(v)) set->members += (unsigned)weir_item_int(v, 0) * (weir_item_key(v)[0] == 'a');
	if (set->limit < 0) weir_refuse(c, "limit", "must not be negative");
	if (weir_has(c, "more") && set->rate <= 0) weir_refuse(more, "rate", "must be more than 0");
}

static void settings_request(weir_stream *s) {
	const struct settings *set = (const struct settings *)weir_settings(s);
	const char *why = 0;
	const char *body = weir_query(s, "json");
	if (weir_query(s, "units")) {
		weir_reply(s, 200, weir_format("%lld %lld", (long long)set->wait, (long long)set->most));
		return;
	}
	weir_value *v = body ? weir_json(s, body, __builtin_strlen(body), &why) : 0;
	weir_reply(s, 200, weir_format("%s %lld %d %d %u %u %s %s", set->name, (long long)set->limit, set->on, (int)(set->rate * 1000), set->items, set->members, why ? why : weir_text(v, "a", "-"), weir_json_quote("\"\\\n\xc3\xa4")));
}

/* ---- beside the requests ---- */

static void started(weir_stream *root, weir_answer *a, void *arg) {
	(void)root, (void)arg;
	weir_info("started: %s", a->error ? a->message : a->body.data);
}

static void beside_start(weir_stream *root) { weir_fetch(root, "users", 0, started, 0); }
static void beside_tick(weir_stream *root) {
	(void)root;
	weir_counter_add("ticks", 1);
}
static void rested(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	weir_set(s, WEIR_REQUEST, "x-rested", a->error ? a->message : "yes");
}

static void beside_request(weir_stream *s) {
	weir_fetch(s, "users", 0, 0, 0); /* nobody waits for it */
	weir_sleep(s, 35, rested, 0);
}

WEIR_FILTERS(
	{.root_id = "headers", .on_request = headers_request, .on_response = headers_response, .on_log = headers_log},
	{.root_id = "auth", .on_request = auth_request, .on_response = auth_response},
	{.root_id = "store", .on_request = store_request},
	{.root_id = "bodies", .on_request_body = slow, .on_response_body = upper, .on_response_trailers = bodies_trailers},
	{.root_id = "pass", .on_response_body = pass_first},
	{.root_id = "whole", .on_request = whole_request, .on_response = whole_response},
	{.root_id = "take", .on_request = take_request},
	{.root_id = "events", .on_request = events_request},
	{.root_id = "relay", .on_request = relay_request},
	{.root_id = "secrets", .on_request = secrets_request},
	{.root_id = "settings", .settings = sizeof(struct settings), .on_configure = configure, .on_request = settings_request},
	{.root_id = "beside", .on_request = beside_request, .on_start = beside_start, .on_tick = beside_tick, .tick = 10}
)

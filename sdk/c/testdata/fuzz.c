/* What reads bytes of others, with bytes that are wrong: whoever reads beyond them is seen by sanitizers, for each
 * text lies in memory of its own size. */
#include "weir.h"

#include "weir_test.h"

static uint64_t fuzz_state = 88172645463325252u;

static uint32_t fuzz(uint32_t below) {
	fuzz_state ^= fuzz_state << 13;
	fuzz_state ^= fuzz_state >> 7;
	fuzz_state ^= fuzz_state << 17;
	return (uint32_t)((fuzz_state >> 11) % below);
}

/* A copy without anything behind it. */
static char *exactly(const char *data, size_t size) {
	char *copy = (char *)malloc(size ? size : 1);
	if (!copy) abort();
	memcpy(copy, data, size);
	return copy;
}

static void scramble(wt_bytes *b) {
	for (uint32_t n = fuzz(4); n && b->size; n--) b->data[fuzz((uint32_t)b->size)] = (char)fuzz(256);
	if (fuzz(4) == 0 && b->size) b->size = fuzz((uint32_t)b->size);
	if (fuzz(8) == 0) wt_add(b, "\xff\0}]", fuzz(4));
}

/* ---- JSON: what was written is read, and what is scrambled does no harm ---- */

typedef struct made {
	uint32_t texts, numbers;
	int64_t sum;
} made;

static void make_text(wt_bytes *b) {
	static const char *const parts[] = {"a", "\\n", "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9", "\xf0\x9f\x98\x80", "\\\"", "\\\\", " "};
	wt_add(b, "\"", 1);
	for (uint32_t n = fuzz(6); n; n--) {
		const char *p = parts[fuzz(9)];
		wt_add(b, p, strlen(p));
	}
	wt_add(b, "\"", 1);
}

static void make(wt_bytes *b, made *m, int depth) {
	char number[32];
	uint32_t kind = fuzz(depth ? 7 : 5);
	if (fuzz(3) == 0) wt_add(b, " \n", 1 + fuzz(2));
	if (kind == 0) {
		wt_add(b, "null", 4);
	} else if (kind == 1) {
		wt_add(b, "true", 4);
	} else if (kind == 2) {
		make_text(b);
		m->texts++;
	} else if (kind < 5) {
		int64_t n = (int64_t)fuzz(1u << 31) * (fuzz(2) ? 1 : -1);
		wt_add(b, number, (size_t)snprintf(number, sizeof number, "%lld", (long long)n));
		m->numbers++;
		m->sum += n;
	} else {
		wt_add(b, kind == 5 ? "[" : "{", 1);
		for (uint32_t i = 0, n = fuzz(5); i < n; i++) {
			if (i) wt_add(b, ",", 1);
			if (kind == 6) wt_add(b, number, (size_t)snprintf(number, sizeof number, "\"k%u\":", (unsigned)i));
			make(b, m, depth - 1);
		}
		wt_add(b, kind == 5 ? "]" : "}", 1);
	}
}

static void count(weir_value *v, made *m) {
	if (v->type == WEIR_JSON_TEXT) m->texts++;
	if (v->type == WEIR_JSON_NUMBER) {
		weir_test_true(v->whole && v->number == (double)v->integer);
		m->numbers++;
		m->sum += v->integer;
	}
	for (weir_value *c = v->first; c; c = c->next) count(c, m);
}

static weir_value *read_json(weir_document *d, const wt_bytes *b, char **copy) {
	memset(d, 0, sizeof *d);
	d->strict = true;
	*copy = exactly(b->data, b->size);
	return weir_json_read(d, *copy, b->size);
}

static void json(void) {
	for (int i = 0; i < 20000; i++) {
		wt_bytes b = {NULL, 0};
		made want = {0, 0, 0}, got = {0, 0, 0};
		weir_document d;
		char *copy;
		make(&b, &want, 6);
		weir_value *v = read_json(&d, &b, &copy);
		weir_test_true(v != NULL);
		if (v) count(v, &got);
		weir_test_true(got.texts == want.texts && got.numbers == want.numbers && got.sum == want.sum);
		weir_document_free(&d);
		free(copy);
		scramble(&b);
		v = read_json(&d, &b, &copy);
		weir_test_true((v != NULL) != (d.why != NULL));
		if (v) {
			weir_text(v, "k0", "");
			weir_number(weir_object(v, "k1"), "k0", 0);
			for (weir_value *c = weir_list(v, "k2"); c; c = weir_item_next(c)) weir_item_int(c, 0);
			weir_json_unknown(v);
		}
		weir_document_free(&d);
		free(copy);
		wt_clear(&b);
		weir_scratch_end();
	}
}

/* Depth, and numbers at their bounds. */
static void json_edges(void) {
	static const struct {
		const char *text;
		double want;
		bool whole;
	} numbers[] = {{"0", 0, true}, {"-0", 0, true}, {"9223372036854775807", 9223372036854775807.0, true}, {"9223372036854775808", 9223372036854775808.0, false}, {"1.5", 1.5, false}, {"1e3", 1000, false},
		{"25E-2", 0.25, false}, {"1e-400", 0, false}, {"123456789012345678901234567890", 1.2345678901234568e29, false}, {"0.1", 0.1, false}};
	static const char *const wrong[] = {"", " ", "+1", ".5", "1.", "1e", "1e+", "-", "00", "0x1", "[1,]", "{,}", "{\"a\"}", "{\"a\":}", "{a:1}", "'a'", "\"\t\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800x\"", "\"\\udc00\"", "\"", "\"\\", "nul", "[1 2]", "\xef\xbb\xbf{}", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "[]]", "NaN"};
	weir_document d;
	char *copy;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		wt_bytes b = {(char *)numbers[i].text, strlen(numbers[i].text)};
		weir_value *v = read_json(&d, &b, &copy);
		double off = v ? v->number - numbers[i].want : 1;
		if (!v || off > 1e14 || off < -1e14 || (numbers[i].want < 1e10 && (off > 1e-12 || off < -1e-12)) || v->whole != numbers[i].whole) weir_test_equal("another", numbers[i].text);
		weir_document_free(&d);
		free(copy);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		wt_bytes b = {(char *)wrong[i], strlen(wrong[i])};
		if (read_json(&d, &b, &copy)) weir_test_equal("read", wrong[i]);
		weir_document_free(&d);
		free(copy);
	}
	for (size_t depth = 62; depth < 70; depth++) {
		wt_bytes b = {NULL, 0};
		for (size_t i = 0; i < depth; i++) wt_add(&b, "[", 1);
		for (size_t i = 0; i < depth; i++) wt_add(&b, "]", 1);
		weir_test_number(read_json(&d, &b, &copy) != NULL, depth <= 64);
		weir_document_free(&d);
		free(copy);
		wt_clear(&b);
	}
	weir_scratch_end();
}

/* ---- Units: what is no measure is -1, and nothing is read beyond the text ---- */

static void units(void) {
	static const char *const parts[] = {"1", "90", ".", "h", "ms", "s", "us", "\xc2", "KiB", "d", "-", "99999999999999999999", " "};
	for (int round = 0; round < 20000; round++) {
		wt_bytes b = {0};
		for (uint32_t n = fuzz(6); n; n--) {
			const char *p = parts[fuzz(13)];
			wt_add(&b, p, strlen(p));
		}
		wt_add(&b, "", 1);
		char *text = exactly(b.data, b.size);
		int64_t n = weir_measure(text, weir_time_units, WEIR_TIME_UNITS);
		if (n < -1 || n >= (1LL << 53)) abort();
		weir_measure(text, weir_size_units, WEIR_SIZE_UNITS);
		free(text);
		wt_clear(&b);
	}
}

/* ---- Fields and pairs ---- */

static void fields(void) {
	for (int i = 0; i < 50000; i++) {
		wt_bytes b = {NULL, 0};
		uint32_t n = fuzz(5), read = 0;
		for (uint32_t k = 0; k < n; k++) fuzz(2) ? wt_number(&b, fuzz(1000)) : wt_field(&b, "abcdefgh", fuzz(9));
		bool same = fuzz(2) || !b.size;
		if (!same) scramble(&b);
		char *copy = exactly(b.data ? b.data : "", b.size);
		weir_reader r = {copy, b.size, false};
		while (r.left && !r.bad) {
			if (fuzz(2)) {
				weir_reader again = r;
				weir_read_number(&again);
			}
			weir_bytes f = weir_read_field(&r);
			weir_test_true(f.size <= b.size);
			read += !r.bad;
		}
		if (same) weir_test_number(read, n);
		free(copy);
		wt_clear(&b);
	}
}

static void pairs(void) {
	for (int i = 0; i < 50000; i++) {
		wt_pair *list = NULL;
		for (uint32_t n = fuzz(4); n; n--) wt_append(&list, "names", fuzz(6), "values", fuzz(7));
		wt_bytes b = wt_encode(list);
		bool same = fuzz(2) || !b.size;
		if (!same) scramble(&b);
		char *copy = exactly(b.data ? b.data : "", b.size);
		weir_bytes given = {copy, b.size};
		weir_fields f = weir_fields_of(given);
		uint32_t read = 0;
		while (weir_next(&f)) {
			weir_test_true(f.name[strlen(f.name)] == 0 && f.value[f.value_size] == 0);
			read++;
		}
		if (same) weir_test_number(read, wt_count(list));
		free(copy);
		wt_clear(&b);
		wt_free(&list);
	}
}

/* ---- Answers: a host that says anything ---- */

static uint32_t told;

static void tell(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	told++;
	weir_entry e;
	if (!a->error && !a->message) abort();
	while (weir_answer_next(a, &e)) told += (uint32_t)strlen(e.key.data);
	weir_fields f = weir_answer_all(a);
	while (weir_next(&f)) told += (uint32_t)strlen(f.value);
	f = weir_answer_trailers(a);
	while (weir_next(&f)) told += (uint32_t)strlen(f.value);
	if (weir_answer_get(a, "x")) told++;
	told += (uint32_t)strlen(a->body.data) + (uint32_t)strlen(a->algorithm);
	if (fuzz(4) == 0) weir_store_get(s, 0, "again", tell, 0);
}

static void chunk(weir_stream *s, weir_bytes b, void *arg) {
	(void)arg;
	weir_reply_write(s, b.data, b.size);
}

static void ask(weir_stream *s) {
	weir_call call;
	memset(&call, 0, sizeof call);
	switch (fuzz(8)) {
	case 0: weir_store_get(s, 0, "k", tell, 0); break;
	case 1: weir_store_put(s, 0, "k", "v", 1, 0, WEIR_WANTED_ANY, tell, 0); break;
	case 2: weir_store_list(s, 0, "k", "", 10, tell, 0); break;
	case 3: weir_password_verify(s, "h", "p", tell, 0); break;
	case 4: weir_sign(s, "k", "m", 1, tell, 0); break;
	case 5: weir_fetch(s, "users", 0, tell, 0); break;
	case 6:
		call.on_chunk = chunk;
		if (fuzz(2)) weir_reply_start(s, 200);
		weir_fetch(s, "users", &call, tell, 0);
		break;
	case 7: weir_sleep(s, 1, tell, 0); break;
	}
	if (fuzz(2)) ask(s);
}

static void answer_users(weir_test_call *c, void *arg) {
	(void)arg;
	if (fuzz(2)) weir_test_answer_chunk(c, "bit");
	weir_test_answer_header(c, "x", "y");
}

/* Scrambles what the host has to say next. */
static void answers(void) {
	weir_test *t = weir_test_start(NULL);
	weir_test_upstream(t, "users", answer_users, NULL);
	weir_test_room(t, 2);
	for (int i = 0; i < 20000; i++) {
		weir_exchange *x = weir_test_request(t, "GET", "/");
		wt_send(x);
		wt_drive_all();
		for (int turns = 0; turns < 20 && !x->over && t->events; turns++) {
			for (wt_event *e = t->events; e; e = e->next)
				if (e->kind == WT_ANSWER && fuzz(3) == 0 && e->data.size > 24) {
					/* The token stays, so that somebody is told. */
					wt_bytes rest = {NULL, 0};
					wt_add(&rest, e->data.data + 12, e->data.size - 12);
					scramble(&rest);
					e->data.size = 12;
					wt_add(&e->data, rest.data, rest.size);
					wt_clear(&rest);
				}
			if (!wt_turn(UINT64_MAX)) break;
		}
		weir_test_forget(x);
		while (t->events) {
			wt_event *e = t->events;
			wt_event_take(e);
			wt_event_free(e);
		}
		weir_test_number(weir_guest.waits.count, 0);
		weir_test_number(weir_guest.streams.count, 1);
	}
	weir_test_true(told > 10000);
	weir_test_end(t);
}

/* Callbacks in any order, for streams that are there and that are not. */
static void order(bool plain) {
	weir_test *t = wt_start("order", NULL, plain);
	weir_test_upstream(t, "users", answer_users, NULL);
	weir_exchange *all[8] = {0};
	for (int i = 0; i < 50000; i++) {
		uint32_t k = fuzz(8), id = all[k] ? all[k]->context : fuzz(1000000) + 5000000, n = fuzz(3), end = fuzz(2);
		if (!all[k] && fuzz(2)) {
			all[k] = weir_test_request(t, "GET", "/");
			weir_test_body(all[k], "some of it");
			wt_send(all[k]);
			continue;
		}
		wt_enter(id);
		if (all[k]) all[k]->half[0].stage = all[k]->half[1].stage = WT_HEAD;
		switch (fuzz(13)) {
		case 0: proxy_on_request_headers(id, n, end); break;
		case 1: proxy_on_request_body(id, n, end); break;
		case 2: proxy_on_request_trailers(id, n); break;
		case 3: proxy_on_response_headers(id, n, end); break;
		case 4: proxy_on_response_body(id, n, end); break;
		case 5: proxy_on_response_trailers(id, n); break;
		case 6: proxy_on_tick(fuzz(2) ? t->root : id); break;
		case 7: proxy_on_http_call_response(t->root, fuzz(wt_host->tokens + 2), n, n, n); break;
		case 8: proxy_on_foreign_function(t->root, fuzz(4), fuzz(100)); break;
		case 9: proxy_on_done(id); break;
		case 10: proxy_on_log(id); break;
		case 11:
			if (all[k]) {
				if (fuzz(2)) proxy_on_done(id);
				proxy_on_delete(id);
				all[k]->over = true;
				weir_test_forget(all[k]);
				all[k] = NULL;
			}
			break;
		case 12: {
			wt_event *e = wt_next_event(UINT64_MAX);
			if (!e) break;
			wt_event_take(e);
			wt_happen(e);
			wt_event_free(e);
		}
		}
		weir_test_true(weir_guest.due == NULL && weir_scratch_state.more == NULL);
	}
	weir_test_end(t);
}

static void chunk_of(weir_stream *s, const weir_chunk *c) {
	if (fuzz(2)) weir_write(s, c->data, c->size);
	if (fuzz(4) == 0) weir_pass(s);
	if (fuzz(4) == 0) ask(s);
}

static void whole(weir_stream *s, weir_answer *a, void *arg) {
	(void)arg;
	if (a->error == WEIR_OK && a->body.size != strlen(a->body.data)) abort();
	if (fuzz(3) == 0) weir_reply(s, 200, a->body.data);
	if (fuzz(3) == 0) weir_set_body(s, WEIR_REQUEST, "x", 1);
}

static void head(weir_stream *s) {
	ask(s);
	switch (fuzz(6)) {
	case 0: weir_read_body(s, WEIR_REQUEST, fuzz(30), whole, 0); break;
	case 1: weir_read_body(s, WEIR_RESPONSE, fuzz(30), whole, 0); break;
	case 2: weir_take_body(s, fuzz(2) ? WEIR_REQUEST : WEIR_RESPONSE, chunk, tell, 0); break;
	case 3: weir_reply_start(s, 200); break;
	case 4: weir_reply_room(s, tell, 0); break;
	case 5: weir_reply_end(s); break;
	}
}

WEIR_FILTERS(
	{.on_request = ask},
	{.root_id = "order", .on_request = head, .on_request_body = chunk_of, .on_request_trailers = ask, .on_response = head, .on_response_body = chunk_of, .on_response_trailers = head, .on_log = head, .on_tick = ask, .tick = 1}
)

int main(void) {
	wt_host = NULL;
	json();
	json_edges();
	units();
	fields();
	pairs();
	answers();
	order(false);
	order(true);
	return wt_failures ? 1 : 0;
}

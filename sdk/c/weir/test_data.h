/* What the host in memory is made of. */
#ifndef WEIR_TEST_DATA_H
#define WEIR_TEST_DATA_H

#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wunused-function" /* a test uses some of them */
#endif

#ifdef __cplusplus
extern "C" {
#endif
void *proxy_on_memory_allocate(uint32_t size);
void proxy_on_context_create(uint32_t context, uint32_t parent);
uint32_t proxy_on_vm_start(uint32_t root, uint32_t size);
uint32_t proxy_on_configure(uint32_t root, uint32_t size);
void proxy_on_tick(uint32_t root);
uint32_t proxy_on_request_headers(uint32_t context, uint32_t count, uint32_t end);
uint32_t proxy_on_request_body(uint32_t context, uint32_t size, uint32_t end);
uint32_t proxy_on_request_trailers(uint32_t context, uint32_t count);
uint32_t proxy_on_response_headers(uint32_t context, uint32_t count, uint32_t end);
uint32_t proxy_on_response_body(uint32_t context, uint32_t size, uint32_t end);
uint32_t proxy_on_response_trailers(uint32_t context, uint32_t count);
void proxy_on_http_call_response(uint32_t root, uint32_t token, uint32_t count, uint32_t size, uint32_t trailers);
void proxy_on_foreign_function(uint32_t root, uint32_t function, uint32_t size);
uint32_t proxy_on_done(uint32_t context);
void proxy_on_log(uint32_t context);
void proxy_on_delete(uint32_t context);
#ifdef __cplusplus
}
#endif

/* Bytes, with a zero byte behind them. */
typedef struct wt_bytes {
	char *data;
	size_t size;
} wt_bytes;

static void wt_set(wt_bytes *b, const void *data, size_t size) {
	char *copy = (char *)malloc(size + 1);
	if (!copy) abort();
	if (size) memcpy(copy, data, size);
	copy[size] = 0;
	free(b->data);
	b->data = copy;
	b->size = size;
}

static void wt_add(wt_bytes *b, const void *data, size_t size) {
	b->data = (char *)realloc(b->data, b->size + size + 1);
	if (!b->data) abort();
	if (size) memcpy(b->data + b->size, data, size);
	b->size += size;
	b->data[b->size] = 0;
}

static void wt_clear(wt_bytes *b) {
	free(b->data);
	b->data = NULL;
	b->size = 0;
}

static const char *wt_text(const wt_bytes *b) { return b->data ? b->data : ""; }

static bool wt_is(const wt_bytes *b, const void *data, size_t size) { return b->size == size && (!size || !memcmp(b->data, data, size)); }

/* A list of keys with values, in order; also of chunks, which have no key. */
typedef struct wt_pair {
	struct wt_pair *next;
	wt_bytes key, value;
	uint64_t version, number, until;
} wt_pair;

static wt_pair *wt_append(wt_pair **list, const void *key, size_t key_size, const void *value, size_t value_size) {
	while (*list) list = &(*list)->next;
	wt_pair *p = (wt_pair *)calloc(1, sizeof *p);
	if (!p) abort();
	wt_set(&p->key, key, key_size);
	wt_set(&p->value, value, value_size);
	*list = p;
	return p;
}

static void wt_free_pair(wt_pair *p) {
	wt_clear(&p->key);
	wt_clear(&p->value);
	free(p);
}

static void wt_free(wt_pair **list) {
	while (*list) {
		wt_pair *p = *list;
		*list = p->next;
		wt_free_pair(p);
	}
}

static wt_pair *wt_find(wt_pair *list, const void *key, size_t size) {
	while (list && !wt_is(&list->key, key, size)) list = list->next;
	return list;
}

static void wt_remove(wt_pair **list, const void *key, size_t size) {
	while (*list) {
		wt_pair *p = *list;
		if (!wt_is(&p->key, key, size)) {
			list = &p->next;
			continue;
		}
		*list = p->next;
		wt_free_pair(p);
	}
}

static const char *wt_value(wt_pair *list, const char *key) {
	wt_pair *p = wt_find(list, key, strlen(key));
	return p ? p->value.data : NULL;
}

static uint32_t wt_count(wt_pair *list) {
	uint32_t n = 0;
	for (; list; list = list->next) n++;
	return n;
}

/* ---- Encodings ---- */

static void wt_put32(wt_bytes *b, uint32_t n) {
	unsigned char p[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16), (unsigned char)(n >> 24)};
	wt_add(b, p, 4);
}

static void wt_field(wt_bytes *b, const void *data, size_t size) {
	wt_put32(b, (uint32_t)size);
	wt_add(b, data, size);
}

static void wt_number(wt_bytes *b, uint64_t n) {
	wt_put32(b, 8);
	wt_put32(b, (uint32_t)n);
	wt_put32(b, (uint32_t)(n >> 32));
}

static uint32_t wt_get32(const char *p) {
	const unsigned char *u = (const unsigned char *)p;
	return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

/* Reads fields; what is wrong about them ends the test. */
typedef struct wt_reader {
	const char *at;
	size_t left;
} wt_reader;

static wt_bytes wt_next(wt_reader *r) {
	wt_bytes f = {NULL, 0};
	if (r->left < 4 || wt_get32(r->at) > r->left - 4) {
		fprintf(stderr, "weir_test: the SDK gave a function fields that cannot be read\n");
		abort();
	}
	f.size = wt_get32(r->at);
	f.data = (char *)r->at + 4;
	r->at += 4 + f.size;
	r->left -= 4 + f.size;
	return f;
}

static uint64_t wt_next_number(wt_reader *r) {
	wt_bytes f = wt_next(r);
	if (f.size != 8) abort();
	return wt_get32(f.data) | (uint64_t)wt_get32(f.data + 4) << 32;
}

static wt_bytes wt_encode(wt_pair *list) {
	wt_bytes b = {NULL, 0};
	if (!list) return b;
	wt_put32(&b, wt_count(list));
	for (wt_pair *p = list; p; p = p->next) {
		wt_put32(&b, (uint32_t)p->key.size);
		wt_put32(&b, (uint32_t)p->value.size);
	}
	for (wt_pair *p = list; p; p = p->next) {
		wt_add(&b, p->key.data, p->key.size + 1);
		wt_add(&b, p->value.data, p->value.size + 1);
	}
	return b;
}

static void wt_decode(wt_pair **list, const char *data, size_t size) {
	if (size < 4) return;
	uint32_t n = wt_get32(data);
	size_t at = 4 + 8 * (size_t)n;
	for (uint32_t i = 0; i < n && at <= size; i++) {
		size_t key = wt_get32(data + 4 + 8 * i), value = wt_get32(data + 8 + 8 * i);
		if (at + key + value + 2 > size) abort();
		wt_append(list, data + at, key, data + at + key + 1, value);
		at += key + value + 2;
	}
	if (at != size) abort();
}

/* ---- The host ---- */

enum { WT_IDLE, WT_HEAD, WT_BODY, WT_HELD, WT_PASSED }; /* WT_HEAD and WT_HELD: paused there */

/* A request or response on its way through the filter. */
typedef struct wt_half {
	wt_pair *head, *chunks, *trailers;
	wt_bytes held, out;
	int stage, order; /* what weir.body asked for */
	bool resumed, unseen, inside, trailers_shown, ended;
} wt_half;

struct weir_exchange {
	weir_exchange *next;
	weir_test *t;
	uint32_t context;
	wt_half half[2];
	wt_pair *hints;
	int status; /* that the client got */
	wt_bytes taken, text;
	size_t unsent;
	bool sent, reached, replied, streaming, streamed, cut, over;
};

/* What is under way. */
typedef struct wt_event {
	struct wt_event *next;
	uint64_t due, order;
	uint32_t token, context;
	int kind; /* see below */
	bool resting; /* a fetch whose next part nobody has asked for */
	wt_bytes data;
	weir_test_call *call;
} wt_event;
enum { WT_ANSWER, WT_CALL, WT_READ, WT_TICK, WT_EVENT };

struct weir_test_call {
	wt_pair *head, *chunks, *answer;
	wt_bytes body, message;
	int status;
	bool fails, begun, bits;
	uint64_t delay;
};

typedef struct wt_upstream {
	struct wt_upstream *next;
	char *name;
	weir_test_answers *answers;
	void *arg;
} wt_upstream;

struct weir_test {
	bool plain, refused;
	uint64_t now, events_made;
	uint32_t effective, tokens, tick, root;
	int calls, inside;
	wt_bytes config, log, call_data;
	wt_event *events;
	weir_test_call *answered; /* whose maps and buffers can be read */
	weir_exchange *exchanges;
	wt_upstream *upstreams;
	wt_pair *properties, *store, *shared, *metrics, *denied;
	uint64_t versions;
	size_t room;
};

static weir_test *wt_host; /* the one that is used */
static int wt_failures;
static uint32_t wt_contexts; /* of all hosts: the filter is the same */

static weir_exchange *wt_exchange(void) {
	weir_exchange *x = wt_host ? wt_host->exchanges : NULL;
	while (x && x->context != wt_host->effective) x = x->next;
	return x;
}

static wt_event *wt_event_new(int kind, uint64_t delay) {
	wt_event *e = (wt_event *)calloc(1, sizeof *e);
	if (!e) abort();
	e->kind = kind;
	e->due = wt_host->now + delay * 1000000;
	e->order = wt_host->events_made++;
	e->context = wt_host->effective;
	wt_event **at = &wt_host->events;
	while (*at && ((*at)->due < e->due || ((*at)->due == e->due && (*at)->order < e->order))) at = &(*at)->next;
	e->next = *at;
	*at = e;
	return e;
}

static void wt_call_free(weir_test_call *c) {
	if (!c) return;
	wt_free(&c->head);
	wt_free(&c->chunks);
	wt_free(&c->answer);
	wt_clear(&c->body);
	wt_clear(&c->message);
	free(c);
}

static void wt_event_free(wt_event *e) {
	wt_clear(&e->data);
	wt_call_free(e->call);
	free(e);
}

static void wt_event_take(wt_event *e) {
	wt_event **at = &wt_host->events;
	while (*at && *at != e) at = &(*at)->next;
	if (*at) *at = e->next;
}

#endif

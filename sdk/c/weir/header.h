/* Header fields, and what is asked of them. */
#ifndef WEIR_HEADER_H
#define WEIR_HEADER_H

/* The name in lower case, as the ABI has them, and how long it is: one look at each character. */
static weir_bytes weir_name(const char *name) {
	weir_bytes n = {name, 0};
	while (name[n.size] && (unsigned)(name[n.size] - 'A') >= 26) n.size++;
	if (!name[n.size]) return n;
	n.size += strlen(name + n.size);
	char *copy = (char *)weir_scratch_text(name, n.size);
	for (size_t i = 0; i < n.size; i++) copy[i] = weir_lower(copy[i]);
	n.data = copy;
	return n;
}

const char *weir_get(weir_stream *s, int part, const char *name) {
	uint8_t *data = 0;
	size_t size = 0;
	weir_bytes n = weir_name(name);
	(void)s;
	if (proxy_get_header_map_value((uint32_t)part, n.data, n.size, &data, &size) != WEIR_OK) return 0;
	return weir_given(data, size).data;
}

uint32_t weir_set(weir_stream *s, int part, const char *name, const char *value) {
	if (!value) return weir_remove(s, part, name);
	weir_bytes n = weir_name(name);
	return proxy_replace_header_map_value((uint32_t)part, n.data, n.size, value, strlen(value));
}

uint32_t weir_add(weir_stream *s, int part, const char *name, const char *value) {
	(void)s;
	if (!value) return WEIR_OK;
	weir_bytes n = weir_name(name);
	return proxy_add_header_map_value((uint32_t)part, n.data, n.size, value, strlen(value));
}

uint32_t weir_remove(weir_stream *s, int part, const char *name) {
	weir_bytes n = weir_name(name);
	(void)s;
	return proxy_remove_header_map_value((uint32_t)part, n.data, n.size);
}

/* Fields of pairs; of what is none, none. */
static weir_fields weir_fields_of(weir_bytes pairs) {
	weir_fields f;
	memset(&f, 0, sizeof f);
	if (pairs.size < 4) return f;
	uint32_t n = weir_get32(pairs.data);
	if (n > (pairs.size - 4) / 8) return f;
	f.pairs = pairs.data;
	f.size = pairs.size;
	f.count = n;
	f.offset = 4 + 8 * n;
	return f;
}

weir_fields weir_all(weir_stream *s, int part) {
	uint8_t *data = 0;
	size_t size = 0;
	weir_bytes none = {0, 0};
	(void)s;
	if (proxy_get_header_map_pairs((uint32_t)part, &data, &size) != WEIR_OK) return weir_fields_of(none);
	return weir_fields_of(weir_given(data, size));
}

bool weir_next(weir_fields *f) {
	if (f->at >= f->count) return false;
	size_t name = weir_get32(f->pairs + 4 + 8 * f->at), value = weir_get32(f->pairs + 8 + 8 * f->at);
	size_t left = f->size - f->offset;
	if (name >= left || value >= left - name - 1 || f->pairs[f->offset + name] || f->pairs[f->offset + name + 1 + value]) {
		f->at = f->count;
		return false;
	}
	f->name = f->pairs + f->offset;
	f->value = f->name + name + 1;
	f->value_size = value;
	f->offset += (uint32_t)(name + value + 2);
	f->at++;
	return true;
}

/* Pairs of fields, those in first before those of a list whose last has no name. */
typedef struct weir_pairs {
	weir_buffer sizes, texts;
	uint32_t count;
} weir_pairs;

static void weir_pairs_add(weir_pairs *p, const char *name, const char *value) {
	if (!value) return;
	weir_bytes n = weir_name(name);
	size_t k = strlen(value);
	weir_put32(weir_buffer_add(&p->sizes, 0, 4), (uint32_t)n.size);
	weir_put32(weir_buffer_add(&p->sizes, 0, 4), (uint32_t)k);
	weir_buffer_add(&p->texts, n.data, n.size + 1);
	weir_buffer_add(&p->texts, value, k + 1);
	p->count++;
}

static weir_buffer weir_pairs_end(weir_pairs *p) {
	weir_buffer b = {0, 0, 0, false};
	if (!p->count) return b;
	weir_put32(weir_buffer_add(&b, 0, 4), p->count);
	weir_buffer_add(&b, p->sizes.data, p->sizes.size);
	weir_buffer_add(&b, p->texts.data, p->texts.size);
	return b;
}

/* Matches a path with a pattern, to where its query begins. What stands at {name} is told. */
static bool weir_match(const char *path, const char *pattern, const char *name, weir_bytes *value) {
	for (;;) {
		bool end = !*path || *path == '?';
		if (*pattern != '{') {
			if (!*pattern) return end;
			if (end || *path++ != *pattern++) return false;
			continue;
		}
		const char *from = path, *close = strchr(++pattern, '}');
		size_t n = close ? (size_t)(close - pattern) : strlen(pattern);
		bool rest = n > 3 && !strncmp(pattern + n - 3, "...", 3);
		while (*path && *path != '?' && (rest || *path != '/')) path++;
		if (from == path && !rest) return false;
		if (rest) n -= 3;
		if (name && strlen(name) == n && !strncmp(name, pattern, n)) {
			value->data = from;
			value->size = (size_t)(path - from);
		}
		pattern = close ? close + 1 : "";
	}
}

bool weir_is(weir_stream *s, const char *method, const char *pattern) {
	const char *m = method ? weir_get(s, WEIR_REQUEST, ":method") : 0, *p = weir_get(s, WEIR_REQUEST, ":path");
	if (method && (!m || strcmp(m, method) != 0)) return false;
	return p && weir_match(p, pattern, 0, 0);
}

static int weir_hex(char c) {
	c = weir_lower(c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A text without its percent signs. What would be a zero byte stays as it is. */
static const char *weir_decoded(const char *at, size_t size, char plus) {
	char *value = (char *)weir_scratch_text(at, size), *to = value;
	for (const char *from = value; *from; from++) {
		int high = *from == '%' && from[1] ? weir_hex(from[1]) : -1, low = high >= 0 ? weir_hex(from[2]) : -1;
		if (low >= 0 && high + low > 0) {
			*to++ = (char)(high << 4 | low);
			from += 2;
		} else {
			*to++ = *from == '+' ? plus : *from;
		}
	}
	*to = 0;
	return value;
}

const char *weir_param(weir_stream *s, const char *pattern, const char *name) {
	const char *path = weir_get(s, WEIR_REQUEST, ":path");
	weir_bytes value = {0, 0};
	if (!path || !weir_match(path, pattern, name, &value) || !value.data) return 0;
	return weir_decoded(value.data, value.size, '+');
}

const char *weir_query(weir_stream *s, const char *name) {
	const char *path = weir_get(s, WEIR_REQUEST, ":path"), *p = path ? strchr(path, '?') : 0;
	size_t n = strlen(name);
	while (p && *p) {
		const char *at = ++p, *end = strchr(p, '&');
		if (!end) end = p + strlen(p);
		p = end;
		if ((size_t)(end - at) < n || strncmp(at, name, n) != 0 || (at + n < end && at[n] != '=')) continue;
		at += n;
		if (at < end) at++;
		return weir_decoded(at, (size_t)(end - at), ' ');
	}
	return 0;
}

const char *weir_cookie(weir_stream *s, const char *name) {
	size_t n = strlen(name);
	weir_fields f = weir_all(s, WEIR_REQUEST);
	while (weir_next(&f)) {
		if (strcmp(f.name, "cookie") != 0) continue;
		for (const char *p = f.value; *p;) {
			while (*p == ' ' || *p == ';') p++;
			const char *end = strchr(p, ';');
			if (!end) end = p + strlen(p);
			if (!strncmp(p, name, n) && p[n] == '=') return weir_scratch_text(p + n + 1, (size_t)(end - p) - n - 1);
			p = end;
		}
	}
	return 0;
}

int weir_status(weir_stream *s) {
	const char *p = weir_get(s, WEIR_RESPONSE, ":status");
	int n = 0;
	while (p && *p >= '0' && *p <= '9' && n < 1000) n = n * 10 + *p++ - '0';
	return n;
}

/* ---- What a host knows and counts ---- */

weir_bytes weir_property_of(weir_stream *s, ...) {
	weir_buffer path = {0, 0, 0, false};
	weir_bytes none = {0, 0};
	uint8_t *data = 0;
	size_t size = 0;
	va_list args;
	va_start(args, s);
	for (const char *p; (p = va_arg(args, const char *));) {
		if (path.size) weir_buffer_add(&path, "", 1);
		weir_buffer_add(&path, p, strlen(p));
	}
	va_end(args);
	if (proxy_get_property(path.data, path.size, &data, &size) != WEIR_OK) return none;
	return weir_given(data, size);
}

int64_t weir_property_int(weir_bytes p) { return p.size == 8 ? (int64_t)weir_get64(p.data) : p.size == 1 ? *p.data : 0; }

uint32_t weir_set_property(weir_stream *s, const char *name, const void *value, size_t size) {
	(void)s;
	return proxy_set_property(name, strlen(name), value, size);
}

uint32_t weir_shared_get(const char *key, weir_bytes *value, uint32_t *version) {
	uint8_t *data = 0;
	size_t size = 0;
	uint32_t v = 0, st = proxy_get_shared_data(key, strlen(key), &data, &size, &v);
	*value = weir_given(data, st ? 0 : size);
	if (st) value->data = 0;
	if (version) *version = v;
	return st;
}

uint32_t weir_shared_set(const char *key, const void *value, size_t size, uint32_t version) {
	return proxy_set_shared_data(key, strlen(key), value, size, version);
}

uint64_t weir_now(void) {
	uint64_t now = 0;
	proxy_get_current_time_nanoseconds(&now);
	return now;
}

/* Metrics by name. Those that a filter has are few. */
typedef struct weir_metric {
	struct weir_metric *next;
	uint32_t id, kind;
	char name[1];
} weir_metric;
static weir_metric *weir_metrics;

static uint32_t weir_metric_of(uint32_t kind, const char *name, uint32_t *id) {
	for (weir_metric *m = weir_metrics; m; m = m->next) {
		if (m->kind == kind && !strcmp(m->name, name)) {
			*id = m->id;
			return WEIR_OK;
		}
	}
	uint32_t st = proxy_define_metric(kind, name, strlen(name), id);
	if (st) return st;
	weir_metric *m = (weir_metric *)weir_zeros(sizeof *m + strlen(name));
	m->id = *id;
	m->kind = kind;
	memcpy(m->name, name, strlen(name) + 1);
	m->next = weir_metrics;
	weir_metrics = m;
	return WEIR_OK;
}

uint32_t weir_counter_add(const char *name, int64_t n) {
	uint32_t id = 0, st = weir_metric_of(WEIR_METRIC_COUNTER, name, &id);
	return st ? st : proxy_increment_metric(id, n);
}

uint32_t weir_gauge_set(const char *name, uint64_t value) {
	uint32_t id = 0, st = weir_metric_of(WEIR_METRIC_GAUGE, name, &id);
	return st ? st : proxy_record_metric(id, value);
}

uint32_t weir_gauge_add(const char *name, int64_t n) {
	uint32_t id = 0, st = weir_metric_of(WEIR_METRIC_GAUGE, name, &id);
	return st ? st : proxy_increment_metric(id, n);
}

uint32_t weir_histogram_record(const char *name, uint64_t value) {
	uint32_t id = 0, st = weir_metric_of(WEIR_METRIC_HISTOGRAM, name, &id);
	return st ? st : proxy_record_metric(id, value);
}

#endif

/* JSON (RFC 8259), read as a whole, with what is wrong about it noted at its place. */
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

enum { WEIR_JSON_NULL, WEIR_JSON_BOOL, WEIR_JSON_NUMBER, WEIR_JSON_TEXT, WEIR_JSON_LIST, WEIR_JSON_OBJECT, WEIR_JSON_LATER };
enum { WEIR_JSON_DEPTH = 64, WEIR_JSON_MOST = 16 << 20 };

/* A text with its values. */
typedef struct weir_document weir_document;
struct weir_document {
	weir_piece *pieces;
	weir_buffer wrong;
	bool strict; /* a configuration: no key is there twice, none unknown */
	const char *at, *end, *why;
	/* Of a configuration: read when something is asked of it first, so that readers are linked with those who ask. It
	 * is told of what is wrong. */
	weir_value *later;
	bool (*finish)(weir_document *d);
};

struct weir_value {
	weir_value *first, *next, *parent;
	weir_document *of;
	const char *key; /* in an object */
	const char *text;
	int64_t integer;
	double number;
	uint8_t type;
	bool whole, yes, used; /* an integer; true; asked for */
};

static void *weir_document_alloc(weir_document *d, size_t size) {
	weir_piece *p = (weir_piece *)weir_get_memory(sizeof *p + size);
	if (!p) weir_stop();
	memset(p, 0, sizeof *p + size);
	p->next = d->pieces;
	d->pieces = p;
	return p + 1;
}

static void weir_document_free(weir_document *d) {
	while (d->pieces) {
		weir_piece *p = d->pieces;
		d->pieces = p->next;
		weir_free_memory(p);
	}
	weir_buffer_free(&d->wrong);
}

static weir_value *weir_document_later(weir_document *d, weir_bytes text) {
	d->later = (weir_value *)weir_document_alloc(d, sizeof *d->later);
	d->later->type = WEIR_JSON_LATER;
	d->later->of = d;
	d->strict = true;
	d->at = text.size ? text.data : "{}";
	d->end = d->at + (text.size ? text.size : 2);
	return d->later;
}

static void weir_json_space(weir_document *d) {
	while (d->at < d->end && (*d->at == ' ' || *d->at == '\t' || *d->at == '\n' || *d->at == '\r')) d->at++;
}

static bool weir_json_bad(weir_document *d, const char *why) {
	if (!d->why) d->why = why;
	return false;
}

static bool weir_json_hex(weir_document *d, uint32_t *n) {
	if (d->end - d->at < 4) return weir_json_bad(d, "a text ends within \\u");
	*n = 0;
	for (int i = 0; i < 4; i++) {
		char c = weir_lower(*d->at++);
		if (c >= '0' && c <= '9')
			*n = *n << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*n = *n << 4 | (uint32_t)(c - 'a' + 10);
		else
			return weir_json_bad(d, "there are no four digits behind \\u");
	}
	return true;
}

/* Writes a character that \u has named, and moves to behind it. */
static bool weir_json_unicode(weir_document *d, char **to) {
	uint32_t n, low;
	if (!weir_json_hex(d, &n)) return false;
	if (n >= 0xd800 && n < 0xe000) {
		if (n >= 0xdc00 || d->end - d->at < 2 || d->at[0] != '\\' || d->at[1] != 'u') return weir_json_bad(d, "half of a character");
		d->at += 2;
		if (!weir_json_hex(d, &low)) return false;
		if (low < 0xdc00 || low >= 0xe000) return weir_json_bad(d, "half of a character");
		n = 0x10000 + ((n - 0xd800) << 10) + (low - 0xdc00);
	}
	if (n == 0) return weir_json_bad(d, "a text holds \\u0000");
	char *p = *to;
	if (n < 0x80) {
		*p++ = (char)n;
	} else if (n < 0x800) {
		*p++ = (char)(0xc0 | n >> 6);
		*p++ = (char)(0x80 | (n & 63));
	} else if (n < 0x10000) {
		*p++ = (char)(0xe0 | n >> 12);
		*p++ = (char)(0x80 | (n >> 6 & 63));
		*p++ = (char)(0x80 | (n & 63));
	} else {
		*p++ = (char)(0xf0 | n >> 18);
		*p++ = (char)(0x80 | (n >> 12 & 63));
		*p++ = (char)(0x80 | (n >> 6 & 63));
		*p++ = (char)(0x80 | (n & 63));
	}
	*to = p;
	return true;
}

/* How many bytes the character at p has; 0 if it is no UTF-8. */
static int weir_utf8(const char *at, const char *end) {
	const unsigned char *p = (const unsigned char *)at;
	ptrdiff_t left = end - at;
	int n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
	if (n == 0 || n > left) return 0;
	for (int i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80) return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
	return n;
}

/* Reads a text, whose first quote was read. */
static const char *weir_json_string(weir_document *d) {
	const char *end = d->at;
	while (end < d->end && *end != '"') end += *end == '\\' && end + 1 < d->end ? 2 : 1;
	if (end >= d->end) {
		weir_json_bad(d, "a text does not end");
		return 0;
	}
	char *text = (char *)weir_document_alloc(d, (size_t)(end - d->at) + 1), *to = text;
	while (d->at < end) {
		static const char from[] = "\"\\/bfnrt", sign[] = "\"\\/\b\f\n\r\t";
		if ((unsigned char)*d->at < 0x20) {
			weir_json_bad(d, "a text holds a control character");
			return 0;
		}
		if (*d->at != '\\') {
			int n = weir_utf8(d->at, end);
			if (!n) {
				weir_json_bad(d, "a text is no UTF-8");
				return 0;
			}
			while (n--) *to++ = *d->at++;
			continue;
		}
		char c = d->at[1];
		d->at += 2;
		if (c == 'u') {
			if (!weir_json_unicode(d, &to)) return 0;
			continue;
		}
		int i = 0;
		while (i < 8 && from[i] != c) i++;
		if (i == 8) {
			weir_json_bad(d, "a text holds \\ before a character that it does not stand before");
			return 0;
		}
		*to++ = sign[i];
	}
	d->at = end + 1;
	return text;
}

static bool weir_json_is_digit(weir_document *d) { return d->at < d->end && *d->at >= '0' && *d->at <= '9'; }

static bool weir_json_number(weir_document *d, weir_value *v) {
	bool negative = *d->at == '-', fits = true;
	if (negative) d->at++;
	uint64_t n = 0;
	int power = 0, exponent = 0;
	if (!weir_json_is_digit(d)) return weir_json_bad(d, "- without a number");
	if (*d->at == '0' && d->end - d->at > 1 && d->at[1] >= '0' && d->at[1] <= '9') return weir_json_bad(d, "a number begins with 0");
	v->whole = true;
	bool point = false;
	for (; d->at < d->end; d->at++) {
		if (*d->at == '.' && !point) {
			point = true;
			v->whole = false;
			d->at++;
			if (!weir_json_is_digit(d)) return weir_json_bad(d, "a number ends with .");
			d->at--;
			continue;
		}
		if (!weir_json_is_digit(d)) break;
		if (n <= (UINT64_MAX - 9) / 10) {
			n = n * 10 + (uint64_t)(*d->at - '0');
			power -= point;
		} else {
			fits = false;
			if (!point && power < 10000) power++;
		}
	}
	if (d->at < d->end && (*d->at == 'e' || *d->at == 'E')) {
		v->whole = false;
		d->at++;
		bool down = d->at < d->end && *d->at == '-';
		if (d->at < d->end && (*d->at == '-' || *d->at == '+')) d->at++;
		if (!weir_json_is_digit(d)) return weir_json_bad(d, "a number ends with e");
		for (; weir_json_is_digit(d); d->at++)
			if (exponent < 10000) exponent = exponent * 10 + (*d->at - '0');
		power += down ? -exponent : exponent;
	}
	double x = (double)n;
	for (; power > 0 && x != 0 && x < 1e300 * 1e8; power--) x *= 10;
	for (; power < 0 && x != 0; power++) x /= 10;
	v->number = negative ? -x : x;
	if (!fits || n > (uint64_t)INT64_MAX) v->whole = false;
	v->integer = negative ? -(int64_t)(n & INT64_MAX) : (int64_t)(n & INT64_MAX);
	v->type = WEIR_JSON_NUMBER;
	return true;
}

static bool weir_json_word(weir_document *d, const char *word) {
	size_t n = strlen(word);
	if ((size_t)(d->end - d->at) < n || memcmp(d->at, word, n) != 0) return weir_json_bad(d, "something that is no value");
	d->at += n;
	return true;
}

static weir_value *weir_json_value(weir_document *d, weir_value *parent, int depth);

static bool weir_json_many(weir_document *d, weir_value *v, int depth) {
	char end = *d->at++ == '{' ? '}' : ']';
	v->type = end == '}' ? WEIR_JSON_OBJECT : WEIR_JSON_LIST;
	weir_value **last = &v->first;
	weir_json_space(d);
	if (d->at < d->end && *d->at == end) return d->at++, true;
	for (;;) {
		const char *key = 0;
		weir_json_space(d);
		if (end == '}') {
			if (d->at >= d->end || *d->at != '"') return weir_json_bad(d, "an object has something that is no key");
			d->at++;
			if (!(key = weir_json_string(d))) return false;
			for (weir_value *m = d->strict ? v->first : 0; m; m = m->next)
				if (!strcmp(m->key, key)) return weir_json_bad(d, "a key is there twice");
			weir_json_space(d);
			if (d->at >= d->end || *d->at++ != ':') return weir_json_bad(d, "there is no : behind a key");
		}
		weir_value *m = weir_json_value(d, v, depth - 1);
		if (!m) return false;
		m->key = key;
		*last = m;
		last = &m->next;
		weir_json_space(d);
		if (d->at < d->end && *d->at == end) return d->at++, true;
		if (d->at >= d->end || *d->at++ != ',') return weir_json_bad(d, "a list or an object does not end");
	}
}

static weir_value *weir_json_value(weir_document *d, weir_value *parent, int depth) {
	weir_json_space(d);
	if (!depth) weir_json_bad(d, "too many lists within lists");
	if (d->at >= d->end) weir_json_bad(d, "there is no value");
	if (d->why) return 0;
	weir_value *v = (weir_value *)weir_document_alloc(d, sizeof *v);
	v->of = d;
	v->parent = parent;
	bool ok;
	switch (*d->at) {
	case '{':
	case '[':
		ok = weir_json_many(d, v, depth);
		break;
	case '"':
		d->at++;
		v->type = WEIR_JSON_TEXT;
		ok = (v->text = weir_json_string(d)) != 0;
		break;
	case 't':
		v->type = WEIR_JSON_BOOL;
		v->yes = true;
		ok = weir_json_word(d, "true");
		break;
	case 'f':
		v->type = WEIR_JSON_BOOL;
		ok = weir_json_word(d, "false");
		break;
	case 'n':
		ok = weir_json_word(d, "null");
		break;
	default:
		ok = (*d->at == '-' || weir_json_is_digit(d)) ? weir_json_number(d, v) : weir_json_bad(d, "something that is no value");
	}
	return ok ? v : 0;
}

/* Reads a text into d, which is zeros at first; 0 if it is no JSON, and d->why says what is wrong at d->at. */
static weir_value *weir_json_read(weir_document *d, const char *data, size_t size) {
	d->wrong.kept = true;
	d->at = data;
	d->end = data + size;
	if (size > WEIR_JSON_MOST) return weir_json_bad(d, "it is too large"), (weir_value *)0;
	weir_value *v = weir_json_value(d, 0, WEIR_JSON_DEPTH);
	if (!v) return 0;
	weir_json_space(d);
	if (d->at != d->end) return weir_json_bad(d, "there is something behind it"), (weir_value *)0;
	return v;
}

#endif

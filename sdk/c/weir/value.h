/* What is asked of JSON: values with defaults, and what is wrong about a configuration. */
#ifndef WEIR_VALUE_H
#define WEIR_VALUE_H

static void weir_json_path(weir_buffer *b, weir_value *v) {
	if (!v->parent) return;
	weir_json_path(b, v->parent);
	if (v->key) {
		if (v->parent->parent) weir_buffer_add(b, ".", 1);
		weir_buffer_add(b, v->key, strlen(v->key));
		return;
	}
	size_t n = 0;
	for (weir_value *m = v->parent->first; m && m != v; m = m->next) n++;
	const char *at = weir_format("[%zu]", n);
	weir_buffer_add(b, at, strlen(at));
}

static void weir_json_note(weir_value *v, const char *key, const char *what) {
	weir_buffer *b = &v->of->wrong;
	if (!v->of->strict) return;
	if (b->size > 4096) return;
	if (b->size) weir_buffer_add(b, "; ", 2);
	size_t before = b->size;
	weir_json_path(b, v);
	if (key) {
		if (b->size > before) weir_buffer_add(b, ".", 1);
		weir_buffer_add(b, key, strlen(key));
	}
	if (b->size > before) weir_buffer_add(b, ": ", 2);
	weir_buffer_add(b, what, strlen(what));
}

static void weir_json_wanted(weir_value *v, const char *type) {
	static const char *const names[] = {"null", "true or false", "a number", "a text", "a list", "an object"};
	weir_json_note(v, 0, weir_format("is %s, where %s is wanted", v->type == WEIR_JSON_BOOL ? v->yes ? "true" : "false" : names[v->type], type));
}

static void weir_json_unknown(weir_value *v) {
	for (weir_value *m = v->first; m; m = m->next) {
		if (v->type == WEIR_JSON_OBJECT && !m->used)
			weir_json_note(m, 0, "there is no such setting");
		else
			weir_json_unknown(m);
	}
}

/* What is configured now, for what is to be refused of objects that are not there. */
static weir_value *weir_configured;

/* What is wrong with a configuration, said at once. */
static bool weir_json_finish(weir_document *d) {
	weir_value *v = weir_configured;
	weir_configured = 0;
	if (d->why) {
		weir_complain("configuration refused: it is no JSON: ", d->why);
		return false;
	}
	weir_json_unknown(v);
	if (d->wrong.size) weir_complain("configuration refused: ", d->wrong.data);
	return !d->wrong.size;
}

/* Reads what was not read yet. */
static bool weir_json_now(weir_value *v) {
	if (v->type != WEIR_JSON_LATER) return true;
	weir_document *d = v->of;
	weir_value *root = weir_json_read(d, d->at, (size_t)(d->end - d->at));
	v->type = WEIR_JSON_NULL;
	if (root) {
		*v = *root;
		for (weir_value *m = v->first; m; m = m->next) m->parent = v;
	}
	d->finish = weir_json_finish;
	weir_configured = v;
	if (root && v->type != WEIR_JSON_OBJECT && v->type != WEIR_JSON_NULL) weir_json_wanted(v, "an object");
	return true;
}

/* ---- What authors call ---- */

static weir_value *weir_member(weir_value *v, const char *key) {
	if (!v || !weir_json_now(v) || v->type != WEIR_JSON_OBJECT) return 0;
	weir_value *m = v->first;
	while (m && strcmp(m->key, key) != 0) m = m->next;
	if (!m) return 0;
	m->used = true;
	return m->type == WEIR_JSON_NULL ? 0 : m;
}

const char *weir_item_text(weir_value *v, const char *otherwise) {
	if (!v) return otherwise;
	if (v->type == WEIR_JSON_TEXT) return v->text;
	weir_json_wanted(v, "a text");
	return otherwise;
}

int64_t weir_item_int(weir_value *v, int64_t otherwise) {
	if (!v) return otherwise;
	if (v->type == WEIR_JSON_NUMBER && v->whole) return v->integer;
	weir_json_wanted(v, "a whole number");
	return otherwise;
}

const char *weir_text(weir_value *v, const char *key, const char *otherwise) { return weir_item_text(weir_member(v, key), otherwise); }

int64_t weir_int(weir_value *v, const char *key, int64_t otherwise) { return weir_item_int(weir_member(v, key), otherwise); }

double weir_number(weir_value *v, const char *key, double otherwise) {
	weir_value *m = weir_member(v, key);
	if (!m) return otherwise;
	if (m->type == WEIR_JSON_NUMBER) return m->number;
	weir_json_wanted(m, "a number");
	return otherwise;
}

bool weir_bool(weir_value *v, const char *key, bool otherwise) {
	weir_value *m = weir_member(v, key);
	if (!m) return otherwise;
	if (m->type == WEIR_JSON_BOOL) return m->yes;
	weir_json_wanted(m, "true or false");
	return otherwise;
}

weir_value *weir_object(weir_value *v, const char *key) {
	weir_value *m = weir_member(v, key);
	if (!m || m->type == WEIR_JSON_OBJECT) return m;
	weir_json_wanted(m, "an object");
	return 0;
}

weir_value *weir_list(weir_value *v, const char *key) {
	weir_value *m = weir_member(v, key);
	if (!m) return 0;
	if (m->type == WEIR_JSON_LIST) return m->first;
	weir_json_wanted(m, "a list");
	return 0;
}

weir_value *weir_members(weir_value *v, const char *key) {
	weir_value *o = key ? weir_object(v, key) : v;
	if (!o || !weir_json_now(o) || o->type != WEIR_JSON_OBJECT) return 0;
	for (weir_value *m = o->first; m; m = m->next) m->used = true;
	return o->first;
}

weir_value *weir_item_next(weir_value *v) { return v ? v->next : 0; }
const char *weir_item_key(weir_value *v) { return v ? v->key : 0; }

bool weir_has(weir_value *v, const char *key) {
	weir_value *m = v && weir_json_now(v) && v->type == WEIR_JSON_OBJECT ? v->first : 0;
	while (m && strcmp(m->key, key) != 0) m = m->next;
	return m && m->type != WEIR_JSON_NULL;
}

void weir_refuse(weir_value *v, const char *key, const char *why) {
	if (!v) v = weir_configured;
	if (v && weir_json_now(v)) weir_json_note(v, key, why);
}

/* A document of a stream, whose memory it takes over. */
weir_value *weir_json(weir_stream *s, const char *data, size_t size, const char **why) {
	weir_document *d = (weir_document *)weir_alloc(s, sizeof *d);
	if (!d) weir_stop();
	weir_value *v = weir_json_read(d, data, size);
	if (why) *why = v ? 0 : d->why;
	weir_piece *last = d->pieces;
	while (last && last->next) last = last->next;
	if (last) {
		last->next = s->pieces;
		s->pieces = d->pieces;
		d->pieces = 0;
	}
	return v;
}

const char *weir_json_quote(const char *text) {
	weir_buffer b = {0, 0, 0, false};
	weir_buffer_add(&b, "\"", 1);
	for (; text && *text; text++) {
		if ((unsigned char)*text < 0x20) {
			const char *code = weir_format("\\u%04x", (unsigned)*text);
			weir_buffer_add(&b, code, 6);
			continue;
		}
		if (*text == '"' || *text == '\\') weir_buffer_add(&b, "\\", 1);
		weir_buffer_add(&b, text, 1);
	}
	weir_buffer_add(&b, "\"", 1);
	return b.data;
}

#endif

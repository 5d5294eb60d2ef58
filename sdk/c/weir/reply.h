/* Replies: at once, or as they are written; and what comes before. */
#ifndef WEIR_REPLY_H
#define WEIR_REPLY_H

/* A field of the reply that comes next. */
typedef struct weir_field_list {
	struct weir_field_list *next;
	const char *name, *value;
} weir_field_list;

uint32_t weir_reply_header(weir_stream *s, const char *name, const char *value) {
	weir_field_list *f = (weir_field_list *)weir_alloc(s, sizeof *f);
	if (!f) weir_stop();
	f->name = weir_keep(s, name);
	f->value = weir_keep(s, value);
	if (s->fields_end)
		s->fields_end->next = f;
	else
		s->fields = f;
	s->fields_end = f;
	return s->replied ? (uint32_t)WEIR_LATE : (uint32_t)WEIR_OK;
}

/* The pairs of what was collected, which then is used up. */
static weir_buffer weir_reply_pairs(weir_stream *s) {
	weir_pairs p;
	memset(&p, 0, sizeof p);
	for (weir_field_list *f = s->fields; f; f = f->next) weir_pairs_add(&p, f->name, f->value);
	s->fields = s->fields_end = 0;
	return weir_pairs_end(&p);
}

static bool weir_replies(weir_stream *s) { return !s->replied && !s->over && !s->is_root; }

uint32_t weir_reply_bytes(weir_stream *s, int status, const void *body, size_t size) {
	if (!weir_replies(s)) return WEIR_LATE;
	weir_buffer pairs = weir_reply_pairs(s);
	uint32_t st = proxy_send_local_response((uint32_t)status, "", 0, body, size, pairs.data, pairs.size, -1);
	s->replied = st == WEIR_OK;
	return st;
}

uint32_t weir_reply(weir_stream *s, int status, const char *body) { return weir_reply_bytes(s, status, body, body ? strlen(body) : 0); }

uint32_t weir_redirect(weir_stream *s, int status, const char *location) {
	weir_reply_header(s, "location", location);
	return weir_reply(s, status, 0);
}

/* Calls a function of weir's with a status and the fields that were collected. */
static uint32_t weir_announce(weir_stream *s, const char *name, int status) {
	if (!weir_replies(s)) return WEIR_LATE;
	if (!weir_on_weir()) return WEIR_UNSUPPORTED;
	weir_buffer pairs = weir_reply_pairs(s), b = {0, 0, 0, false};
	weir_field_number(&b, (uint64_t)status);
	weir_field(&b, pairs.data, pairs.size);
	return weir_foreign(name, &b, 0);
}

uint32_t weir_inform(weir_stream *s, int status) { return weir_announce(s, WEIR_CALL_INFORM, status); }

static void weir_event(weir_stream *s, uint64_t kind);

uint32_t weir_reply_start(weir_stream *s, int status) {
	uint32_t st = weir_announce(s, WEIR_CALL_REPLY_START, status);
	s->replied = s->replied || st == WEIR_OK;
	s->streaming = st == WEIR_OK;
	weir_hooks.event = weir_event;
	return st;
}

uint32_t weir_reply_write(weir_stream *s, const void *data, size_t size) {
	if (s->gone) return WEIR_GONE;
	if (!s->streaming || s->over) return WEIR_LATE;
	weir_buffer b = {0, 0, 0, false};
	weir_bytes result;
	weir_field(&b, data, size);
	uint32_t st = weir_foreign(WEIR_CALL_REPLY_WRITE, &b, &result);
	if (st) return st;
	weir_reader r = {result.data, result.size, false};
	s->full = weir_read_number(&r) == 0 && !r.bad;
	return s->full ? (uint32_t)WEIR_FULL : (uint32_t)WEIR_OK;
}

uint32_t weir_reply_end(weir_stream *s) {
	if (!s->streaming || s->over) return WEIR_LATE;
	weir_buffer pairs = weir_reply_pairs(s), b = {0, 0, 0, false};
	weir_field(&b, pairs.data, pairs.size);
	s->streaming = false;
	return weir_foreign(WEIR_CALL_REPLY_END, &b, 0);
}

uint32_t weir_reply_room(weir_stream *s, weir_then *then, void *arg) {
	weir_wait *w = weir_wait_new(s, sizeof *w, 0, then, arg);
	if (s->gone || !s->streaming || s->over || !then) return weir_wait_due(w, s->gone ? (uint32_t)WEIR_GONE : (uint32_t)WEIR_LATE, 0);
	if (!s->full || s->room) return weir_wait_due(w, s->room ? (uint32_t)WEIR_BAD_ARGUMENT : (uint32_t)WEIR_OK, 0);
	s->room = w;
	return WEIR_OK;
}

/* Is told of room, or that there will be none. */
static void weir_event(weir_stream *s, uint64_t kind) {
	weir_wait *room = s->room, *stalled = s->stalled;
	s->full = false;
	s->gone = s->gone || kind == WEIR_EVENT_GONE;
	s->room = s->stalled = 0;
	if (room) {
		weir_answer a = weir_answer_of(s->gone ? (uint32_t)WEIR_GONE : (uint32_t)WEIR_OK, 0);
		weir_wait_tell(room, &a);
	}
	if (stalled && !s->full) {
		weir_hooks.unstall(stalled);
	} else if (stalled) {
		s->stalled = stalled;
	}
}

#endif

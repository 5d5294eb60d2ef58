/* Waiting: who is told what, and when a stream goes on. */
#ifndef WEIR_WAIT_H
#define WEIR_WAIT_H

static void weir_resume(weir_stream *s, int side);

static void weir_run_due(void);
static void weir_cancel(weir_stream *s);

/* A wait of s. size is that of a structure that begins with one. What nobody waits for is the root's: it is done even
 * if the stream ends before. */
static weir_wait *weir_wait_new(weir_stream *s, size_t size, bool (*take)(weir_wait *, weir_reader *, weir_answer *), weir_then *then, void *arg) {
	weir_wait *w = (weir_wait *)weir_zeros(size);
	weir_hooks.due = weir_run_due;
	weir_hooks.cancel = weir_cancel;
	if (!then) s = &s->root->s;
	w->s = s;
	w->take = take;
	w->then = then;
	w->arg = arg;
	w->side = s->now;
	w->of = s->waits;
	s->waits = w;
	s->side[w->side].waits++;
	return w;
}

static void weir_wait_leave(weir_wait *w) {
	weir_wait **at = &w->s->waits;
	while (*at && *at != w) at = &(*at)->of;
	if (*at) *at = w->of;
	w->s->side[w->side].waits--;
	if (w->known) weir_table_take(&weir_guest.waits, w->node.id);
	w->known = false;
	if (w->s->stalled == w) w->s->stalled = 0;
	if (w->s->room == w) w->s->room = 0;
}

/* Has w be told of an error, or of nothing but that it is over, once the callback has returned. */
static uint32_t weir_wait_due(weir_wait *w, uint32_t error, const char *message) {
	w->error = error;
	w->message = message;
	w->due = 0;
	if (weir_guest.due_end)
		weir_guest.due_end->due = w;
	else
		weir_guest.due = w;
	weir_guest.due_end = w;
	return error;
}

static void weir_wait_token(weir_wait *w, uint32_t token) {
	w->node.id = token;
	w->known = true;
	weir_table_add(&weir_guest.waits, &w->node);
}

static weir_answer weir_answer_of(uint32_t error, const char *message) {
	weir_answer a;
	memset(&a, 0, sizeof a);
	a.error = error;
	a.message = message ? message : error ? weir_reason(error) : "";
	a.body.data = "";
	a.algorithm = "";
	return a;
}

/* Tells w, and frees it. */
static void weir_wait_tell(weir_wait *w, weir_answer *a) {
	weir_stream *s = w->s;
	int side = w->side;
	weir_wait_leave(w);
	if (w->then && !weir_over(s)) {
		weir_turn_to(s);
		s->now = (uint8_t)side;
		w->then(s, a, w->arg);
	}
	weir_wait_free(w);
	if (!s->side[side].waits && s->side[side].paused) weir_resume(s, side);
}

/* Tells those that are due. It is the last that a callback does, but for what it returns. */
static void weir_run_due(void) {
	while (weir_guest.due) {
		weir_wait *w = weir_guest.due;
		weir_guest.due = w->due;
		if (!weir_guest.due) weir_guest.due_end = 0;
		weir_answer a = weir_answer_of(w->error, w->message);
		weir_wait_tell(w, &a);
	}
}

static void weir_forget_due(weir_wait *w) {
	weir_wait **at = &weir_guest.due, *last = 0;
	while (*at && *at != w) {
		last = *at;
		at = &(*at)->due;
	}
	if (!*at) return;
	*at = w->due;
	if (weir_guest.due_end == w) weir_guest.due_end = last;
}

static void weir_take_back(uint32_t token) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_number(&b, token);
	weir_foreign(WEIR_CALL_CANCEL, &b, 0);
}

/* Nothing that s waits for is told any more. */
static void weir_cancel(weir_stream *s) {
	while (s->waits) {
		weir_wait *w = s->waits;
		if (w->known && weir_guest.host == 1) weir_take_back(w->node.id);
		weir_forget_due(w);
		weir_wait_leave(w);
		weir_wait_free(w);
	}
}

static void weir_answered(weir_bytes fields);

/* Asks weir for something that takes time. argument is the function's. */
static uint32_t weir_ask(weir_wait *w, const char *name, const weir_buffer *argument) {
	weir_bytes result;
	if (weir_over(w->s)) return weir_wait_due(w, WEIR_LATE, 0);
	if (!weir_on_weir()) return weir_wait_due(w, WEIR_UNSUPPORTED, 0);
	uint32_t st = weir_foreign(name, argument, &result);
	weir_reader r = {result.data, result.size, false};
	uint64_t token = st ? 0 : weir_read_number(&r);
	if (!st && r.bad) st = WEIR_PARSE_FAILURE;
	if (st) return weir_wait_due(w, st, 0);
	weir_hooks.answered = weir_answered;
	weir_wait_token(w, (uint32_t)token);
	return WEIR_OK;
}

/* Is told of an answer: its fields begin with a token and a status. */
static void weir_answered(weir_bytes fields) {
	weir_reader r = {fields.data, fields.size, false};
	uint32_t token = (uint32_t)weir_read_number(&r), st = (uint32_t)weir_read_number(&r);
	weir_wait *w = r.bad ? 0 : (weir_wait *)weir_table_find(&weir_guest.waits, token);
	if (!w) return;
	if (w->s->is_root)
		weir_turn_to(w->s);
	else
		weir_guest.effective = w->s->node.id; /* weir has seen to it, see sdk/HOST.md */
	w->s->now = w->side;
	weir_answer a = weir_answer_of(st, 0);
	if (w->take) {
		if (!w->take(w, &r, &a)) return;
	}
	if (a.error && !*a.message) a.message = weir_reason(a.error);
	weir_wait_tell(w, &a);
}

/* The message of an error, unless the answer is no error. */
static bool weir_take_error(weir_reader *r, weir_answer *a) {
	if (!a->error) return false;
	weir_bytes m = {0, 0};
	if (r->left) m = weir_read_field(r);
	a->message = m.data && m.size ? weir_scratch_text(m.data, m.size) : weir_reason(a->error);
	return true;
}

static void weir_take_bad(weir_reader *r, weir_answer *a) {
	if (!r->bad) return;
	*a = weir_answer_of(WEIR_PARSE_FAILURE, "the host's answer is not what it should be");
}

static bool weir_take_nothing(weir_wait *w, weir_reader *r, weir_answer *a) {
	(void)w;
	weir_take_error(r, a);
	return true;
}

#endif

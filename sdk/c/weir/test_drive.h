/* How exchanges go on, and what is due happens. */
#ifndef WEIR_TEST_DRIVE_H
#define WEIR_TEST_DRIVE_H

static void wt_enter(uint32_t context) { wt_host->effective = context; }

static uint32_t wt_call_head(weir_exchange *x, int side, uint32_t n, uint32_t end) {
	wt_enter(x->context);
	return side ? proxy_on_response_headers(x->context, n, end) : proxy_on_request_headers(x->context, n, end);
}

static uint32_t wt_call_body(weir_exchange *x, int side, uint32_t size, uint32_t end) {
	wt_enter(x->context);
	return side ? proxy_on_response_body(x->context, size, end) : proxy_on_request_body(x->context, size, end);
}

static uint32_t wt_call_trailers(weir_exchange *x, int side, uint32_t n) {
	wt_enter(x->context);
	return side ? proxy_on_response_trailers(x->context, n) : proxy_on_request_trailers(x->context, n);
}

/* Lets what is held go on. */
static void wt_let_go(wt_half *h) {
	wt_add(&h->out, h->held.data, h->held.size);
	wt_clear(&h->held);
}

static bool wt_next_chunk(wt_half *h) {
	wt_pair *p = h->chunks;
	if (!p) return false;
	wt_add(&h->held, p->value.data, p->value.size);
	h->chunks = p->next;
	wt_free_pair(p);
	return true;
}

static void wt_head(weir_exchange *x, int side) {
	wt_half *h = &x->half[side];
	h->inside = true;
	h->resumed = false;
	h->ended = !h->chunks && !h->trailers;
	uint32_t action = wt_call_head(x, side, wt_count(h->head), h->ended);
	h->inside = false;
	h->unseen = action == WEIR_ACTION_CONTINUE_UNSEEN;
	h->stage = action == WEIR_ACTION_CONTINUE || h->unseen ? WT_BODY : WT_HEAD;
}

/* Shows what there is next to who holds the head. */
static bool wt_order(weir_exchange *x, int side) {
	wt_half *h = &x->half[side];
	int order = h->order;
	h->order = 0;
	if (order == WEIR_ORDER_DROP_MORE) wt_clear(&h->held);
	if (order == WEIR_ORDER_PASS_REST) {
		h->unseen = h->resumed = true;
		return true;
	}
	uint32_t action;
	if (wt_next_chunk(h)) {
		h->ended = !h->chunks && !h->trailers;
		action = wt_call_body(x, side, (uint32_t)h->held.size, h->ended);
	} else if (h->trailers && !h->trailers_shown) {
		h->trailers_shown = h->ended = true;
		action = wt_call_trailers(x, side, wt_count(h->trailers));
	} else if (!h->ended) {
		h->ended = true;
		action = wt_call_body(x, side, (uint32_t)h->held.size, 1);
	} else {
		return false;
	}
	h->unseen = h->unseen || action == WEIR_ACTION_CONTINUE_UNSEEN;
	if (action == WEIR_ACTION_CONTINUE || h->unseen) h->resumed = true;
	return true;
}

/* Shows what comes after the head. It returns false at the end, or where the filter holds it. */
static bool wt_content(weir_exchange *x, int side) {
	wt_half *h = &x->half[side];
	if (h->unseen) {
		wt_let_go(h);
		while (wt_next_chunk(h)) wt_let_go(h);
	}
	uint32_t action;
	h->resumed = false;
	if (wt_next_chunk(h)) {
		h->ended = !h->chunks && !h->trailers;
		action = wt_call_body(x, side, (uint32_t)h->held.size, h->ended);
		h->unseen = action == WEIR_ACTION_CONTINUE_UNSEEN;
	} else if (h->trailers && !h->trailers_shown) {
		h->trailers_shown = h->ended = true;
		action = h->unseen ? (uint32_t)WEIR_ACTION_CONTINUE : wt_call_trailers(x, side, wt_count(h->trailers));
	} else {
		wt_let_go(h);
		h->stage = WT_PASSED;
		return false;
	}
	if (action == WEIR_ACTION_CONTINUE || h->unseen)
		wt_let_go(h);
	else if (action != WEIR_ACTION_STOP_AND_BUFFER || h->ended)
		h->stage = WT_HELD;
	return true;
}

/* Goes on with one half as far as it goes. It tells whether it has passed. */
static bool wt_drive_half(weir_exchange *x, int side) {
	wt_half *h = &x->half[side];
	bool replied = x->replied;
	while (!x->cut && x->replied == replied) {
		if (h->stage == WT_IDLE) {
			wt_head(x, side);
		} else if (h->stage == WT_HEAD || h->stage == WT_HELD) {
			if (h->resumed) {
				wt_let_go(h);
				h->resumed = false;
				h->stage = WT_BODY;
			} else if (h->stage == WT_HELD || !h->order || !wt_order(x, side)) {
				return false;
			}
		} else if (h->stage == WT_PASSED || !wt_content(x, side)) {
			return h->stage == WT_PASSED;
		}
	}
	return false;
}

static void wt_end(weir_exchange *x) {
	if (x->over) return;
	wt_enter(x->context);
	proxy_on_done(x->context);
	proxy_on_log(x->context);
	x->over = true;
	proxy_on_delete(x->context);
	wt_enter(wt_host->root);
}

/* Goes on as far as it goes without anything happening. */
static void wt_drive(weir_exchange *x) {
	if (x->over || !x->sent) return;
	if (!x->replied && x->half[0].stage != WT_PASSED && wt_drive_half(x, 0)) {
		x->reached = true;
		wt_set(&x->taken, x->half[0].out.data, x->half[0].out.size);
	}
	if (x->replied && x->half[0].stage != WT_PASSED && x->half[0].order) wt_drive_half(x, 0);
	bool passed = x->streamed && !x->streaming;
	while (!x->cut && !x->streamed && !passed && (x->replied || x->reached)) {
		bool before = x->replied;
		passed = wt_drive_half(x, 1);
		if (!passed && before == x->replied) break;
	}
	if (passed && !x->status) {
		const char *status = wt_value(x->half[1].head, ":status");
		x->status = status ? atoi(status) : 0;
		wt_set(&x->text, x->half[1].out.data, x->half[1].out.size);
	}
	if (passed || x->cut) wt_end(x);
}

static void wt_drive_all(void) {
	for (weir_exchange *x = wt_host->exchanges; x; x = x->next) wt_drive(x);
}

/* Tells the filter that something has happened. */
static void wt_happen(wt_event *e) {
	uint32_t root = wt_host->root;
	wt_enter(e->context);
	if (!wt_exchange() || wt_exchange()->over) wt_enter(root);
	if (e->kind == WT_TICK) {
		wt_enter(root);
		proxy_on_tick(root);
	} else if (e->kind == WT_CALL) {
		wt_enter(root);
		wt_host->answered = e->call;
		proxy_on_http_call_response(root, e->token, e->call->fails ? 0 : wt_count(e->call->answer), e->call->fails ? 0 : (uint32_t)e->call->body.size, 0);
		wt_host->answered = NULL;
	} else {
		wt_set(&wt_host->call_data, e->data.data, e->data.size);
		proxy_on_foreign_function(root, e->kind == WT_EVENT ? WEIR_TOLD_EVENT : WEIR_TOLD_ANSWER, (uint32_t)e->data.size);
		wt_clear(&wt_host->call_data);
	}
	wt_enter(root);
}

/* The next that is due by then; NULL if there is none. */
static wt_event *wt_next_event(uint64_t by) {
	wt_event *e = wt_host->events;
	while (e && e->resting) e = e->next;
	return e && e->due <= by ? e : NULL;
}

/* Has the next happen that is due by then. Ticks alone count as nothing, where they are not asked for. */
static bool wt_turn(uint64_t by) {
	wt_drive_all();
	wt_event *e = wt_next_event(by);
	if (!e) return false;
	wt_event_take(e);
	if (e->due > wt_host->now) wt_host->now = e->due;
	if (e->kind == WT_TICK && wt_host->tick) {
		wt_event_free(e);
		wt_event *again = wt_event_new(WT_TICK, wt_host->tick), now = *again;
		wt_happen(&now);
	} else {
		wt_happen(e);
		wt_event_free(e);
	}
	wt_drive_all();
	return true;
}

#endif

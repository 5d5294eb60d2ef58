/* What hosts call. */
#ifndef WEIR_EXPORTS_H
#define WEIR_EXPORTS_H

#ifdef __wasm__
#define WEIR_EXPORT(name) __attribute__((export_name(#name)))
#else
#define WEIR_EXPORT(name)
#endif

#ifdef __cplusplus
extern "C" {
#endif

WEIR_EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1(void);
WEIR_EXPORT(proxy_on_memory_allocate) void *proxy_on_memory_allocate(uint32_t size);
WEIR_EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32_t context, uint32_t parent);
WEIR_EXPORT(proxy_on_vm_start) uint32_t proxy_on_vm_start(uint32_t root, uint32_t size);
WEIR_EXPORT(proxy_on_configure) uint32_t proxy_on_configure(uint32_t root, uint32_t size);
WEIR_EXPORT(proxy_on_tick) void proxy_on_tick(uint32_t root);
WEIR_EXPORT(proxy_on_request_headers) uint32_t proxy_on_request_headers(uint32_t context, uint32_t count, uint32_t end);
WEIR_EXPORT(proxy_on_request_body) uint32_t proxy_on_request_body(uint32_t context, uint32_t size, uint32_t end);
WEIR_EXPORT(proxy_on_request_trailers) uint32_t proxy_on_request_trailers(uint32_t context, uint32_t count);
WEIR_EXPORT(proxy_on_response_headers) uint32_t proxy_on_response_headers(uint32_t context, uint32_t count, uint32_t end);
WEIR_EXPORT(proxy_on_response_body) uint32_t proxy_on_response_body(uint32_t context, uint32_t size, uint32_t end);
WEIR_EXPORT(proxy_on_response_trailers) uint32_t proxy_on_response_trailers(uint32_t context, uint32_t count);
WEIR_EXPORT(proxy_on_http_call_response) void proxy_on_http_call_response(uint32_t root, uint32_t token, uint32_t count, uint32_t size, uint32_t trailers);
WEIR_EXPORT(proxy_on_foreign_function) void proxy_on_foreign_function(uint32_t root, uint32_t function, uint32_t size);
WEIR_EXPORT(proxy_on_done) uint32_t proxy_on_done(uint32_t context);
WEIR_EXPORT(proxy_on_log) void proxy_on_log(uint32_t context);
WEIR_EXPORT(proxy_on_delete) void proxy_on_delete(uint32_t context);

void proxy_abi_version_0_2_1(void) {}

/* What the host gives lasts until the callback returns. One byte more is for the zero behind it. */
void *proxy_on_memory_allocate(uint32_t size) { return weir_scratch((size_t)size + 1); }

static void weir_enter(uint32_t context) { weir_guest.effective = context; }

static void weir_leave(void) { weir_scratch_end(); }

void proxy_on_context_create(uint32_t context, uint32_t parent) {
	weir_stream *s = (weir_stream *)weir_zeros(parent ? sizeof(weir_stream) : sizeof(weir_root));
	s->node.id = context;
	s->root = parent ? (weir_root *)weir_stream_of(parent) : (weir_root *)s;
	s->is_root = !parent;
	if (!s->root) weir_stop();
	weir_table_add(&weir_guest.streams, &s->node);
}

uint32_t proxy_on_vm_start(uint32_t root, uint32_t size) {
	(void)root, (void)size;
	weir_guest.host = 0; /* under test, another one may come */
	while (weir_metrics) {
		weir_metric *m = weir_metrics;
		weir_metrics = m->next;
		weir_free_memory(m);
	}
	return 1;
}

/* ---- Configuration ---- */

/* The filter of a root id. */
static const weir_filter *weir_filter_of(void) {
	weir_bytes id = weir_property((weir_stream *)0, "plugin_root_id");
	const weir_filter *any = 0;
	for (size_t i = 0; i < weir_filters_count; i++) {
		const weir_filter *f = &weir_filters[i];
		if (!f->root_id)
			any = any ? any : f;
		else if (id.data && !strcmp(f->root_id, id.data))
			return f;
	}
	if (!any) weir_complain("there is no filter of this root id in this module: ", id.data ? id.data : "");
	return any;
}

/* A filter without settings takes none. */
static bool weir_no_settings(weir_bytes text) {
	while (text.size && strchr(" \t\r\n{}", *text.data)) text.data++, text.size--;
	if (!text.size || (text.size == 4 && !memcmp(text.data, "null", 4))) return true;
	weir_complain("configuration refused: ", "this filter has no settings");
	return false;
}

static void weir_root_clear(weir_root *root) {
	if (root->config) weir_document_free((weir_document *)root->config);
	weir_free_memory(root->config);
	weir_free_memory(root->settings);
	root->config = root->settings = 0;
}

static bool weir_read_settings(weir_root *root, weir_bytes text) {
	weir_document *d = (weir_document *)weir_zeros(sizeof *d);
	void *settings = weir_zeros(root->filter->settings);
	weir_value *v = weir_document_later(d, text);
	root->filter->on_configure(v, settings);
	if (d->finish ? d->finish(d) : weir_no_settings(text)) {
		weir_root_clear(root);
		root->config = d;
		root->settings = settings;
		return true;
	}
	weir_document_free(d);
	weir_free_memory(d);
	weir_free_memory(settings);
	return false;
}

static bool weir_configure(weir_root *root, uint32_t size) {
	uint8_t *data = 0;
	size_t n = 0;
	weir_bytes text = {"", 0};
	if (!(root->filter = weir_filter_of())) return false;
	if (size && proxy_get_buffer_bytes(WEIR_BUFFER_PLUGIN_CONFIGURATION, 0, size, &data, &n) == WEIR_OK) text = weir_given(data, n);
	if (!(root->filter->on_configure ? weir_read_settings(root, text) : weir_no_settings(text))) return false;
	if (root->filter->tick && root->filter->on_tick) {
		root->next_tick = weir_now() + root->filter->tick * (uint64_t)1000000;
		proxy_set_tick_period_milliseconds(root->filter->tick);
	}
	if (root->filter->on_start) root->filter->on_start(&root->s);
	return true;
}

uint32_t proxy_on_configure(uint32_t root, uint32_t size) {
	weir_stream *s = weir_stream_of(root);
	weir_enter(root);
	bool ok = s && s->is_root && weir_configure((weir_root *)s, size);
	if (weir_hooks.due) weir_hooks.due();
	weir_leave();
	return ok;
}

void proxy_on_tick(uint32_t root) {
	weir_stream *s = weir_stream_of(root);
	if (!s || !s->is_root || !s->root->filter) return;
	weir_enter(root);
	bool own = !weir_hooks.sleeping || weir_hooks.sleeping(s->root);
	weir_turn_to(s);
	if (own && s->root->filter->on_tick) s->root->filter->on_tick(s);
	if (weir_hooks.due) weir_hooks.due();
	weir_leave();
}

/* ---- Streams ---- */

/* The last of a callback of a stream: what it returns where nothing is waited for, else what holds it. */
static uint32_t weir_verdict(weir_stream *s, int side, uint32_t hold) {
	weir_side *d = &s->side[side];
	const weir_filter *f = s->root->filter;
	if (weir_hooks.due) weir_hooks.due();
	if (s->replied) return WEIR_ACTION_PAUSE;
	if (d->waits) {
		d->paused = true;
		return hold;
	}
	weir_flush(s, side);
	if (d->head) weir_forget_length(s, side, weir_body_callback(s, side) != 0);
	d->head = false;
	bool trailers = (side == WEIR_IN ? f->on_request_trailers : f->on_response_trailers) != 0;
	bool shown = weir_body_callback(s, side) && !d->unseen;
	return !shown && !trailers && weir_on_weir() ? WEIR_ACTION_CONTINUE_UNSEEN : WEIR_ACTION_CONTINUE;
}

static weir_stream *weir_begin(uint32_t context, int side) {
	weir_stream *s = weir_stream_of(context);
	if (!s || s->is_root || s->over || !s->root->filter) return 0;
	weir_enter(context);
	s->now = (uint8_t)side;
	return s;
}

static uint32_t weir_head(uint32_t context, int side, uint32_t end) {
	weir_stream *s = weir_begin(context, side);
	if (!s) return WEIR_ACTION_CONTINUE;
	if (s->replied) return weir_on_weir() ? WEIR_ACTION_CONTINUE_UNSEEN : WEIR_ACTION_CONTINUE; /* what this filter has replied itself */
	void (*on)(weir_stream *) = side == WEIR_IN ? s->root->filter->on_request : s->root->filter->on_response;
	s->side[side].head = true;
	s->side[side].end = end != 0;
	if (on) on(s);
	uint32_t action = weir_verdict(s, side, WEIR_ACTION_PAUSE);
	weir_leave();
	return action;
}

/* Shows a chunk to the filter. */
static void weir_show(weir_stream *s, int side, uint32_t size) {
	weir_side *d = &s->side[side];
	void (*on)(weir_stream *, const weir_chunk *) = weir_body_callback(s, side);
	if (!on || d->unseen) return;
	weir_bytes b = weir_body_bytes(side, size);
	weir_chunk chunk = {b.data, b.size, d->end};
	on(s, &chunk);
}

static uint32_t weir_body(uint32_t context, int side, uint32_t size, uint32_t end) {
	weir_stream *s = weir_begin(context, side);
	if (!s) return WEIR_ACTION_CONTINUE;
	weir_side *d = &s->side[side];
	if (s->replied && !d->reading) return WEIR_ACTION_CONTINUE;
	d->held = size;
	d->end = end != 0;
	uint32_t hold = WEIR_ACTION_STOP_AND_WATERMARK;
	if (d->reading) {
		hold = WEIR_ACTION_PAUSE;
		d->paused = false;
		if (!weir_hooks.reading(s, side, size)) d->paused = true;
	} else {
		weir_show(s, side, size);
	}
	uint32_t action = weir_verdict(s, side, hold);
	weir_leave();
	return action;
}

static uint32_t weir_trailers(uint32_t context, int side) {
	weir_stream *s = weir_begin(context, side);
	if (!s) return WEIR_ACTION_CONTINUE;
	weir_side *d = &s->side[side];
	if (s->replied && !d->reading) return WEIR_ACTION_CONTINUE;
	void (*on)(weir_stream *) = side == WEIR_IN ? s->root->filter->on_request_trailers : s->root->filter->on_response_trailers;
	bool ended = d->end;
	d->end = true;
	if (d->reading) {
		d->paused = false;
		weir_hooks.reading(s, side, d->held);
	} else if (!ended) {
		d->held = 0;
		weir_show(s, side, 0);
	}
	if (on && !s->replied) on(s);
	uint32_t action = weir_verdict(s, side, WEIR_ACTION_PAUSE);
	weir_leave();
	return action == WEIR_ACTION_PAUSE ? action : (uint32_t)WEIR_ACTION_CONTINUE;
}

uint32_t proxy_on_request_headers(uint32_t context, uint32_t count, uint32_t end) { return (void)count, weir_head(context, WEIR_IN, end); }
uint32_t proxy_on_response_headers(uint32_t context, uint32_t count, uint32_t end) { return (void)count, weir_head(context, WEIR_OUT, end); }
uint32_t proxy_on_request_body(uint32_t context, uint32_t size, uint32_t end) { return weir_body(context, WEIR_IN, size, end); }
uint32_t proxy_on_response_body(uint32_t context, uint32_t size, uint32_t end) { return weir_body(context, WEIR_OUT, size, end); }
uint32_t proxy_on_request_trailers(uint32_t context, uint32_t count) { return (void)count, weir_trailers(context, WEIR_IN); }
uint32_t proxy_on_response_trailers(uint32_t context, uint32_t count) { return (void)count, weir_trailers(context, WEIR_OUT); }

/* ---- Answers ---- */

void proxy_on_http_call_response(uint32_t root, uint32_t token, uint32_t count, uint32_t size, uint32_t trailers) {
	(void)trailers;
	weir_enter(root);
	if (weir_hooks.called) weir_hooks.called(token, count, size);
	if (weir_hooks.due) weir_hooks.due();
	weir_leave();
}

void proxy_on_foreign_function(uint32_t root, uint32_t function, uint32_t size) {
	uint8_t *data = 0;
	size_t n = 0;
	weir_enter(root);
	if (proxy_get_buffer_bytes(WEIR_BUFFER_CALL_DATA, 0, size, &data, &n) == WEIR_OK) {
		weir_bytes b = weir_given(data, n);
		weir_reader r = {b.data, b.size, false};
		if (function == WEIR_TOLD_ANSWER && weir_hooks.answered) {
			weir_hooks.answered(b);
		} else if (function == WEIR_TOLD_EVENT && weir_hooks.event) {
			weir_stream *s = weir_stream_of((uint32_t)weir_read_number(&r));
			uint64_t kind = weir_read_number(&r);
			if (s && !r.bad && !s->over) weir_hooks.event(s, kind);
		}
	}
	if (weir_hooks.due) weir_hooks.due();
	weir_leave();
}

/* ---- The end ---- */

uint32_t proxy_on_done(uint32_t context) {
	weir_stream *s = weir_stream_of(context);
	if (s) weir_stream_end(s);
	weir_leave();
	return 1;
}

void proxy_on_log(uint32_t context) {
	weir_stream *s = weir_stream_of(context);
	if (!s || s->is_root || !s->root->filter || !s->root->filter->on_log) return;
	weir_enter(context);
	s->root->filter->on_log(s);
	if (weir_hooks.due) weir_hooks.due();
	weir_leave();
}

void proxy_on_delete(uint32_t context) {
	weir_stream *s = (weir_stream *)weir_table_take(&weir_guest.streams, context);
	if (!s) return;
	if (s->is_root) weir_root_clear(s->root);
	weir_stream_free(s);
	weir_leave();
}

#ifdef __cplusplus
}
#endif

#endif

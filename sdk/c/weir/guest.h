/* The instance: its streams, and what they wait for. */
#ifndef WEIR_GUEST_H
#define WEIR_GUEST_H

/* A table of things with numbers. */
typedef struct weir_node {
	struct weir_node *next;
	uint32_t id;
} weir_node;

typedef struct weir_table {
	weir_node **slots;
	uint32_t room, count; /* room is a power of two, or 0 */
} weir_table;

static weir_node *weir_table_find(const weir_table *t, uint32_t id) {
	if (!t->room) return 0;
	weir_node *n = t->slots[id & (t->room - 1)];
	while (n && n->id != id) n = n->next;
	return n;
}

static void weir_table_add(weir_table *t, weir_node *n) {
	if (t->count >= t->room) {
		uint32_t room = t->room ? t->room * 2 : 16;
		weir_node **slots = (weir_node **)weir_zeros(room * sizeof *slots);
		for (uint32_t i = 0; i < t->room; i++) {
			for (weir_node *m = t->slots[i], *next; m; m = next) {
				next = m->next;
				m->next = slots[m->id & (room - 1)];
				slots[m->id & (room - 1)] = m;
			}
		}
		weir_free_memory(t->slots);
		t->slots = slots;
		t->room = room;
	}
	weir_node **slot = &t->slots[n->id & (t->room - 1)];
	n->next = *slot;
	*slot = n;
	t->count++;
}

static weir_node *weir_table_take(weir_table *t, uint32_t id) {
	if (!t->room) return 0;
	weir_node **at = &t->slots[id & (t->room - 1)];
	while (*at && (*at)->id != id) at = &(*at)->next;
	weir_node *n = *at;
	if (n) {
		*at = n->next;
		t->count--;
	}
	return n;
}

/* What is waited for. */
typedef struct weir_wait weir_wait;
struct weir_wait {
	weir_node node; /* by token */
	weir_wait *of;  /* the next of the same stream */
	weir_wait *due; /* the next that is to be told */
	weir_stream *s;
	weir_then *then;
	void *arg;
	/* Reads what the answer says; false: there is more to come. */
	bool (*take)(weir_wait *w, weir_reader *r, weir_answer *a);
	void (*free_more)(weir_wait *w); /* what it has beside; may be 0 */
	uint32_t error; /* of those that are due */
	const char *message;
	uint8_t side;
	bool known; /* by token */
};

typedef struct weir_piece {
	struct weir_piece *next;
	size_t pad;
} weir_piece;

enum { WEIR_IN = 0, WEIR_OUT = 1 }; /* sides: the request, the response */

typedef struct weir_side {
	weir_wait *reading;                                          /* a body, before the head goes on */
	void (*on_chunk)(weir_stream *, weir_bytes, void *);         /* of what is taken chunk by chunk */
	weir_buffer made;                                            /* what goes on in place of what is held */
	size_t most;                                                 /* of what is read */
	uint32_t held;                                               /* how much of a body the host holds */
	uint32_t waits;
	bool head, paused, end, changed, unseen;
} weir_side;

typedef struct weir_root weir_root;

struct weir_stream {
	weir_node node; /* by context */
	weir_root *root;
	weir_wait *waits;
	weir_piece *pieces; /* of memory */
	void *state;
	struct weir_field_list *fields, *fields_end; /* of the next reply */
	weir_wait *room, *stalled;                   /* who waits for a reply to be taken */
	weir_side side[2];
	uint8_t now; /* the side that is at work */
	bool is_root, replied, streaming, full, gone, over;
};

struct weir_root {
	weir_stream s;
	const weir_filter *filter;
	void *settings;
	void *config; /* where texts in settings are */
	uint64_t next_tick;
};

static struct {
	weir_table streams, waits;
	weir_wait *due, *due_end;
	uint8_t host; /* 0 unknown, 1 weir, 2 another */
	uint32_t effective;
} weir_guest;

/* What only some filters need, set by what they call, so that it is linked for those alone. Compilers see through
 * variables that no other file can reach: these are for all. */
#ifdef __cplusplus
extern "C" {
#endif
extern struct weir_hooks_of {
	void (*due)(void);
	void (*cancel)(weir_stream *s);
	void (*answered)(weir_bytes fields);
	void (*called)(uint32_t token, uint32_t fields, size_t size);
	void (*event)(weir_stream *s, uint64_t kind);
	void (*unstall)(weir_wait *w);
	bool (*reading)(weir_stream *s, int side, size_t size); /* false: there is more to come */
	bool (*sleeping)(weir_root *root);
} weir_hooks;
#ifdef __cplusplus
}
#endif
struct weir_hooks_of weir_hooks;

static weir_bytes weir_given(uint8_t *data, size_t size) {
	weir_bytes b = {(const char *)data, size};
	if (!data || !size)
		b.data = "", b.size = 0;
	else
		data[size] = 0; /* there is room: see proxy_on_memory_allocate */
	return b;
}

static uint32_t weir_foreign(const char *name, const weir_buffer *argument, weir_bytes *result) {
	uint8_t *data = 0;
	size_t size = 0;
	uint32_t st = proxy_call_foreign_function(name, strlen(name), argument ? argument->data : 0, argument ? argument->size : 0, &data, &size);
	if (result) *result = weir_given(data, st ? 0 : size);
	return st;
}

bool weir_on_weir(void) {
	if (!weir_guest.host) {
		weir_bytes b;
		weir_guest.host = weir_foreign(WEIR_CALL_HELLO, 0, &b) == WEIR_OK && b.size >= 12 && weir_get64(b.data + 4) >= 1 ? 1 : 2;
	}
	return weir_guest.host == 1;
}

static weir_stream *weir_stream_of(uint32_t id) { return (weir_stream *)weir_table_find(&weir_guest.streams, id); }

static bool weir_over(weir_stream *s) { return s->over; }

void *weir_alloc(weir_stream *s, size_t size) {
	if (size > SIZE_MAX / 2) return 0;
	weir_piece *p = (weir_piece *)weir_get_memory(sizeof *p + size);
	if (!p) return 0;
	memset(p, 0, sizeof *p + size);
	p->next = s->pieces;
	s->pieces = p;
	return p + 1;
}

void *weir_state(weir_stream *s, size_t size) {
	if (!s->state && !(s->state = weir_alloc(s, size))) weir_stop();
	return s->state;
}

const char *weir_keep(weir_stream *s, const char *text) {
	if (!text) return 0;
	size_t n = strlen(text) + 1;
	char *copy = (char *)weir_alloc(s, n);
	if (!copy) weir_stop();
	memcpy(copy, text, n);
	return copy;
}

const void *weir_settings(weir_stream *s) { return s->root->settings; }

static void weir_wait_free(weir_wait *w) {
	if (w->free_more) w->free_more(w);
	weir_free_memory(w);
}

static void weir_stream_end(weir_stream *s) {
	s->over = true;
	if (s->waits) weir_hooks.cancel(s);
	for (int i = 0; i < 2; i++) weir_buffer_free(&s->side[i].made);
}

static void weir_stream_free(weir_stream *s) {
	weir_stream_end(s);
	while (s->pieces) {
		weir_piece *p = s->pieces;
		s->pieces = p->next;
		weir_free_memory(p);
	}
	weir_free_memory(s);
}

/* Has host functions speak of s, where the host has called for its root. */
static void weir_turn_to(weir_stream *s) {
	if (weir_guest.effective == s->node.id) return;
	proxy_set_effective_context(s->node.id);
	weir_guest.effective = s->node.id;
}

#endif

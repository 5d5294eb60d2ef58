/* Sleep: weir's timers, and where there is no weir, ticks. */
#ifndef WEIR_SLEEP_H
#define WEIR_SLEEP_H

typedef struct weir_sleeper {
	weir_wait w;
	struct weir_sleeper *next;
	uint64_t until;
} weir_sleeper;
static weir_sleeper *weir_sleepers;

static void weir_sleeper_free(weir_wait *w) {
	weir_sleeper **at = &weir_sleepers;
	while (*at && &(*at)->w != w) at = &(*at)->next;
	if (*at) *at = (*at)->next;
}

/* Has the host tick when the next wakes up, or the filter's own tick is due. */
static void weir_sleep_set(weir_root *root) {
	uint64_t now = weir_now(), next = root->next_tick;
	for (weir_sleeper *p = weir_sleepers; p; p = p->next)
		if (p->w.s->root == root && (!next || p->until < next)) next = p->until;
	proxy_set_tick_period_milliseconds(!next ? 0 : next <= now ? 1 : (uint32_t)((next - now + 999999) / 1000000));
}

/* Wakes those up whose time has come. It tells whether the tick is for the filter as well. */
static bool weir_sleep_tick(weir_root *root) {
	uint64_t now = weir_now();
	for (weir_sleeper *p = weir_sleepers; p;) {
		if (p->w.s->root != root || p->until > now) {
			p = p->next;
			continue;
		}
		weir_answer a = weir_answer_of(WEIR_OK, 0);
		weir_wait_tell(&p->w, &a);
		p = weir_sleepers; /* others may have begun to sleep */
	}
	bool own = root->next_tick && root->next_tick <= now;
	if (own) root->next_tick = now + root->filter->tick * (uint64_t)1000000;
	weir_sleep_set(root);
	return own;
}

uint32_t weir_sleep(weir_stream *s, uint64_t milliseconds, weir_then *then, void *arg) {
	weir_sleeper *p = (weir_sleeper *)weir_wait_new(s, sizeof *p, weir_take_nothing, then, arg);
	if (p->w.s->over || weir_on_weir()) {
		weir_buffer b = {0, 0, 0, false};
		weir_field_number(&b, milliseconds);
		return weir_ask(&p->w, WEIR_CALL_TIMER, &b);
	}
	p->w.free_more = weir_sleeper_free;
	p->until = weir_now() + (milliseconds ? milliseconds : 1) * 1000000;
	p->next = weir_sleepers;
	weir_sleepers = p;
	weir_hooks.sleeping = weir_sleep_tick;
	weir_sleep_set(s->root);
	return WEIR_OK;
}

#endif

/* What weir keeps and can: the store, passwords, keys, random bytes. */
#ifndef WEIR_SERVICE_H
#define WEIR_SERVICE_H

/* Copies are given, for the answer's bytes have no zero byte behind them. */
static weir_bytes weir_take_bytes(weir_reader *r) {
	weir_bytes f = weir_read_field(r);
	f.data = f.data ? weir_scratch_text(f.data, f.size) : "";
	return f;
}

static bool weir_get_take(weir_wait *w, weir_reader *r, weir_answer *a) {
	(void)w;
	if (weir_take_error(r, a)) return true;
	a->body = weir_take_bytes(r);
	a->version = weir_read_number(r);
	weir_take_bad(r, a);
	return true;
}

static bool weir_put_take(weir_wait *w, weir_reader *r, weir_answer *a) {
	(void)w;
	if (weir_take_error(r, a)) return true;
	a->version = weir_read_number(r);
	weir_take_bad(r, a);
	return true;
}

static bool weir_list_take(weir_wait *w, weir_reader *r, weir_answer *a) {
	(void)w;
	if (weir_take_error(r, a)) return true;
	a->entries.data = r->at;
	a->entries.size = r->left;
	return true;
}

static bool weir_bytes_take(weir_wait *w, weir_reader *r, weir_answer *a) {
	(void)w;
	if (weir_take_error(r, a)) return true;
	a->body = weir_take_bytes(r);
	if (r->left) a->algorithm = weir_take_bytes(r).data;
	weir_take_bad(r, a);
	return true;
}

static bool weir_yes_take(weir_wait *w, weir_reader *r, weir_answer *a) {
	(void)w;
	if (weir_take_error(r, a)) return true;
	a->right = weir_read_number(r) == 1;
	if (r->left) a->renew = weir_read_number(r) == 1;
	weir_take_bad(r, a);
	if (a->error) a->right = false;
	return true;
}

uint32_t weir_store_get(weir_stream *s, const char *space, const char *key, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, space);
	weir_field_text(&b, key);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_get_take, then, arg), WEIR_CALL_STORE_GET, &b);
}

uint32_t weir_store_put(weir_stream *s, const char *space, const char *key, const void *value, size_t size, uint64_t ttl, uint64_t wanted, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, space);
	weir_field_text(&b, key);
	weir_field(&b, value, size);
	weir_field_number(&b, ttl);
	weir_field_number(&b, wanted);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_put_take, then, arg), WEIR_CALL_STORE_PUT, &b);
}

uint32_t weir_store_delete(weir_stream *s, const char *space, const char *key, uint64_t wanted, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, space);
	weir_field_text(&b, key);
	weir_field_number(&b, wanted);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_take_nothing, then, arg), WEIR_CALL_STORE_DELETE, &b);
}

uint32_t weir_store_list(weir_stream *s, const char *space, const char *prefix, const char *after, uint32_t most, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, space);
	weir_field_text(&b, prefix);
	weir_field_text(&b, after);
	weir_field_number(&b, most);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_list_take, then, arg), WEIR_CALL_STORE_LIST, &b);
}

bool weir_answer_next(weir_answer *a, weir_entry *e) {
	weir_reader r = {a->entries.data, a->entries.size, false};
	if (!r.left) return false;
	e->key = weir_take_bytes(&r);
	e->value = weir_take_bytes(&r);
	e->version = weir_read_number(&r);
	a->entries.data = r.at;
	a->entries.size = r.bad ? 0 : r.left;
	return !r.bad;
}

uint32_t weir_password_hash(weir_stream *s, const char *password, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, password);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_bytes_take, then, arg), WEIR_CALL_PASSWORD_HASH, &b);
}

uint32_t weir_password_verify(weir_stream *s, const char *hash, const char *password, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, hash);
	weir_field_text(&b, password);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_yes_take, then, arg), WEIR_CALL_PASSWORD_VERIFY, &b);
}

uint32_t weir_sign(weir_stream *s, const char *key, const void *message, size_t size, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, key);
	weir_field(&b, message, size);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_bytes_take, then, arg), WEIR_CALL_SIGN, &b);
}

uint32_t weir_verify(weir_stream *s, const char *key, const void *message, size_t size, const void *signature, size_t signature_size, weir_then *then, void *arg) {
	weir_buffer b = {0, 0, 0, false};
	weir_field_text(&b, key);
	weir_field(&b, message, size);
	weir_field(&b, signature, signature_size);
	return weir_ask(weir_wait_new(s, sizeof(weir_wait), weir_yes_take, then, arg), WEIR_CALL_VERIFY, &b);
}

uint32_t weir_random(void *to, size_t size) {
	weir_buffer b = {0, 0, 0, false};
	weir_bytes result;
	if (!weir_on_weir()) return WEIR_UNSUPPORTED;
	weir_field_number(&b, size);
	uint32_t st = weir_foreign(WEIR_CALL_RANDOM, &b, &result);
	if (st) return st;
	weir_reader r = {result.data, result.size, false};
	weir_bytes bytes = weir_read_field(&r);
	if (bytes.size != size) return WEIR_PARSE_FAILURE;
	memcpy(to, bytes.data, size);
	return WEIR_OK;
}

#endif

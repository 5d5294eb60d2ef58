/* Memory: what lasts as long as a callback, and what is freed one by one. */
#ifndef WEIR_MEMORY_H
#define WEIR_MEMORY_H

#if defined(__wasm__) && !defined(__wasi__)
#define WEIR_BARE 1 /* there is no C library */
#else
#define WEIR_BARE 0
#include <stdlib.h>
#include <string.h>
#endif

#if WEIR_BARE
#ifdef __cplusplus
extern "C" {
#endif
/* The compiler calls these by itself, so somebody has to have them. Authors may use them, too. */
#define WEIR_PLAIN(name) __attribute__((weak, no_builtin(name)))
WEIR_PLAIN("memcpy") void *memcpy(void *to, const void *from, size_t n) {
	char *t = (char *)to;
	const char *f = (const char *)from;
	for (; n >= 8; n -= 8, t += 8, f += 8) {
		uint64_t word;
		__builtin_memcpy_inline(&word, f, 8);
		__builtin_memcpy_inline(t, &word, 8);
	}
	while (n--) *t++ = *f++;
	return to;
}
WEIR_PLAIN("memmove") void *memmove(void *to, const void *from, size_t n) {
	char *t = (char *)to;
	const char *f = (const char *)from;
	if (t <= f || t >= f + n) {
		while (n--) *t++ = *f++;
	} else {
		while (n--) t[n] = f[n];
	}
	return to;
}
WEIR_PLAIN("memset") void *memset(void *to, int byte, size_t n) {
	char *t = (char *)to;
	while (n--) *t++ = (char)byte;
	return to;
}
WEIR_PLAIN("memcmp") int memcmp(const void *a, const void *b, size_t n) {
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
	for (; n; n--, x++, y++)
		if (*x != *y) return *x - *y;
	return 0;
}
WEIR_PLAIN("strlen") size_t strlen(const char *s) {
	const char *p = s;
	while (*p) p++;
	return (size_t)(p - s);
}
WEIR_PLAIN("strcmp") int strcmp(const char *a, const char *b) {
	while (*a && *a == *b) a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}
WEIR_PLAIN("strncmp") int strncmp(const char *a, const char *b, size_t n) {
	for (; n && *a && *a == *b; n--) a++, b++;
	return n ? (unsigned char)*a - (unsigned char)*b : 0;
}
WEIR_PLAIN("strchr") char *strchr(const char *s, int c) {
	for (;; s++) {
		if (*s == (char)c) return (char *)s;
		if (!*s) return 0;
	}
}
WEIR_PLAIN("memchr") void *memchr(const void *s, int c, size_t n) {
	for (const char *p = (const char *)s; n; n--, p++)
		if (*p == (char)c) return (void *)p;
	return 0;
}
#ifdef __cplusplus
}
#endif

/* Blocks are of powers of two; a freed one waits for the next of its size. New ones are cut off what lies behind the
 * last, to which pages are added. A filter does the same things again and again, so little is lost by that. */
extern unsigned char __heap_base;
static struct {
	char *next, *end;
	void *freed[32];
} weir_heap;

static int weir_heap_class(size_t size) {
	return size <= 16 ? 4 : 32 - __builtin_clz((uint32_t)size - 1);
}

static bool weir_heap_grow(size_t size) {
	size_t pages = (size + 65535) / 65536, old = __builtin_wasm_memory_grow(0, pages);
	if (old == (size_t)-1) return false;
	if ((char *)(old * 65536) != weir_heap.end) weir_heap.next = (char *)(old * 65536); /* somebody else grew it, too */
	weir_heap.end = (char *)((old + pages) * 65536);
	return true;
}

static void *weir_get_memory(size_t size) {
	if (size > (size_t)1 << 30) return 0;
	int k = weir_heap_class(size + 8);
	if (weir_heap.freed[k]) {
		char *p = (char *)weir_heap.freed[k];
		weir_heap.freed[k] = *(void **)p;
		return p;
	}
	if (!weir_heap.next) {
		weir_heap.next = (char *)(((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15);
		weir_heap.end = (char *)(__builtin_wasm_memory_size(0) * 65536);
	}
	size = (size_t)1 << k;
	if ((size_t)(weir_heap.end - weir_heap.next) < size && !weir_heap_grow(size)) return 0;
	char *p = weir_heap.next;
	weir_heap.next += size;
	*(int *)p = k;
	return p + 8;
}

static void weir_free_memory(void *p) {
	if (!p) return;
	int k = *(int *)((char *)p - 8);
	*(void **)p = weir_heap.freed[k];
	weir_heap.freed[k] = p;
}
#else
static void *weir_get_memory(size_t size) { return malloc(size ? size : 1); }
static void weir_free_memory(void *p) { free(p); }
#endif

/* A module that cannot go on ends here: the host fails the request, as the plugin's on_error says. It is called for
 * lack of memory where going on would let something by that was not looked at. */
static void weir_stop(void) { __builtin_trap(); }

static void *weir_zeros(size_t size) {
	void *p = weir_get_memory(size);
	if (!p) weir_stop();
	memset(p, 0, size);
	return p;
}

/* What lasts until the callback returns. Under test each piece is one of its own, so that sanitizers see who keeps
 * one for longer. */
#ifdef WEIR_TEST
#define WEIR_SCRATCH_SIZE 8
#else
#define WEIR_SCRATCH_SIZE 4096
#endif
typedef struct weir_block {
	struct weir_block *next;
	size_t pad;
} weir_block;
static struct {
	uint64_t first[WEIR_SCRATCH_SIZE / 8];
	size_t used;
	weir_block *more;
} weir_scratch_state;

void *weir_scratch(size_t size) {
	if (size > SIZE_MAX / 2) return 0;
	size_t whole = (size + 7) & ~(size_t)7;
	if (whole <= sizeof weir_scratch_state.first - weir_scratch_state.used && sizeof weir_scratch_state.first > 8) {
		void *p = (char *)weir_scratch_state.first + weir_scratch_state.used;
		weir_scratch_state.used += whole;
		return p;
	}
	weir_block *b = (weir_block *)weir_get_memory(sizeof *b + size);
	if (!b) return 0;
	b->next = weir_scratch_state.more;
	weir_scratch_state.more = b;
	return b + 1;
}

static void weir_scratch_end(void) {
	weir_scratch_state.used = 0;
	while (weir_scratch_state.more) {
		weir_block *b = weir_scratch_state.more;
		weir_scratch_state.more = b->next;
		weir_free_memory(b);
	}
}

static const char *weir_scratch_text(const char *data, size_t size) {
	char *p = (char *)weir_scratch(size + 1);
	if (!p) weir_stop();
	if (size) memcpy(p, data, size);
	p[size] = 0;
	return p;
}

/* Bytes that become more: until the callback returns, or freed one by one. */
typedef struct weir_buffer {
	char *data;
	size_t size, room;
	bool kept;
} weir_buffer;

static void weir_buffer_free(weir_buffer *b) {
	if (b->kept) weir_free_memory(b->data);
	b->data = 0;
	b->size = b->room = 0;
}

static char *weir_buffer_add(weir_buffer *b, const void *data, size_t size) {
	if (size >= b->room - b->size) {
		size_t room = b->room < 64 ? 64 : b->room * 2;
		if (size > SIZE_MAX / 4) weir_stop();
		if (room <= b->size + size) room = b->size + size + 1;
		char *more = (char *)(b->kept ? weir_get_memory(room) : weir_scratch(room));
		if (!more) weir_stop();
		if (b->size) memcpy(more, b->data, b->size);
		if (b->kept) weir_free_memory(b->data);
		b->data = more;
		b->room = room;
	}
	char *at = b->data + b->size;
	if (size && data) memcpy(at, data, size);
	b->size += size;
	b->data[b->size] = 0;
	return at;
}

/* Numbers, as the host reads and writes them: the least significant byte first. */
static void weir_put32(char *p, uint32_t n) {
	for (int i = 0; i < 4; i++) p[i] = (char)(n >> 8 * i);
}

static uint32_t weir_get32(const char *p) {
	uint32_t n = 0;
	for (int i = 0; i < 4; i++) n |= (uint32_t)(unsigned char)p[i] << 8 * i;
	return n;
}

static uint64_t weir_get64(const char *p) { return weir_get32(p) | (uint64_t)weir_get32(p + 4) << 32; }

/* Fields, as sdk/HOST.md has them. */
static void weir_field(weir_buffer *b, const void *data, size_t size) {
	weir_put32(weir_buffer_add(b, 0, 4), (uint32_t)size);
	weir_buffer_add(b, data, size);
}

static void weir_field_text(weir_buffer *b, const char *text) { weir_field(b, text, text ? strlen(text) : 0); }

static void weir_field_number(weir_buffer *b, uint64_t n) {
	char p[8];
	weir_put32(p, (uint32_t)n);
	weir_put32(p + 4, (uint32_t)(n >> 32));
	weir_field(b, p, 8);
}

typedef struct weir_reader {
	const char *at;
	size_t left;
	bool bad;
} weir_reader;

/* The next field; none if there is none, or it is not whole. */
static weir_bytes weir_read_field(weir_reader *r) {
	weir_bytes f = {0, 0};
	if (r->bad || r->left < 4 || weir_get32(r->at) > r->left - 4) {
		r->bad = true;
		return f;
	}
	f.size = weir_get32(r->at);
	f.data = r->at + 4;
	r->at += 4 + f.size;
	r->left -= 4 + f.size;
	return f;
}

static uint64_t weir_read_number(weir_reader *r) {
	weir_bytes f = weir_read_field(r);
	if (f.size == 8) return weir_get64(f.data);
	r->bad = true;
	return 0;
}

#endif

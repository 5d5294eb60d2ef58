// A Proxy-Wasm filter against the bare ABI, without an SDK or a C library's allocator.
#include <stdint.h>
#include <string.h>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

enum { REQUEST = 0, RESPONSE = 2 };
enum { CONTINUE = 0 };

IMPORT(proxy_add_header_map_value)
uint32_t add(uint32_t map, const char *key, uint32_t keySize, const char *value, uint32_t valueSize);
IMPORT(proxy_replace_header_map_value)
uint32_t replace(uint32_t map, const char *key, uint32_t keySize, const char *value, uint32_t valueSize);
IMPORT(proxy_get_header_map_value)
uint32_t get(uint32_t map, const char *key, uint32_t keySize, char **value, uint32_t *valueSize);

// Everything that the host gives lasts for one callback.
static char arena[65536];
static uint32_t used;

EXPORT(malloc) void *allocate(uint32_t size) {
	size = (size + 7) & ~7u;
	if (size > sizeof arena - used) return 0;
	used += size;
	return arena + used - size;
}

EXPORT(proxy_abi_version_0_2_1) void version(void) {}
EXPORT(proxy_on_context_create) void create(uint32_t id, uint32_t root) {}
EXPORT(proxy_on_done) uint32_t done(uint32_t id) { return 1; }

EXPORT(proxy_on_request_headers) uint32_t request(uint32_t id, uint32_t count, uint32_t end) {
	char *user = 0;
	uint32_t size = 0;
	used = 0;
	if (get(REQUEST, "x-user", 6, &user, &size) != 0) return CONTINUE;
	add(REQUEST, "x-seen", 6, user, size);
	return CONTINUE;
}

EXPORT(proxy_on_response_headers) uint32_t response(uint32_t id, uint32_t count, uint32_t end) {
	used = 0;
	replace(RESPONSE, "x-made-with", 11, "C", 1);
	return CONTINUE;
}

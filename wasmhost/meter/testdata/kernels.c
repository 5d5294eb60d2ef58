// What metering costs is measured with these: small loops and calls of each kind.
#define EXPORT(name) __attribute__((export_name(#name), noinline))
#define HOT __attribute__((noinline))

EXPORT(sum) unsigned sum(unsigned n) {
	unsigned s = 0, x = 12345;
	while (n--) {
		x = x * 1664525 + 1013904223;
		s += x >> 16;
		if (s & 1) s ^= x;
	}
	return s;
}

static unsigned char buf[4096], out[4096];

EXPORT(hash) unsigned hash(unsigned n) {
	unsigned h = 0;
	while (n--) {
		for (int i = 0; i < 1000; i++) h = (h ^ buf[i]) * 16777619;
		buf[n & 1023] = h;
	}
	return h;
}

EXPORT(lower) unsigned lower(unsigned n) {
	while (n--) {
		for (int i = 0; i < 4096; i++) {
			unsigned char c = buf[i];
			out[i] = c >= 'A' && c <= 'Z' ? c + 32 : c;
		}
		buf[n & 4095]++;
	}
	return out[5];
}

EXPORT(digits) unsigned digits(unsigned n) { // short loops: each ends after five turns
	unsigned h = 0;
	while (n--) {
		unsigned char b[16];
		int l = 0;
		unsigned v = n;
		do b[l++] = '0' + v % 10; while (v /= 10);
		for (int i = 0; i < l; i++) h = h * 31 + b[i];
	}
	return h;
}

static double a[64][64], b[64][64];

EXPORT(matrix) unsigned matrix(unsigned n) {
	double s = 0;
	while (n--)
		for (int i = 0; i < 64; i++)
			for (int j = 0; j < 64; j++) s += a[i][j] * b[j][i] + n;
	return s;
}

HOT static unsigned leaf(unsigned x, unsigned y) { return (x ^ y) * 31 + 1; }

EXPORT(leaves) unsigned leaves(unsigned n) {
	unsigned s = 0;
	while (n--) s = leaf(s, n);
	return s;
}

EXPORT(fib) unsigned fib(unsigned n) { // the compiler makes one of the calls a loop
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

EXPORT(tree) unsigned tree(unsigned n) { // and here it cannot
	if (n < 2) return n;
	unsigned l = tree(n - 1);
	__asm__ volatile("" : "+r"(l));
	unsigned r = tree(n - 2);
	return l + r;
}

static unsigned inc(unsigned x) { return x + 1; }
static unsigned triple(unsigned x) { return x * 3; }
static unsigned flip(unsigned x) { return x ^ 5; }
unsigned (*volatile const table[4])(unsigned) = {inc, triple, flip, inc};

EXPORT(indirect) unsigned indirect(unsigned n) {
	unsigned s = 0;
	while (n--) s = table[s & 3](s);
	return s;
}

static unsigned ring[1 << 22];

EXPORT(chase) unsigned chase(unsigned n) { // each load waits for memory
	if (!ring[0])
		for (unsigned i = 0, p = 0; i < 1 << 22; i++) p = ring[p] = (p * 1664525 + 1013904223) & ((1 << 22) - 1);
	unsigned p = 1;
	while (n--) p = ring[p];
	return p;
}

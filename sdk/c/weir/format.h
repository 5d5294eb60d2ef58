/* Texts: formats, comparisons, the log. */
#ifndef WEIR_FORMAT_H
#define WEIR_FORMAT_H

static void weir_digits(weir_buffer *b, uint64_t n, bool negative, uint32_t base, int width, bool zeros) {
	char digits[24];
	int i = 24;
	do {
		digits[--i] = "0123456789abcdef"[n % base];
	} while (n /= base);
	if (negative && zeros) weir_buffer_add(b, "-", 1);
	for (int have = 24 - i + negative; have < width && width < 100; width--) weir_buffer_add(b, zeros ? "0" : " ", 1);
	if (negative && !zeros) weir_buffer_add(b, "-", 1);
	weir_buffer_add(b, digits + i, (size_t)(24 - i));
}

static const char *weir_vformat_number(weir_buffer *b, const char *f, va_list *args, int width, bool zeros);

static void weir_vformat(weir_buffer *b, const char *f, va_list *args) {
	for (; *f; f++) {
		const char *plain = f;
		while (*f && *f != '%') f++;
		weir_buffer_add(b, plain, (size_t)(f - plain));
		if (!*f || !*++f) return;
		bool zeros = *f == '0';
		int width = 0;
		long most = -1;
		while (*f >= '0' && *f <= '9' && width < 100) width = width * 10 + *f++ - '0';
		if (f[0] == '.' && f[1] == '*') {
			most = va_arg(*args, int);
			f += 2;
		}
		if (*f == 's') {
			const char *s = va_arg(*args, const char *);
			if (!s) s = "(none)";
			size_t n = 0;
			while ((most < 0 || n < (size_t)most) && s[n]) n++;
			for (size_t have = n; have < (size_t)width; have++) weir_buffer_add(b, " ", 1);
			weir_buffer_add(b, s, n);
		} else if (*f == 'c') {
			char c = (char)va_arg(*args, int);
			weir_buffer_add(b, &c, 1);
		} else if (*f == '%') {
			weir_buffer_add(b, "%", 1);
		} else if (!(f = weir_vformat_number(b, f, args, width, zeros))) {
			return;
		}
	}
}

/* It returns where the format's last character is; 0 for a format that is not known, of which nothing more can be
 * read. */
static const char *weir_vformat_number(weir_buffer *b, const char *f, va_list *args, int width, bool zeros) {
	int size = 0; /* of int, long, long long, size_t */
	for (; *f == 'l'; f++) size++;
	if (*f == 'z') size = 3, f++;
	uint64_t n;
	bool negative = false;
	switch (*f) {
	case 'd':
	case 'i': {
		int64_t v = size == 0 ? va_arg(*args, int) : size == 1 ? (int64_t)va_arg(*args, long) : size == 2 ? (int64_t)va_arg(*args, long long) : (int64_t)va_arg(*args, ptrdiff_t);
		negative = v < 0;
		n = negative ? 0 - (uint64_t)v : (uint64_t)v;
		break;
	}
	case 'u':
	case 'x':
		n = size == 0 ? va_arg(*args, unsigned) : size == 1 ? (uint64_t)va_arg(*args, unsigned long) : size == 2 ? (uint64_t)va_arg(*args, unsigned long long) : (uint64_t)va_arg(*args, size_t);
		break;
	default:
		return 0;
	}
	weir_digits(b, n, negative, *f == 'x' ? 16 : 10, width, zeros);
	return f;
}

const char *weir_format(const char *format, ...) {
	weir_buffer b = {0, 0, 0, false};
	va_list args;
	va_start(args, format);
	weir_vformat(&b, format, &args);
	va_end(args);
	return b.data ? b.data : "";
}

static void weir_log(uint32_t level, const char *format, va_list *args) {
	weir_buffer b = {0, 0, 0, false};
	weir_vformat(&b, format, args);
	proxy_log(level, b.data, b.size);
}

#define WEIR_LOG(name, level)                \
	void name(const char *format, ...) {     \
		va_list args;                        \
		va_start(args, format);              \
		weir_log(level, format, &args);      \
		va_end(args);                        \
	}
WEIR_LOG(weir_debug, WEIR_LEVEL_DEBUG)
WEIR_LOG(weir_info, WEIR_LEVEL_INFO)
WEIR_LOG(weir_warn, WEIR_LEVEL_WARN)
WEIR_LOG(weir_error, WEIR_LEVEL_ERROR)
#undef WEIR_LOG

/* An error in the log, without formats: those are linked for who uses them. */
static void weir_complain(const char *what, const char *why) {
	weir_buffer b = {0, 0, 0, false};
	weir_buffer_add(&b, what, strlen(what));
	weir_buffer_add(&b, why, strlen(why));
	proxy_log(WEIR_LEVEL_ERROR, b.data, b.size);
}

const char *weir_reason(uint32_t status) {
	switch (status) {
	case WEIR_OK: return "ok";
	case WEIR_NOT_FOUND: return "not found";
	case WEIR_BAD_ARGUMENT: return "not what is wanted";
	case WEIR_SERIALIZATION_FAILURE: return "could not be written";
	case WEIR_PARSE_FAILURE: return "could not be read";
	case WEIR_EMPTY: return "empty";
	case WEIR_CAS_MISMATCH: return "somebody else was faster";
	case WEIR_INTERNAL_FAILURE: return "too much is under way, or the host has failed";
	case WEIR_BROKEN_CONNECTION: return "no answer, or none that is whole";
	case WEIR_UNSUPPORTED: return "not supported here";
	case WEIR_DENIED: return "not granted";
	case WEIR_LATE: return "too late";
	case WEIR_TOO_BIG: return "too big";
	case WEIR_FULL: return "to be gone on with when there is room";
	case WEIR_GONE: return "nobody takes the rest";
	}
	return "a status that is not known";
}

static char weir_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool weir_same_name(const char *a, const char *b) {
	for (; *a && weir_lower(*a) == weir_lower(*b); a++) b++;
	return !*a && !*b;
}

#endif

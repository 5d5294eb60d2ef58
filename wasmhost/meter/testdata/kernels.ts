export function sum(n: u32): u32 {
	let s: u32 = 0, x: u32 = 12345;
	for (let i: u32 = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		s += x >> 16;
		if (s & 1) s ^= x;
	}
	return s;
}

export function fib(n: u32): u32 {
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

export function text(n: u32): u32 {
	let h = 0;
	for (let i: u32 = 0; i < n; i++) {
		const parts = ("path/" + i.toString() + "/of/a/file").split("/");
		for (let k = 0; k < parts.length; k++) h += parts[k].toUpperCase().length;
	}
	return h;
}

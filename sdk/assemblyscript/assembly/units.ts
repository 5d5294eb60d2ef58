// Numbers with units, as in configurations.

/** How many milliseconds a unit has; -1: it is none. */
export function timeUnit(name: string): f64 {
  if (name == "ns") return 0.000001;
  if (name == "us" || name == "µs") return 0.001;
  if (name == "ms") return 1;
  if (name == "s") return 1000;
  if (name == "m") return 60000;
  if (name == "h") return 3600000;
  return name == "d" ? 86400000 : -1;
}

/** Milliseconds as hosts take them, at most 49 days. */
export function span(milliseconds: i64): u32 {
  return <u32>min<i64>(max<i64>(milliseconds, 0), <i64>u32.MAX_VALUE);
}

/** How many bytes a unit has; -1: it is none. */
export function sizeUnit(name: string): f64 {
  if (name == "" || name == "B") return 1;
  if (name == "KiB") return 1024;
  if (name == "MiB") return 1048576;
  if (name == "GiB") return 1073741824;
  if (name == "kB" || name == "KB") return 1000;
  if (name == "MB") return 1000000;
  return name == "GB" ? 1000000000 : -1;
}

/** What numbers with units come to; -1: they are none. */
export function measure(s: string, unit: (name: string) => f64): i64 {
  let sum: f64 = 0, i = 0;
  do {
    const from = i;
    while (i < s.length && (s.charCodeAt(i) >= 0x30 && s.charCodeAt(i) <= 0x39 || s.charCodeAt(i) == 0x2e)) i++;
    const n = F64.parseFloat(s.substring(from, i)), at = i;
    while (i < s.length && s.charCodeAt(i) > 0x39) i++;
    const factor = unit(s.substring(at, i));
    if (at == from || factor < 0 || isNaN(n)) return -1;
    sum += n * factor;
  } while (i < s.length && s.charCodeAt(i) >= 0x2e);
  return i == s.length && sum < 9007199254740992.0 ? <i64>sum : -1;
}

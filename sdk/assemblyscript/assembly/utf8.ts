// Texts are UTF-16 here and UTF-8 elsewhere. What is neither becomes U+FFFD.

/** How many bytes a text has. */
export function sizeOf(s: string): i32 {
  let n = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    n += c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
    if (c >= 0xd800 && c < 0xdc00 && i + 1 < s.length && (s.charCodeAt(i + 1) & 0xfc00) == 0xdc00) {
      n++; // two units, four bytes
      i++;
    }
  }
  return n;
}

/** Writes a text, for which there is room of three bytes for each unit, and returns how many it wrote. */
export function encode(s: string, to: usize): usize {
  let p = changetype<usize>(s), q = to;
  const end = p + (<usize>s.length << 1);
  while (p < end) {
    let c = <u32>load<u16>(p);
    p += 2;
    if (c < 0x80) {
      store<u8>(q++, c);
      continue;
    }
    if (c < 0x800) {
      store<u8>(q, c >> 6 | 0xc0);
    } else {
      if ((c & 0xf800) == 0xd800) {
        const d = p < end ? <u32>load<u16>(p) : 0;
        if (c < 0xdc00 && (d & 0xfc00) == 0xdc00) {
          p += 2;
          c = 0x10000 + ((c & 0x3ff) << 10 | d & 0x3ff);
          store<u8>(q++, c >> 18 | 0xf0);
        } else c = 0xfffd;
      }
      store<u8>(q, c >> 12 & (c < 0x10000 ? 0x0f : 0x3f) | (c < 0x10000 ? 0xe0 : 0x80));
      store<u8>(++q, c >> 6 & 0x3f | 0x80);
    }
    store<u8>(q + 1, c & 0x3f | 0x80);
    q += 2;
  }
  return q - to;
}

/** Reads a text of n bytes. */
export function decode(from: usize, n: usize): string {
  if (n == 0) return "";
  const s = changetype<string>(__new(n << 1, idof<string>()));
  const begin = changetype<usize>(s), end = from + n;
  let p = from, q = begin;
  while (p < end) {
    let c = <u32>load<u8>(p++);
    if (c >= 0x80) {
      // A sequence is replaced up to where it goes wrong, as everywhere on the web.
      let more: u32 = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
      let least: u32 = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
      let most: u32 = c < 0xc2 || c > 0xf4 ? 0 : c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
      c &= 0x3f >> more;
      while (more > 0 && p < end && load<u8>(p) >= least && load<u8>(p) <= most) {
        c = c << 6 | load<u8>(p++) & 0x3f;
        more--;
        least = 0x80;
        most = 0xbf;
      }
      if (more > 0) c = 0xfffd;
      if (c >= 0x10000) {
        c -= 0x10000;
        store<u16>(q, c >> 10 | 0xd800);
        q += 2;
        c = c & 0x3ff | 0xdc00;
      }
    }
    store<u16>(q, c);
    q += 2;
  }
  return q - begin == n << 1 ? s : changetype<string>(__renew(begin, q - begin));
}

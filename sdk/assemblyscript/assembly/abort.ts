import { Level, proxy_log } from "./abi";
import { clear, write, writeByte, written } from "./memory";

/**
 * What the compiler calls where a program cannot go on, with `--use abort=weir_abort`: it
 * logs why and where, and traps.
 */
// @ts-ignore: a decorator
@global
export function weir_abort(message: string | null, file: string | null, line: u32, column: u32): void {
  clear();
  const m = message ? message : "abort";
  const p = write(m.length > 400 ? "abort" : m);
  let n = written;
  if (file && file.length < 150) {
    writeByte(0x20);
    n++;
    write(file);
    n += written;
  }
  n += number(line);
  n += number(column);
  proxy_log(Level.Critical, p, n);
  unreachable();
}

/** Writes a colon and a number, and returns how many bytes that are: without memory, of which there may be none. */
function number(n: u32): usize {
  let unit: u32 = 1, size = 2;
  for (; n / unit > 9; unit *= 10) size++;
  writeByte(0x3a);
  for (; unit > 0; unit /= 10) writeByte(<u8>(0x30 + n / unit % 10));
  return size;
}

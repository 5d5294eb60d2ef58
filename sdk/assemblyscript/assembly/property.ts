// What the host knows of a stream.

import { proxy_set_property, Status } from "./abi";
import { findProperty, foreign, getProperty } from "./host";
import { bytes, clear, write, written } from "./memory";

/** A property, with dots between its segments, as in `source.address`; "" if the host has none. */
export function property(path: string): string {
  return getProperty(segments(path));
}

/** A property that is a number, as `response.code` is; -1 if the host has none. */
export function propertyNumber(path: string): i64 {
  if (findProperty(segments(path)) != Status.OK) return -1;
  const b = bytes();
  return b.length == 8 ? load<i64>(b.dataStart) : b.length == 1 ? b[0] : -1;
}

/** Sets a property, which other filters of the stream can read. */
export function setProperty(path: string, value: string): bool {
  clear();
  const p = write(segments(path)), n = written;
  const v = write(value);
  return proxy_set_property(p, n, v, written) == Status.OK;
}

/** Calls a function of the host's by its name, such as Envoy's `compress`; null: it has none, or it failed. */
export function callHost(name: string, argument: Uint8Array): Uint8Array | null {
  return foreign(name, argument) == Status.OK ? bytes() : null;
}

function segments(path: string): string {
  return path.replaceAll(".", "\0");
}

// The host's functions with texts and bytes in place of pointers.

import * as abi from "./abi";
import { Status } from "./abi";
import { bytes, clear, data, expect, number, size, text, write, written } from "./memory";

export function logLine(level: u32, message: string): void {
  clear();
  const p = write(message);
  abi.proxy_log(level, p, written);
}

/** The time, in nanoseconds since 1970. */
export function now(): i64 {
  store<i64>(number, 0);
  abi.proxy_get_current_time_nanoseconds(number);
  return load<i64>(number);
}

export function getValue(map: u32, key: string): string {
  return findValue(map, key) == Status.OK ? text() : "";
}

export function findValue(map: u32, key: string): u32 {
  clear();
  expect();
  const p = write(key);
  return abi.proxy_get_header_map_value(map, p, written, data, size);
}

export function addValue(map: u32, key: string, value: string): u32 {
  clear();
  const k = write(key), n = written;
  const v = write(value);
  return abi.proxy_add_header_map_value(map, k, n, v, written);
}

export function replaceValue(map: u32, key: string, value: string): u32 {
  clear();
  const k = write(key), n = written;
  const v = write(value);
  return abi.proxy_replace_header_map_value(map, k, n, v, written);
}

export function removeValue(map: u32, key: string): u32 {
  clear();
  const k = write(key);
  return abi.proxy_remove_header_map_value(map, k, written);
}

export function getPairs(map: u32): Uint8Array {
  expect();
  if (abi.proxy_get_header_map_pairs(map, data, size) != Status.OK) return new Uint8Array(0);
  return bytes();
}

export function setPairs(map: u32, pairs: Uint8Array): u32 {
  return abi.proxy_set_header_map_pairs(map, pairs.dataStart, pairs.length);
}

export function getBuffer(buffer: u32, start: u32, most: u32): Uint8Array {
  expect();
  if (most == 0 || abi.proxy_get_buffer_bytes(buffer, start, most, data, size) != Status.OK) return new Uint8Array(0);
  return bytes();
}

export function getText(buffer: u32, most: u32): string {
  expect();
  if (most == 0 || abi.proxy_get_buffer_bytes(buffer, 0, most, data, size) != Status.OK) return "";
  return text();
}

export function setBuffer(buffer: u32, start: u32, n: u32, b: Uint8Array): u32 {
  return abi.proxy_set_buffer_bytes(buffer, start, n, b.dataStart, b.length);
}

/** Calls a function of the host's by its name; what it gives is to be taken next. */
export function foreign(name: string, argument: Uint8Array | null): u32 {
  clear();
  expect();
  const p = write(name);
  const at = argument ? argument.dataStart : 0, n = argument ? argument.length : 0;
  return abi.proxy_call_foreign_function(p, written, at, n, data, size);
}

/** Has onTick be called every so many milliseconds. */
export function setTick(ms: u32): void {
  abi.proxy_set_tick_period_milliseconds(ms);
}

/** Looks for a property, by segments with zero bytes between them; what was found is to be taken next. */
export function findProperty(path: string): u32 {
  clear();
  expect();
  const p = write(path);
  return abi.proxy_get_property(p, written, data, size);
}

/** A property as text; "" if the host has none. */
export function getProperty(path: string): string {
  return findProperty(path) == Status.OK ? text() : "";
}

/** What the host says of a call that failed. */
export function lastStatus(): string {
  expect();
  return abi.proxy_get_status(number, data, size) == Status.OK ? text() : "";
}

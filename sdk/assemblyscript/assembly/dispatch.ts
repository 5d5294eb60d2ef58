// From the host's callbacks to the author's code.

import { Action, Level, Told } from "./abi";
import { Context, NEITHER, now, streams } from "./context";
import { Filter } from "./filter";
import { getProperty, logLine } from "./host";
import { kinds, Plugin } from "./plugin";
import { Table } from "./table";

const plugins = new Table();

/** The last that was looked up: most callbacks are about the same stream as the one before. */
let last: Filter | null = null;

/** Finds a stream's filter, and makes it what the guest is at. */
function enter(id: u32, direction: u32): Filter | null {
  let f = last;
  if (!f || f._id != id) last = f = changetype<Filter>(streams.get(id));
  now.context = f;
  now.direction = direction;
  return f;
}

/** Does what is left when the author's code has returned. */
function leave(): void {
  const relate = now.relate;
  if (relate) relate();
  now.context = null;
  now.direction = NEITHER;
}

function pluginOf(root: u32): Plugin | null {
  return changetype<Plugin>(plugins.get(root));
}

export function create(id: u32, parent: u32): void {
  if (parent == 0) return;
  const f = pluginOf(parent)!.filter(); // a host that makes streams of what it never configured ends here
  streams.add(id, f);
  last = f;
}

export function configure(root: u32, size: u32): bool {
  const name = getProperty("plugin_root_id");
  let kind = kinds.last;
  if (kind && kind.next) while (kind && kind.name != name) kind = kind.next;
  if (!kind) {
    logLine(Level.Error, "no filter is registered with the root_id \"" + name + "\"");
    return false;
  }
  const plugin = kind.begin(kind, root, size);
  leave();
  if (!plugin) return false;
  const before = pluginOf(root);
  if (before) before._end();
  plugins.remove(root);
  plugins.add(root, plugin);
  return true;
}

export function tick(root: u32): void {
  const plugin = pluginOf(root);
  if (!plugin) return;
  now.context = plugin;
  const wake = now.wake;
  if (!wake || wake(plugin)) plugin.onTick();
  leave();
}

export function header(id: u32, direction: u32, end: bool): u32 {
  const f = enter(id, direction);
  const action = f ? f._onHeader(direction, end) : Action.Continue;
  leave();
  return action;
}

export function body(id: u32, direction: u32, size: u32, end: bool): u32 {
  const f = enter(id, direction);
  const action = f ? f._onBody(direction, size, end) : Action.Continue;
  leave();
  return action;
}

export function trailers(id: u32, direction: u32): u32 {
  const f = enter(id, direction);
  const action = f ? f._onTrailers(direction) : Action.Continue;
  leave();
  return action;
}

/** An answer to proxy_http_call: it is in the host's buffers. */
export function called(token: u32, fields: u32, size: u32): void {
  const hear = now.called;
  if (hear) hear(token, fields, size);
  leave();
}

/** What weir tells. */
export function told(kind: u32): void {
  const hear = kind == Told.Answer ? now.answered : kind == Told.Event ? now.event : null;
  if (hear) hear();
  leave();
}

export function log(id: u32): void {
  const f = enter(id, NEITHER);
  if (f) f.onEnd();
  leave();
}

/** Nothing that a stream waits for is of use any longer. */
export function done(id: u32): void {
  const f = enter(id, NEITHER);
  if (f) f._end();
}

export function remove(id: u32): void {
  done(id);
  last = null;
  now.context = null;
  streams.remove(id);
  const plugin = pluginOf(id);
  if (!plugin) return;
  plugin._end();
  plugins.remove(id);
}

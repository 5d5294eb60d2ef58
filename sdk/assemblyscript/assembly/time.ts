// The clock.

import { Call } from "./abi";
import { ask, become, Context, nothing, now as at, onWeir, settle, Wait } from "./context";
import { Reader, Writer } from "./fields";
import * as host from "./host";
import { Done, Waiting } from "./late";
import { Plugin } from "./plugin";

/** The time, in milliseconds since 1970. */
export function now(): i64 {
  return host.now() / 1000000;
}

/** Waits so many milliseconds; where the host has no timers but ticks, some more. */
export function sleep<T extends Context>(self: T, milliseconds: i64, then: (self: T, done: Done) => void): void {
  if (onWeir()) return ask(new Waiting<T, Done>(self, new Done(), then), Call.Timer, new Writer().number(max<i64>(milliseconds, 0)));
  const wait = new Sleeping<T>(self, now() + milliseconds, then);
  wait.link();
  sleepers.push(wait);
  const before = at.context;
  become(self);
  host.setTick(TICK); // of the root: a stream's context stands for its
  if (before) become(before);
  at.wake = wake;
}

/** How often a host is asked for ticks while somebody sleeps, in milliseconds. */
const TICK: u32 = 10;

// @ts-ignore: a decorator
@lazy
let sleepers = new Array<Sleeper>();

abstract class Sleeper extends Wait {
  constructor(owner: Context, public until: i64) { super(owner); }
}

class Sleeping<T extends Context> extends Sleeper {
  constructor(private self: T, until: i64, private then: (self: T, done: Done) => void) { super(self, until); }

  answer(status: u32, rest: Reader): bool {
    this.then(this.self, new Done());
    return true;
  }
}

/** Wakes those whose time has come, and tells whether it is the plugin's tick as well. */
function wake(plugin: Plugin): bool {
  const all = sleepers, time = now();
  sleepers = new Array<Sleeper>();
  for (let i = 0; i < all.length; i++) if (all[i].until > time) sleepers.push(all[i]);
  for (let i = 0; i < all.length; i++) if (all[i].until <= time) settle(all[i], 0, nothing);
  become(plugin);
  at.direction = 2;
  if (all.length > 0 && sleepers.length == 0) host.setTick(plugin._period);
  if (all.length > 0 && time < plugin._due) return false;
  plugin._due = time + plugin._period;
  return plugin._period > 0;
}

// Who waits for what.

import { Buffer, Call, proxy_set_effective_context, Status } from "./abi";
import { Reader, Writer } from "./fields";
import { foreign, getBuffer } from "./host";
import { bytes } from "./memory";
import { Plugin } from "./plugin";
import { refused } from "./result";
import { Item, Table } from "./table";

/** Something that an author's code runs for: a stream, or a plugin in the background. It is what waits. */
export abstract class Context extends Item {
  /** @internal */ _over: bool = false;
  /** @internal */ _first: Wait | null = null;

  /** @internal The last answer of those that came for a direction was heard. */
  _resume(direction: u32): void {}

  /** @internal Whether answers are waited for, for a direction. */
  _pending(direction: u32): bool {
    let w = this._first;
    while (w) {
      const wait: Wait = w;
      if (wait.direction == direction && !wait.idle) return true;
      w = wait.next;
    }
    return false;
  }

  /** @internal Gives up what is under way. */
  _end(): void {
    this._over = true;
    let w = this._first;
    while (w) {
      const wait: Wait = w;
      wait.cancel();
      w = wait.next;
    }
    this._first = null;
  }
}

/** Something that is under way for a context. */
export abstract class Wait extends Item {
  next: Wait | null = null;
  idle: bool = false; // nothing is waited for now, but it is not over
  direction: u32;
  status: u32 = 0; // of what was refused at once

  constructor(public owner: Context) {
    super();
    this.direction = now.direction;
  }

  /** Hears the answer, and tells whether it is the last: fields after the status. */
  abstract answer(status: u32, rest: Reader): bool;

  /** No answer is wanted any longer. */
  cancel(): void {}

  /** The last answer has come. */
  forget(): void {}

  /** Takes it into its owner's list. */
  link(): void {
    this.next = this.owner._first;
    this.owner._first = this;
  }

  /** Takes it from its owner's list. */
  unlink(): void {
    const owner = this.owner;
    if (owner._first === this) owner._first = this.next;
    let w = owner._first;
    while (w) {
      const before: Wait = w;
      if (before.next === this) before.next = this.next;
      w = before.next;
    }
  }
}

/** Something that weir answers later. */
export abstract class Asked extends Wait {
  token: u64 = 0; // 0: weir knows of none

  cancel(): void {
    if (this.token == 0) return;
    foreign(Call.Cancel, new Writer().number(this.token).done());
    this.forget();
  }

  forget(): void {
    if (this.token != 0) waits.remove(this._id);
    this.token = 0;
  }
}

/** What the guest is at. */
class Now {
  context: Context | null = null;
  direction: u32 = NEITHER;
  // What is done elsewhere is set by who needs it: filters that do not have no code for it.
  relate: (() => void) | null = null; // what was refused
  answered: (() => void) | null = null;
  event: (() => void) | null = null;
  wake: ((plugin: Plugin) => bool) | null = null; // who sleeps; whether it is the plugin's time, too
  called: ((token: u32, fields: u32, size: u32) => void) | null = null;
}

export const NEITHER: u32 = 2;
export const now = new Now();

/** The filters of streams, by the streams' numbers. */
export const streams = new Table();

/** Has the host speak of a context. */
export function become(c: Context): void {
  if (now.context === c) return;
  now.context = c;
  proxy_set_effective_context(c._id);
}

// What weir is asked, and what was refused.

// @ts-ignore: a decorator
@lazy
const waits = new Table();
// @ts-ignore: a decorator
@lazy
const refusals = new Array<Wait>();
// @ts-ignore: a decorator
@lazy
export const nothing = new Reader(new Uint8Array(0)); // fields where there are none

/** Asks a function of weir's that answers later. */
export function ask(wait: Asked, name: string, argument: Writer): void {
  if (wait.owner._over) return;
  const before = now.context;
  become(wait.owner);
  const status = onWeir() ? foreign(name, argument.done()) : <u32>Status.Unimplemented;
  if (before) become(before); // what follows is about the stream of before, if a plugin asked
  if (status != Status.OK) return refuse(wait, refused(status));
  wait.idle = false;
  if (wait.token != 0) return; // it was asked for more
  wait.token = new Reader(bytes()).number();
  waits.add(<u32>wait.token, wait);
  wait.link();
  now.answered = answered;
}

/** Has a wait be answered with a failure when the author's code has returned. */
export function refuse(wait: Wait, status: u32): void {
  wait.status = status;
  if (!wait.idle) wait.link();
  wait.idle = false;
  refusals.push(wait);
  now.relate = relate;
}

function relate(): void {
  while (refusals.length > 0) {
    const wait = refusals.shift();
    settle(wait, wait.status, nothing);
  }
}

/** Tells a wait its answer, and has its stream go on if it was the last. */
export function settle(wait: Wait, status: u32, rest: Reader): void {
  const owner = wait.owner;
  if (owner._over) return;
  now.direction = wait.direction;
  become(owner);
  wait.idle = true;
  if (wait.answer(status, rest)) {
    wait.forget();
    wait.unlink();
  }
  if (!owner._over && !owner._pending(wait.direction)) owner._resume(wait.direction);
}

/** Hears what weir answers, in fields that the host has. */
function answered(): void {
  const fields = new Reader(getBuffer(Buffer.CallData, 0, i32.MAX_VALUE));
  const id = <u32>fields.number();
  const status = <u32>fields.number();
  const wait = waits.get(id);
  if (fields.bad || !wait) return;
  now.context = changetype<Asked>(wait).owner; // of whom the host speaks
  settle(changetype<Asked>(wait), status, fields);
}

let hello: i32 = -1;

/** Whether the host is weir. */
export function onWeir(): bool {
  if (hello < 0) hello = foreign(Call.Hello, null) == Status.OK ? 1 : 0;
  return hello == 1;
}

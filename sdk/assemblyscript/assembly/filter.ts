// A filter: one object for each stream.

import { Action, Call, Direction, Order, proxy_continue_stream, Status } from "./abi";
import { Chunk, theChunk } from "./chunk";
import { become, now, onWeir, refuse, Wait } from "./context";
import { Writer } from "./fields";
import { foreign, setBuffer } from "./host";
import { Request, Response, theRequest, theResponse } from "./header";
import { Replier } from "./reply";
import { Kind } from "./result";

/** What is known of one direction of a stream whose body waits. */
export class Half {
  start: u32 = 0; // so much of the buffer the author has seen
  size: u32 = 0; // and so much is in it
  last: bool = false; // and nothing follows
  reader: BodyReader | null = null;
}

/** Who reads a body before its head goes on. */
export abstract class BodyReader extends Wait {
  /** There is more of it now. */
  abstract show(filter: Filter, half: Half): void;
}

// Of each direction, four bits.
const PAUSED: u32 = 1; // the host waits for us
const ENDED: u32 = 2; // there is no body, or its end was shown
const SENT: u32 = 4; // the head has gone on

/** By the numbers of classes: which bodies they do not look at. */
const blind: usize = memory.data(256);

/**
 * A filter of requests and their responses: each stream has an object of its own, whose
 * fields are its state. What a callback waits for holds the stream back; it goes on when
 * the last answer was heard, if no reply was sent.
 */
export abstract class Filter extends Replier {
  private flags: u32 = 0;
  private half0: Half | null = null;
  private half1: Half | null = null;

  /** A request's header has come; its body has not. */
  onRequest(request: Request): void {}

  /** A piece of the request's body has come. Filters that leave this out are shown none, which costs less: do not call super's. */
  onRequestBody(chunk: Chunk): void { chunk._passed = true; }

  /** The response's header has come; its body has not. Replies of the filter's own are not shown. */
  onResponse(response: Response): void {}

  /** A piece of the response's body has come. */
  onResponseBody(chunk: Chunk): void { chunk._passed = true; }

  /** The stream is over. Headers may still be read. */
  onEnd(): void {}

  /** The stream's request. */
  get request(): Request {
    become(this);
    return theRequest;
  }

  /** The stream's response, when there is one. */
  get response(): Response {
    become(this);
    return theResponse;
  }

  /** Puts a body in the place of what is held of the request's. */
  setRequestBody(b: Uint8Array): bool { return this.setBody(Direction.Request, b); }

  /** Puts a body in the place of what is held of the response's. */
  setResponseBody(b: Uint8Array): bool { return this.setBody(Direction.Response, b); }

  private setBody(direction: u32, b: Uint8Array): bool {
    if (this._over) return false;
    become(this);
    const h = this.half(direction);
    const rest = h && h.size > h.start ? h.size - h.start : 0;
    const st = setBuffer(direction, 0, h && rest > 0 ? h.start : i32.MAX_VALUE, b);
    if (st == Status.OK && h) {
      h.start = b.length;
      h.size = h.start + rest;
    }
    return st == Status.OK;
  }

  private half(direction: u32): Half | null { return direction == 0 ? this.half0 : this.half1; }

  private madeHalf(direction: u32): Half {
    const h = this.half(direction);
    if (h) return h;
    const made = new Half();
    if (direction == 0) this.half0 = made;
    else this.half1 = made;
    return made;
  }

  private is(direction: u32, bit: u32): bool { return (this.flags & bit << (4 * direction)) != 0; }
  private mark(direction: u32, bit: u32): void { this.flags |= bit << (4 * direction); }
  private unmark(direction: u32, bit: u32): void { this.flags &= ~(bit << (4 * direction)); }

  private get number(): u32 {
    return min(load<u32>(changetype<usize>(this) - 8), 255); // the number of the class, in the header of an object
  }

  /** @internal A header has come. */
  _onHeader(direction: u32, end: bool): u32 {
    if (this.replied) return unseen();
    if (end) this.mark(direction, ENDED);
    if (direction == Direction.Request) this.onRequest(theRequest);
    else this.onResponse(theResponse);
    const relate = now.relate;
    if (relate) relate();
    if (this.replied) return Action.Pause;
    if (this._pending(direction)) {
      this.mark(direction, PAUSED);
      return Action.Pause;
    }
    this.mark(direction, SENT);
    return (load<u8>(blind + this.number) >> <u8>direction & 1) != 0 ? unseen() : Action.Continue;
  }

  /** @internal A body has come: size is what the host holds of it. */
  _onBody(direction: u32, size: u32, end: bool): u32 {
    if (this.replied) return unseen();
    if (end) this.mark(direction, ENDED);
    const h = this.half(direction);
    if (h) {
      h.size = size;
      h.last = end;
      const reader = h.reader;
      if (reader) {
        reader.show(this, h);
        const relate = now.relate;
        if (relate) relate();
        return Action.Pause; // if nothing is waited for, the host was told to go on
      }
    }
    if (!this.is(direction, PAUSED)) return this.show(direction, h ? h.start : 0, size, end);
    const held = this.madeHalf(direction);
    held.size = size;
    held.last = end;
    return Action.Pause;
  }

  /** @internal Trailers have come: the body's end was not marked as such. */
  _onTrailers(direction: u32): u32 {
    if (this.replied || this.is(direction, ENDED)) return Action.Continue;
    const h = this.half(direction);
    return this._onBody(direction, h ? h.size : 0, true);
  }

  /** Shows the author a piece, and tells the host what to do then. */
  private show(direction: u32, start: u32, size: u32, last: bool): u32 {
    theChunk._begin(direction, start, size, last);
    if (direction == Direction.Request) this.onRequestBody(theChunk);
    else this.onResponseBody(theChunk);
    if (theChunk._unseen) {
      if (this.number < 255) store<u8>(blind + this.number, load<u8>(blind + this.number) | 1 << <u8>direction);
      return unseen();
    }
    const held = theChunk._held, end = theChunk._commit();
    const relate = now.relate;
    if (relate) relate();
    if (this.replied) return Action.Pause;
    if (this._pending(direction)) {
      this.mark(direction, PAUSED);
      const h = this.madeHalf(direction);
      h.start = held ? start : end;
      h.size = end;
      h.last = false;
      return Action.Pause;
    }
    const h = held ? this.madeHalf(direction) : this.half(direction);
    if (h) {
      h.start = held ? start : 0;
      h.size = held ? end : 0;
    }
    return held ? Action.Pause : Action.Continue;
  }

  /** @internal All that was waited for was heard. */
  _resume(direction: u32): void {
    if (this.replied || !this.is(direction, PAUSED)) return;
    this.unmark(direction, PAUSED);
    const h = this.half(direction);
    if (h) {
      const last = h.last;
      if (h.size > h.start || last) {
        h.last = false;
        if (this.show(direction, h.start, h.size, last) == Action.Pause) return;
      }
      h.start = h.size = 0;
    }
    this.mark(direction, SENT);
    become(this);
    proxy_continue_stream(direction);
  }

  /** @internal Begins to read the body of a direction whose head is held. */
  _read(reader: BodyReader): void {
    const direction = reader.direction;
    if (direction > 1 || this.is(direction, SENT)) return refuse(reader, Kind.Late);
    if (this.is(direction, ENDED)) return refuse(reader, Status.OK); // there is none
    if (!onWeir()) return refuse(reader, Kind.Unsupported);
    become(this);
    const status = showMore(direction);
    if (status != Status.OK) return refuse(reader, status);
    this.madeHalf(direction).reader = reader;
    reader.link();
  }
}

/** Asks to be shown more of a body whose head is held. */
export function showMore(direction: u32): u32 {
  return foreign(Call.Body, new Writer().number(direction).number(Order.ShowMore).done());
}

/** What a callback returns that wants to see nothing more. */
function unseen(): u32 {
  return onWeir() ? Action.ContinueUnseen : Action.Continue;
}

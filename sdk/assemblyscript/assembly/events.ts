// Server-sent events (text/event-stream), as browsers read them and language models send them.

import { toBytes, toText } from "./memory";

/** One of a stream of events. */
export class ServerEvent {
  id: string = "";
  name: string = ""; // "" stands for message
  data: string = ""; // lines with \n between them
  retry: string = ""; // milliseconds, as written
  /** @internal */ _some: bool = false;

  /** The event as it is written. */
  toString(): string {
    let s = field("event", this.name) + field("id", this.id) + field("retry", this.retry);
    const lines = this.data.split("\n");
    for (let i = 0; i < lines.length; i++) s += "data: " + clean(lines[i]) + "\n";
    return s + "\n";
  }
}

function field(name: string, value: string): string {
  return value.length > 0 ? name + ": " + clean(value) + "\n" : "";
}

/** A text without the characters that would end a line. */
function clean(s: string): string {
  return s.replaceAll("\r", "").replaceAll("\n", "");
}

/** How long an event may be; what is longer is lost. */
const MOST = 1 << 20;

/** Reads events from the pieces of a body, however that was cut. */
export class EventReader {
  private rest: Uint8Array = new Uint8Array(0); // of a line
  private event: ServerEvent = new ServerEvent();
  private half: bool = false; // what was read ends in \r, to which a \n belongs that follows
  private begun: bool = false; // the first line was read
  private lines: i32 = 0; // of data

  /** The events that end in a piece. */
  read(piece: Uint8Array): Array<ServerEvent> {
    const out = new Array<ServerEvent>(), had = this.rest.length;
    let b = piece;
    if (had > 0) {
      b = new Uint8Array(had + piece.length);
      b.set(this.rest);
      b.set(piece, had);
    }
    let from = 0;
    for (let i = had; i < b.length; i++) {
      const c = b[i];
      if (c != 0x0a && c != 0x0d) continue;
      const second = c == 0x0a && this.half && i == from;
      if (!second) this.line(toText(b.subarray(from, i)), out);
      this.half = c == 0x0d;
      from = i + 1;
    }
    this.rest = b.length - from > MOST ? new Uint8Array(0) : b.slice(from);
    if (this.rest.length > 0) this.half = false;
    return out;
  }

  private line(s: string, out: Array<ServerEvent>): void {
    if (!this.begun && s.startsWith("\ufeff")) s = s.substring(1);
    this.begun = true;
    const e = this.event;
    if (s.length == 0) {
      if (e._some && e.data.length <= MOST) out.push(e);
      this.event = new ServerEvent();
      this.lines = 0;
      return;
    }
    const colon = s.indexOf(":");
    const name = colon < 0 ? s : s.substring(0, colon);
    let value = colon < 0 ? "" : s.substring(colon + 1);
    if (value.startsWith(" ")) value = value.substring(1);
    if (name == "data") {
      if (e.data.length <= MOST) e.data += (this.lines++ > 0 ? "\n" : "") + value;
    } else if (name == "event") e.name = value;
    else if (name == "id") e.id = value;
    else if (name == "retry") e.retry = value;
    else return;
    e._some = true;
  }
}

/** Events as the bytes of a body. */
export function writeEvents(events: Array<ServerEvent>): Uint8Array {
  let s = "";
  for (let i = 0; i < events.length; i++) s += events[i].toString();
  return toBytes(s);
}

// Answers that are the filter's own.

import { Buffer, Call, Direction, Event, proxy_close_stream, proxy_send_local_response, Status } from "./abi";
import { become, Context, NEITHER, now, onWeir, streams } from "./context";
import { ServerEvent } from "./events";
import { encodePairs, Fields, Reader, Writer } from "./fields";
import { foreign, getBuffer } from "./host";
import { bytes, toBytes } from "./memory";

/** What a filter answers requests with. */
export abstract class Replier extends Context {
  private _replied: bool = false;

  /** There is room again for what `write` writes. */
  onRoom(): void {}

  /** Nobody takes the rest of a reply that is being written. */
  onGone(): void {}

  /** Whether a reply was sent, or begun. */
  get replied(): bool { return this._replied; }

  /** Answers the request. Only the first reply counts; after the response's header has gone on, there is none. */
  reply(status: i32, text: string = "", header: Fields | null = null): bool {
    return this.replyBytes(status, toBytes(text), header);
  }

  /** Answers the request with a body of bytes. */
  replyBytes(status: i32, body: Uint8Array, header: Fields | null = null): bool {
    if (this.replied || this._over) return false;
    become(this);
    const pairs = header ? encodePairs(header) : new Uint8Array(0);
    const st = proxy_send_local_response(status, 0, 0, body.dataStart, body.length, pairs.dataStart, pairs.length, -1);
    if (st == Status.OK) this._replied = true;
    return st == Status.OK;
  }

  /** Sends the client elsewhere. */
  redirect(location: string, status: i32 = 302): bool {
    return this.reply(status, "", Fields.of("location", location));
  }

  /** Cuts the request's connection, or stream. */
  close(): void {
    become(this);
    proxy_close_stream(Direction.Response);
  }

  /**
   * Tells the client, ahead of the response, what it will need: fields such as
   * `link: </a.css>; rel=preload`. False: not supported here.
   */
  hint(header: Fields): bool {
    if (!onWeir()) return false;
    become(this);
    return foreign(Call.Inform, new Writer().number(103).bytes(encodePairs(header)).done()) == Status.OK;
  }

  /** Begins a reply whose body is written later. False: not supported here, or too late. */
  start(status: i32, header: Fields | null = null): bool {
    if (this.replied || this._over || !onWeir()) return false;
    become(this);
    const pairs = encodePairs(header ? header : new Fields());
    if (foreign(Call.ReplyStart, new Writer().number(status).bytes(pairs).done()) != Status.OK) return false;
    this._replied = true;
    now.event = event;
    return true;
  }

  /** Writes text of a reply that was begun. False: wait for onRoom before writing more. */
  write(text: string): bool {
    return this.writeBytes(toBytes(text));
  }

  /** Writes bytes of a reply that was begun. False: wait for onRoom before writing more. */
  writeBytes(b: Uint8Array): bool {
    if (this._over) return false;
    become(this);
    if (foreign(Call.ReplyWrite, new Writer().bytes(b).done()) != Status.OK) return false;
    return new Reader(bytes()).number() == 1;
  }

  /** Ends a reply that was begun. */
  end(trailers: Fields | null = null): bool {
    if (this._over) return false;
    become(this);
    const pairs = trailers ? encodePairs(trailers) : new Uint8Array(0);
    return foreign(Call.ReplyEnd, new Writer().bytes(pairs).done()) == Status.OK;
  }

  /** Begins a reply of server-sent events. */
  startEvents(header: Fields | null = null): bool {
    const h = header ? header : new Fields();
    h.set("content-type", "text/event-stream").set("cache-control", "no-cache");
    return this.start(200, h);
  }

  /** Writes a server-sent event. */
  event(data: string, name: string = "", id: string = ""): bool {
    const e = new ServerEvent();
    e.data = data;
    e.name = name;
    e.id = id;
    return this.write(e.toString());
  }
}

/** Hears how a reply fares that was begun. */
function event(): void {
  const fields = new Reader(getBuffer(Buffer.CallData, 0, i32.MAX_VALUE));
  const item = streams.get(<u32>fields.number()), kind = fields.number();
  if (!item) return;
  const r = changetype<Replier>(item);
  now.context = r;
  now.direction = NEITHER;
  if (kind == Event.Room) r.onRoom();
  else if (kind == Event.Gone) r.onGone();
}

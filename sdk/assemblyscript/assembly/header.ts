import { Map as Kind, Status } from "./abi";
import { addValue, findValue, getPairs, getProperty, getValue, removeValue, replaceValue, setPairs } from "./host";
import { decodePairs, encodePairs, Field, Fields } from "./fields";
import { hex } from "./json";
import { toBytes } from "./memory";
import { decode } from "./utf8";

/**
 * The header, or the trailers, of a request or response, as the host has it: what is
 * changed is changed there at once. Names are not case-sensitive. A header that has gone
 * on can no longer be changed.
 */
export class Header {
  constructor(private map: u32) {}

  /** The first value of a field; "" if there is none. */
  get(name: string): string {
    return getValue(this.map, name);
  }

  /** Whether there is such a field. */
  has(name: string): bool {
    return findValue(this.map, name) == Status.OK;
  }

  /** Sets a field, in the place of all that have its name. False: it has gone on. */
  set(name: string, value: string): bool {
    return replaceValue(this.map, name, value) == Status.OK;
  }

  /** Appends a field. */
  add(name: string, value: string): bool {
    return addValue(this.map, name, value) == Status.OK;
  }

  /** Removes all fields of a name. */
  remove(name: string): bool {
    return removeValue(this.map, name) == Status.OK;
  }

  /** All fields, in their order, those with a colon first. */
  all(): Array<Field> {
    return decodePairs(getPairs(this.map)).all();
  }

  /** Puts other fields in the place of all, those with a colon as well. */
  replace(fields: Fields): bool {
    return setPairs(this.map, encodePairs(fields)) == Status.OK;
  }
}

/** The request of the stream that a callback is about. */
export class Request {
  readonly header: Header = new Header(Kind.RequestHeaders);
  readonly trailer: Header = new Header(Kind.RequestTrailers);

  get method(): string { return this.header.get(":method"); }
  set method(s: string) { this.header.set(":method", s); }

  /** Path and query, as the client sent them. */
  get path(): string { return this.header.get(":path"); }
  set path(s: string) { this.header.set(":path", s); }

  /** The path without its query. */
  get urlPath(): string {
    const s = this.path, i = s.indexOf("?");
    return i < 0 ? s : s.substring(0, i);
  }

  /** The host, and a port if there is one. */
  get authority(): string { return this.header.get(":authority"); }
  set authority(s: string) { this.header.set(":authority", s); }

  get scheme(): string { return this.header.get(":scheme"); }

  /** The address and port of who asks; "" if the host does not say. */
  get client(): string { return getProperty("source\0address"); }

  /** A cookie; "" if there is none of that name. */
  cookie(name: string): string {
    const all = this.header.get("cookie").split(";");
    for (let i = 0; i < all.length; i++) {
      const part = all[i].trim();
      if (part.startsWith(name + "=")) return part.substring(name.length + 1);
    }
    return "";
  }

  /** A parameter of the query, decoded; "" if there is none of that name. */
  query(name: string): string {
    const path = this.path, q = path.indexOf("?");
    if (q < 0) return "";
    const all = path.substring(q + 1).split("&");
    for (let i = 0; i < all.length; i++) {
      const at = all[i].indexOf("=");
      const key = at < 0 ? all[i] : all[i].substring(0, at);
      if (unescape(key) == name) return at < 0 ? "" : unescape(all[i].substring(at + 1));
    }
    return "";
  }
}

/** The response of the stream that a callback is about. */
export class Response {
  readonly header: Header = new Header(Kind.ResponseHeaders);
  readonly trailer: Header = new Header(Kind.ResponseTrailers);

  get status(): i32 {
    const s = this.header.get(":status");
    return s.length == 3 ? I32.parseInt(s) : 0;
  }
  set status(n: i32) { this.header.set(":status", n.toString()); }
}

/** Undoes the escapes of a query. What is no escape stays as it is. */
export function unescape(s: string): string {
  if (s.indexOf("%") < 0 && s.indexOf("+") < 0) return s;
  const b = toBytes(s), p = b.dataStart, n = b.length;
  let k = 0;
  for (let i = 0; i < n; i++) {
    let c: i32 = b[i];
    if (c == 0x2b) c = 0x20;
    else if (c == 0x25 && i + 2 < n) {
      const h = hex(b[i + 1]), l = hex(b[i + 2]);
      if (h >= 0 && l >= 0) {
        c = h << 4 | l;
        i += 2;
      }
    }
    store<u8>(p + k++, c); // never ahead of what is read
  }
  return decode(p, k);
}

export const theRequest = new Request();
export const theResponse = new Response();

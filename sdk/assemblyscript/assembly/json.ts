// A reader of JSON (RFC 8259): strict, with a bound on depth.

import { Type, Value } from "./value";

/** Reads JSON; null: it is none. */
export function parseJSON(text: string): Value | null {
  const parser = new Parser(text), value = parser.read();
  return parser.error.length > 0 ? null : value;
}

/** A text as JSON has it, with quotes around it. */
export function quote(s: string): string {
  let out = '"', from = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += s.substring(from, i) + (c >= 0x20 ? "\\" + String.fromCharCode(c) : "\\u" + (0x10000 + c).toString(16).substring(1));
    from = i + 1;
  }
  return out + s.substring(from) + '"';
}

const DEPTH = 64;

/** Reads one value. After it, `error` says what was wrong, or is "". */
export class Parser {
  error: string = "";
  private at: i32 = 0;

  constructor(private s: string) {}

  read(): Value {
    const v = this.value(0);
    this.space();
    if (this.error.length == 0 && this.at < this.s.length) this.fail("more than one value");
    return v;
  }

  private fail(why: string): Value {
    if (this.error.length == 0) {
      let line = 1, from = 0;
      for (let i = 0; i < this.at && i < this.s.length; i++) {
        if (this.s.charCodeAt(i) == 0x0a) {
          line++;
          from = i + 1;
        }
      }
      this.error = "line " + line.toString() + ", column " + (this.at - from + 1).toString() + ": " + why;
    }
    this.at = this.s.length;
    return new Value(Type.Null);
  }

  /** The next character, -1 at the end. */
  private peek(): i32 { return this.at < this.s.length ? this.s.charCodeAt(this.at) : -1; }

  private space(): void {
    for (;;) {
      const c = this.peek();
      if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return;
      this.at++;
    }
  }

  /** Takes a character, after spaces, if it is next. */
  private take(c: i32): bool {
    this.space();
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  private value(depth: i32): Value {
    this.space();
    const c = this.peek();
    if (depth > DEPTH) return this.fail("too deep");
    if (c == 0x7b) return this.object(depth);
    if (c == 0x5b) return this.array(depth);
    if (c == 0x22) {
      const v = new Value(Type.Text);
      v.text = this.string();
      return v;
    }
    if (c == 0x2d || digit(c)) return this.number();
    if (this.word("true")) return truth(true);
    if (this.word("false")) return truth(false);
    if (this.word("null")) return new Value(Type.Null);
    return this.fail(c < 0 ? "it ends too early" : "there is no value");
  }

  private word(w: string): bool {
    if (!this.s.startsWith(w, this.at)) return false;
    this.at += w.length;
    return true;
  }

  private object(depth: i32): Value {
    const v = new Value(Type.Object);
    this.at++;
    if (this.take(0x7d)) return v;
    do {
      this.space();
      if (this.peek() != 0x22) return this.fail("there is no key");
      const key = this.string();
      if (this.error.length > 0) return v;
      if (v.keys.includes(key)) return this.fail('"' + key + '" is there twice');
      if (!this.take(0x3a)) return this.fail("there is no colon");
      const child = this.value(depth + 1);
      v.keys.push(key);
      v.used.push(false);
      v.list.push(child);
    } while (this.take(0x2c));
    return this.take(0x7d) ? v : this.fail("an object does not end");
  }

  private array(depth: i32): Value {
    const v = new Value(Type.List);
    this.at++;
    if (this.take(0x5d)) return v;
    do v.list.push(this.value(depth + 1)); while (this.take(0x2c));
    return this.take(0x5d) ? v : this.fail("a list does not end");
  }

  private digits(): bool {
    const from = this.at;
    while (digit(this.peek())) this.at++;
    return this.at > from;
  }

  private number(): Value {
    const from = this.at;
    if (this.peek() == 0x2d) this.at++;
    if (this.peek() == 0x30) this.at++;
    else if (!this.digits()) return this.fail("not a number");
    if (this.peek() == 0x2e) {
      this.at++;
      if (!this.digits()) return this.fail("not a number");
    }
    if ((this.peek() | 0x20) == 0x65) {
      this.at++;
      if (this.peek() == 0x2b || this.peek() == 0x2d) this.at++;
      if (!this.digits()) return this.fail("not a number");
    }
    const v = new Value(Type.Number);
    v.text = this.s.substring(from, this.at);
    v.number = F64.parseFloat(v.text);
    return v;
  }

  private string(): string {
    let from = ++this.at, out = "";
    for (;;) {
      const c = this.peek();
      if (c < 0x20) {
        this.fail("a text does not end");
        return "";
      }
      if (c == 0x22) break;
      if (c != 0x5c) {
        this.at++;
        continue;
      }
      out += this.s.substring(from, this.at++) + this.escape();
      from = this.at;
    }
    out += this.s.substring(from, this.at);
    this.at++;
    return out;
  }

  private escape(): string {
    const c = this.peek();
    this.at++;
    switch (c) {
      case 0x22: return '"';
      case 0x5c: return "\\";
      case 0x2f: return "/";
      case 0x62: return "\b";
      case 0x66: return "\f";
      case 0x6e: return "\n";
      case 0x72: return "\r";
      case 0x74: return "\t";
    }
    let n = c == 0x75 ? 0 : -1;
    for (let i = 0; i < 4 && n >= 0; i++) {
      const h = hex(this.peek());
      n = h < 0 ? -1 : n << 4 | h;
      this.at++;
    }
    if (n < 0) this.fail("not an escape");
    return String.fromCharCode(n);
  }
}

function truth(b: bool): Value {
  const v = new Value(Type.Bool);
  v.bool = b;
  return v;
}

function digit(c: i32): bool { return c >= 0x30 && c <= 0x39; }

/** The value of a hexadecimal digit; -1: it is none. */
export function hex(c: i32): i32 {
  if (digit(c)) return c - 0x30;
  const l = c | 0x20;
  return l >= 0x61 && l <= 0x66 ? l - 0x57 : -1;
}

// One filter for each thing that the SDK can do, chosen by root_id.

import {
  abandon, ABSENT, Answer, Call, Chunk, configured, Config, counter, every, fetch, Fields, Filter, filter, gauge, histogram,
  Kind, log, onWeir, password, plugin, Plugin, property, propertyNumber, random, read, readBody, Request, Response,
  callHost, EventReader, now, parseJSON, quote, setProperty, shared, sign, sleep, Store, Type, writeEvents, store, toBytes, toText, verify,
} from "../../assembly/index";

class Hello extends Filter {
  onResponse(response: Response): void {
    response.header.set("x-hello", "from AssemblyScript");
  }
}
filter(() => new Hello(), "hello");

class Headers extends Filter {
  onRequest(request: Request): void {
    const h = request.header;
    log.info(request.method + " " + request.path + " (" + request.urlPath + ")" + " @ " + request.authority + " " + request.scheme);
    log.debug("cookie " + request.cookie("b") + ", query " + request.query("q") + "|" + request.query("no"));
    h.set("x-set", "1");
    h.add("x-add", "1");
    h.add("x-add", "ü€😀");
    h.remove("x-gone");
    h.set("x-was", h.has("x-gone") ? "there" : "gone");
    h.set("x-long", "y".repeat(5000));
    request.path = "/elsewhere" + request.path.substring(request.urlPath.length);
    request.method = "PUT";
    request.authority = "other.example";
  }
  onResponse(response: Response): void {
    const all = response.header.all();
    let names = "";
    for (let i = 0; i < all.length; i++) names += all[i].name + "=" + all[i].value + ";";
    response.header.set("x-all", names);
    response.header.set("x-path", this.request.path);
    response.status = response.status + 1;
  }
}
filter(() => new Headers(), "headers");

class State extends Filter {
  private seen: string = "";
  onRequest(request: Request): void { this.seen = request.header.get("x-id"); }
  onResponse(response: Response): void { response.header.set("x-id", this.seen); }
  onEnd(): void { log.info("end " + this.seen + " " + this.response.status.toString()); }
}
filter(() => new State(), "state");

class Replies extends Filter {
  onRequest(request: Request): void {
    if (request.urlPath == "/redirect") this.redirect("https://example.com/");
    else if (request.urlPath == "/bytes") this.replyBytes(200, new Uint8Array(3).fill(7), Fields.of("content-type", "x/y"));
    else if (request.urlPath == "/twice") log.info(this.reply(401, "one").toString() + " " + this.reply(402, "two").toString());
    else if (request.urlPath == "/close") this.close();
    else if (request.urlPath != "/late") this.reply(403, "no", Fields.of("x-why", "because").add("x-why", "so"));
  }
  onResponse(response: Response): void {
    if (this.request.urlPath == "/late") this.reply(502, "instead");
    else log.error("own replies are not shown");
  }
}
filter(() => new Replies(), "replies");

class Upper extends Filter {
  onRequestBody(chunk: Chunk): void { chunk.text = chunk.text.toUpperCase(); }
  onResponseBody(chunk: Chunk): void {
    chunk.text = "[" + chunk.text + (chunk.last ? "]." : "]");
  }
}
filter(() => new Upper(), "upper");

class Whole extends Filter {
  onResponseBody(chunk: Chunk): void {
    chunk.hold();
    if (chunk.last) chunk.text = chunk.text.replaceAll("cat", "dog") + chunk.size.toString();
  }
}
filter(() => new Whole(), "whole");

/** Asks for each chunk, and sets what is answered. */
class Asking extends Filter {
  private n: i32 = 0;
  onRequestBody(chunk: Chunk): void {
    const call = new Call("POST", "/" + (++this.n).toString());
    call.body = chunk.bytes;
    chunk.text = "<" + chunk.text + ">";
    fetch(this, "users", call, (self, answer) => { log.info("asked: " + answer.text); });
  }
}
filter(() => new Asking(), "asking");

class Reads extends Filter {
  onRequest(request: Request): void {
    readBody(this, 20, (self, body) => {
      if (body.kind == Kind.TooLarge) { self.reply(413, body.error); return; }
      if (body.failed) { log.warn(body.error); return; }
      self.request.header.set("x-length", body.bytes.length.toString());
      if (body.text == "swap") self.setRequestBody(toBytes("swapped body"));
      if (body.text == "ask") fetch(self, "users", new Call("GET", "/"), (self, answer) => {
        self.request.header.set("x-user", answer.text);
        self.setRequestBody(toBytes("asked"));
      });
    });
  }
  onResponse(response: Response): void {
    readBody(this, 1000, (self, body) => {
      if (!body.failed) self.response.header.set("x-sum", body.text.length.toString());
    });
  }
}
filter(() => new Reads(), "reads");

class Fetches extends Filter {
  first: string = "";
  onRequest(request: Request): void {
    const call = new Call("POST", "/a?b=1");
    call.header.set("X-Token", "t");
    call.text = "hi";
    call.limit = 100;
    call.timeout = 500;
    fetch(this, "users", call, (self, answer) => {
      if (answer.failed) {
        log.warn(answer.error);
        self.reply(502, "nobody: " + (<i32>answer.kind).toString());
        return;
      }
      self.first = answer.status.toString() + answer.header.get("X-Name") + answer.text + answer.trailer.get("t");
      fetch(self, "users", new Call("GET", "/second"), (self, answer) => {
        self.request.header.set("x-user", self.first + "+" + answer.text);
      });
    });
  }
}
filter(() => new Fetches(), "fetches");

class Together extends Filter {
  private n: i32 = 0;
  onRequest(request: Request): void {
    for (let i = 0; i < 3; i++) fetch(this, "users", new Call("GET", "/" + i.toString()), (self, answer) => {
      self.n++;
      self.request.header.add("x-n", self.n.toString() + answer.text);
    });
  }
}
filter(() => new Together(), "together");

class Streams extends Filter {
  answer: Answer | null = null;
  onRequest(request: Request): void {
    const call = new Call("GET", "/stream");
    call.streamed = true;
    fetch(this, "users", call, (self, answer) => {
      self.answer = answer;
      self.request.header.set("x-head", answer.status.toString() + answer.more.toString());
      if (self.request.urlPath == "/abandon") abandon(answer);
      else self.next();
    });
  }
  next(): void {
    read(this, this.answer!, (self, piece) => {
      self.request.header.add("x-piece", piece.failed ? piece.error : piece.text);
      if (!piece.last && !piece.failed) self.next();
    });
  }
}
filter(() => new Streams(), "streams");

class Stores extends Filter {
  onRequest(request: Request): void {
    const path = request.urlPath;
    if (path == "/count") store.get(this, "n", (self, entry) => {
      const n = entry.found ? I32.parseInt(entry.text) + 1 : 1;
      store.put(self, "n", n.toString(), (self, written) => {
        self.reply(written.failed ? 503 : 200, written.failed ? written.error : written.version.toString());
      }, 1000, entry.found ? entry.version : ABSENT);
    });
    else if (path == "/lost") store.put(this, "n", new Uint8Array(2), (self, written) => {
      self.reply(409, (written.kind == Kind.Conflict).toString() + written.error);
    }, 0, 12345);
    else if (path == "/delete") store.delete(this, "n", (self, written) => { self.reply(200, written.error); });
    else if (path == "/list") new Store("users").list(this, "u/", (self, page) => {
      let s = "";
      for (let i = 0; i < page.entries.length; i++) s += page.entries[i].key + "=" + page.entries[i].text + ";";
      self.reply(200, s);
    }, "u/a", 2);
    else new Store("secret").get(this, "x", (self, entry) => {
      self.reply(200, (entry.kind == Kind.Denied).toString() + ": " + entry.error);
    });
  }
}
filter(() => new Stores(), "stores");

class Sleeps extends Filter {
  onRequest(request: Request): void {
    sleep(this, 1500, (self, done) => {
      self.request.header.set("x-slept", done.failed ? done.error : "yes");
    });
  }
}
filter(() => new Sleeps(), "sleeps");

class Secrets extends Filter {
  onRequest(request: Request): void {
    const r = random(16);
    if (!r) { this.reply(501, "no randomness"); return; }
    this.request.header.set("x-random", r.length.toString());
    password.hash(this, "secret", (self, hash) => {
      password.verify(self, hash.text, self.request.header.get("x-password"), (self, verdict) => {
        if (!verdict.right) { self.reply(401); return; }
        sign(self, "k", toBytes("m"), (self, signature) => {
          self.request.header.set("x-algorithm", signature.algorithm);
          verify(self, "k", toBytes("m"), signature.bytes, (self, verdict) => {
            self.request.header.set("x-right", verdict.right.toString());
            verify(self, "other", toBytes("m"), new Uint8Array(0), (self, verdict) => {
              self.request.header.set("x-denied", verdict.right.toString() + " " + verdict.error);
            });
          });
        });
      });
    });
  }
}
filter(() => new Secrets(), "secrets");

class Events extends Filter {
  private n: i32 = 0;
  onRequest(request: Request): void {
    if (!this.startEvents(Fields.of("x-a", "b"))) { this.reply(501, "no streams"); return; }
    this.more();
  }
  more(): void {
    while (this.n < 5) {
      if (!this.event("line 1\nline " + (++this.n).toString(), "tick", this.n.toString())) return;
      if (this.n == 3) {
        sleep(this, 100, (self, done) => { self.more(); });
        return;
      }
    }
    this.end(Fields.of("x-end", "1"));
  }
  onRoom(): void { this.more(); }
  onGone(): void { log.info("gone"); }
}
filter(() => new Events(), "events");

class Hints extends Filter {
  onRequest(request: Request): void {
    log.info("hinted: " + this.hint(Fields.of("link", "</a.css>; rel=preload")).toString());
  }
}
filter(() => new Hints(), "hints");

const hits = counter("hits");
const level = gauge("level");
const sizes = histogram("sizes");

class Knows extends Filter {
  onRequest(request: Request): void {
    hits.add();
    hits.add(2);
    level.set(10);
    level.add(-3);
    sizes.record(5);
    log.info(hits.value.toString() + " " + level.value.toString());
    log.info(property("source.address") + "|" + property("nothing") + "|" + propertyNumber("nothing").toString());
    log.info(setProperty("mine.a", "1").toString() + property("mine.a"));
    const before = shared.get("k");
    log.info(before.found.toString() + shared.set("k", "v").toString() + shared.get("k").text);
    log.info(shared.set("k", "w", 99).toString() + shared.set("k", "w", shared.get("k").version).toString());
    log.info("weir: " + onWeir().toString());
  }
  onResponse(response: Response): void { log.info("code " + propertyNumber("response.code").toString()); }
}
filter(() => new Knows(), "knows");

class Greeter extends Plugin {
  greeting: string = "";
  names: Array<string> = [];

  configure(config: Config): void {
    this.greeting = config.string("greeting", "hello");
    this.names = config.strings("names");
    const limits = config.within("limits");
    log.info(config.bool("loud", false).toString() + config.int("n", 7).toString() + " " + config.number("f", 0.5).toString() +
      " " + limits.int("body", 1).toString() + config.has("x").toString());
    const rules = config.list("rules");
    for (let i = 0; i < rules.length; i++) {
      const to = rules[i].string("to", "");
      if (to == "") rules[i].fail("to", "is missing");
      else log.info("rule " + to);
    }
    log.info(config.duration("wait", 250).toString() + " " + config.size("most", 65536).toString());
    const map = config.within("map"), keys = map.keys();
    for (let i = 0; i < keys.length; i++) log.info(keys[i] + ":" + map.string(keys[i], ""));
  }

  filter(): Filter { return new Greets(this); }
}

class Greets extends Filter {
  constructor(private plugin: Greeter) { super(); }
  onResponse(response: Response): void { response.header.set("x-greeting", this.plugin.greeting + " " + this.plugin.names.join(",")); }
}
plugin(() => new Greeter(), "config");

class Raw extends Plugin {
  configure(config: Config): void { log.info("raw: " + config.raw); }
  filter(): Filter { return new Hello(); }
}
plugin(() => new Raw(), "raw");

class Ticks extends Plugin {
  n: i32 = 0;
  last: string = "never";
  configure(config: Config): void { this.tick(1000); }
  filter(): Filter { return new Ticked(this); }
  onTick(): void {
    this.n++;
    fetch(this, "users", new Call("GET", "/tick"), (self, answer) => { self.last = answer.text; });
    if (this.n == 3) this.tick(0);
  }
}
class Ticked extends Filter {
  constructor(private plugin: Ticks) { super(); }
  onRequest(request: Request): void { this.reply(200, this.plugin.n.toString() + this.plugin.last); }
}
plugin(() => new Ticks(), "ticks");

/** Rewrites what a language model sends. */
class Rewords extends Filter {
  private events: EventReader = new EventReader();
  onResponseBody(chunk: Chunk): void {
    const events = this.events.read(chunk.bytes);
    for (let i = 0; i < events.length; i++) {
      const v = parseJSON(events[i].data);
      if (v) events[i].data = '{"text":' + quote(v.get("choices").at(0).get("text").text.toUpperCase()) + "}";
      else events[i].name += "!";
    }
    chunk.bytes = writeEvents(events);
  }
}
filter(() => new Rewords(), "rewords");

class Asks extends Filter {
  onRequest(request: Request): void {
    const b = callHost("compress", toBytes("x"));
    this.reply(200, (b ? toText(b) : "no") + " " + now().toString() + " " + request.client);
  }
}
filter(() => new Asks(), "asks");

/** Counts without holding anybody back. */
class Aside extends Plugin {
  filter(): Filter { return new Asides(this); }
}
class Asides extends Filter {
  constructor(private plugin: Aside) { super(); }
  onRequest(request: Request): void {
    fetch(this.plugin, "users", new Call("POST", "/count"), (self, answer) => { log.info("counted: " + answer.text); });
    sleep(this.plugin, 50, (self, done) => { log.info("slept"); });
    request.header.set("x-aside", "1");
  }
}
plugin(() => new Aside(), "aside");

class Crash extends Filter {
  onRequest(request: Request): void {
    const a = new Array<i32>();
    log.info(a[I32.parseInt(request.header.get("x-i"))].toString());
  }
}
filter(() => new Crash(), "crash");

/** Retries for ever, with pauses. */
class Retries extends Filter {
  onRequest(request: Request): void { this.ask(); }
  ask(): void {
    fetch(this, "users", new Call("GET", "/"), (self, answer) => {
      if (answer.failed) sleep(self, 1000, (self, done) => { self.ask(); });
      else self.reply(200, answer.text);
    });
  }
}
filter(() => new Retries(), "retries");

class BothWays extends Filter {
  onRequest(request: Request): void { sleep(this, 10, (self, done) => { log.info("request"); }); }
  onRequestBody(chunk: Chunk): void { sleep(this, 10, (self, done) => { log.info("request body"); }); }
  onResponse(response: Response): void { sleep(this, 10, (self, done) => { self.response.header.set("x-late", "1"); }); }
  onResponseBody(chunk: Chunk): void {
    chunk.hold();
    sleep(this, 10, (self, done) => { log.info("response body"); });
  }
}
filter(() => new BothWays(), "bothways");

let word = "";
configured((config) => { word = config.string("word", "none"); });
every(60000, (plugin) => { log.info("tick " + word); });
class Word extends Filter {
  onRequest(request: Request): void { this.reply(200, word); }
}
filter(() => new Word());

export * from "../../assembly/exports";

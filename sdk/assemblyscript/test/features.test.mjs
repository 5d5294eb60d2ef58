import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "./build.mjs";

const filter = await build("features.ts");
const start = (rootId, options = {}) => filter.start({ rootId, ...options });
const lines = (host) => host.log.map((l) => l.message);

test("the hello filter sets a header", () => {
  const r = start("hello").exchange("/", () => ({ status: 201, body: ["a", "b"] }));
  assert.equal(r.header.get("x-hello"), "from AssemblyScript");
  assert.equal(r.status, 201);
  assert.equal(r.text, "ab");
});

test("headers of both sides are read and changed", () => {
  const host = start("headers");
  const r = host.exchange({ method: "POST", path: "/a?q=x%20y+z&no", header: { cookie: "a=1; b=2", "x-gone": "1" } },
    () => ({ header: { "set-cookie": ["a", "b"], empty: "" } }));
  assert.deepEqual(lines(host), ["POST /a?q=x%20y+z&no (/a) @ example.com http", "cookie 2, query x y z|"]);
  const up = r.upstream;
  assert.deepEqual([up.method, up.path, up.authority], ["PUT", "/elsewhere?q=x%20y+z&no", "other.example"]);
  assert.deepEqual(up.header.values("x-add"), ["1", "ü€😀"]);
  assert.equal(up.header.get("x-was"), "gone");
  assert.equal(up.header.get("x-long").length, 5000);
  assert.equal(up.header.has("x-gone"), false);
  assert.equal(r.header.get("x-all"), ":status=200;set-cookie=a;set-cookie=b;empty=;");
  assert.equal(r.header.get("x-path"), "/elsewhere?q=x%20y+z&no");
  assert.equal(r.status, 201);
});

test("each stream has a state of its own", () => {
  const host = start("state");
  for (const id of ["a", "b"]) assert.equal(host.exchange({ header: { "x-id": id } }).header.get("x-id"), id);
  assert.deepEqual(lines(host), ["end a 200", "end b 200"]);
});

test("replies", async (t) => {
  const host = start("replies");
  const never = () => assert.fail("the upstream is not to be asked");
  await t.test("text and fields", () => {
    const r = host.exchange("/", never);
    assert.equal(r.status, 403);
    assert.equal(r.text, "no");
    assert.deepEqual(r.header.values("x-why"), ["because", "so"]);
  });
  await t.test("elsewhere", () => {
    const r = host.exchange("/redirect", never);
    assert.deepEqual([r.status, r.header.get("location")], [302, "https://example.com/"]);
  });
  await t.test("bytes", () => assert.deepEqual([...host.exchange("/bytes", never).body], [7, 7, 7]));
  await t.test("the first counts", () => {
    assert.equal(host.exchange("/twice", never).status, 401);
    assert.deepEqual(lines(host), ["true false"]);
  });
  await t.test("in place of a response", () => {
    const r = host.exchange("/late", () => ({ body: "theirs" }));
    assert.deepEqual([r.status, r.text], [502, "instead"]);
  });
  await t.test("cut", () => assert.equal(host.open("/close", never).response, null));
});

for (const weir of [true, false]) {
  const where = weir ? "on weir" : "elsewhere";

  test(`bodies are transformed piece by piece, ${where}`, () => {
    const r = start("upper", { weir }).exchange({ body: ["ab", "cd", "e"] }, (q) => ({ body: [q.text, "x"] }));
    assert.equal(r.upstream.text, "ABCDE");
    assert.equal(r.text, "[ABCDE][x].");
  });

  test(`bodies with trailers are transformed to their end, ${where}`, () => {
    const r = start("upper", { weir }).exchange("/", () => ({ body: ["a", "b"], trailers: { t: "1" } }));
    assert.equal(r.text, "[a][b][].");
    assert.equal(r.trailers.get("t"), "1");
  });

  test(`a body can be held until it is whole, ${where}`, () => {
    const host = start("whole", { weir });
    assert.equal(host.exchange("/", () => ({ body: ["a c", "at ca", "t"] })).text, "a dog dog9");
    assert.equal(host.exchange("/", () => ({ body: ["c", "at"], trailers: { t: "1" } })).text, "dog3");
  });

  test(`each piece waits for an answer, ${where}`, () => {
    const host = start("asking", { weir, upstreams: { users: (c) => ({ body: c.text.toUpperCase(), delay: 10 }) } });
    const r = host.exchange({ body: ["a", "b", "c"] });
    assert.equal(r.upstream.text.replaceAll(/[<>]/g, ""), "abc");
    assert.equal(r.upstream.text[0], "<");
    assert.match(lines(host).join(), /^asked: A,asked: B/);
  });

  test(`calls are answered one after the other, ${where}`, () => {
    const host = start("fetches", {
      weir, upstreams: { users: (c) => c.path === "/second" ? { body: "two" } : { status: 404, header: { "x-name": "n" }, body: "one", trailers: { t: "tr" } } },
    });
    assert.equal(host.exchange("/").upstream.header.get("x-user"), "404nonetr+two");
    assert.deepEqual(host.calls.map((c) => [c.method, c.path, c.authority, c.text, c.header.get("x-token")]),
      [["POST", "/a?b=1", "users", "hi", "t"], ["GET", "/second", "users", "", undefined]]);
    assert.equal(host.late.size, 0);
  });

  test(`calls fail, ${where}`, () => {
    const refused = start("fetches", { weir, upstreams: { users: () => ({ error: "refused" }) } });
    assert.equal(refused.exchange("/").text, "nobody: 11");
    assert.deepEqual(lines(refused), ["the upstream gave no answer: refused"]);
    const denied = start("fetches", { weir });
    assert.equal(denied.exchange("/").text, weir ? "nobody: 16" : "nobody: 2");
    const large = start("fetches", { weir, upstreams: { users: () => ({ body: ["x".repeat(60), "y".repeat(60)] }) } });
    assert.equal(large.exchange("/").text, "nobody: 100");
    assert.equal(large.late.size, 0);
  });

  test(`a stream goes on when the last of several answers has come, ${where}`, () => {
    const host = start("together", { weir, upstreams: { users: (c) => ({ body: c.path, delay: 30 - 10 * Number(c.path.slice(1)) }) } });
    const s = host.open("/");
    host.advance(20);
    assert.equal(s.paused, true);
    host.advance(10);
    assert.deepEqual(s.response.upstream.header.values("x-n"), ["1/2", "2/1", "3/0"]);
  });

  test(`a client that leaves takes what it waits for along, ${where}`, () => {
    const host = start("fetches", { weir, upstreams: { users: () => ({ delay: 300 }) } });
    const s = host.open("/");
    assert.equal(s.paused, true);
    s.cancel();
    host.advance(2000);
    if (weir) assert.equal(host.late.size, 0);
    assert.equal(host.exchange("/", () => ({ status: 200 })).status, 200);
  });

  test(`what is waited for holds both directions and their bodies, ${where}`, () => {
    const host = start("bothways", { weir });
    const r = host.exchange({ body: ["a", "b"] }, () => ({ body: ["c", "d"] }));
    assert.equal(r.upstream.text, "ab");
    assert.equal(r.text, "cd");
    assert.equal(r.header.get("x-late"), "1");
  });
}

test("a body is read before its head goes on", async (t) => {
  const host = start("reads", { upstreams: { users: () => ({ body: "ada", delay: 5 }) } });
  await t.test("as it is", () => {
    const r = host.exchange({ body: ["abc", "def"] }, () => ({ body: ["xyz", "!"] }));
    assert.deepEqual([r.upstream.header.get("x-length"), r.upstream.text, r.header.get("x-sum"), r.text], ["6", "abcdef", "4", "xyz!"]);
  });
  await t.test("none", () => assert.equal(host.exchange("/").upstream.header.get("x-length"), "0"));
  await t.test("another in its place", () => {
    const up = host.exchange({ body: ["sw", "ap"], trailers: { t: "1" } }).upstream;
    assert.deepEqual([up.text, up.trailers.get("t")], ["swapped body", "1"]);
  });
  await t.test("after an answer", () => {
    const up = host.exchange({ body: "ask" }).upstream;
    assert.deepEqual([up.text, up.header.get("x-user")], ["asked", "ada"]);
  });
  await t.test("too large", () => {
    const r = host.exchange({ body: ["x".repeat(15), "y".repeat(15), "z".repeat(15)] });
    assert.deepEqual([r.status, r.text], [413, "too large"]);
  });
  await t.test("elsewhere", () => {
    const plain = start("reads", { weir: false });
    assert.equal(plain.exchange({ body: "abc" }).upstream.text, "abc");
    assert.deepEqual(lines(plain), ["not supported here"]);
  });
});

test("an answer is read as it comes", async (t) => {
  const host = start("streams", { upstreams: { users: () => ({ status: 206, body: ["a", "b", "c"] }) } });
  await t.test("to its end", () => {
    const up = host.exchange("/").upstream;
    assert.equal(up.header.get("x-head"), "206true");
    assert.deepEqual(up.header.values("x-piece"), ["a", "b", "c", ""]);
  });
  await t.test("or given up", () => {
    assert.deepEqual(host.exchange("/abandon").upstream.header.values("x-piece"), []);
    assert.equal(host.late.size, 0);
  });
  await t.test("until it breaks off", () => {
    const cut = start("streams", { upstreams: { users: () => ({ body: ["a", "b"], cut: true }) } });
    assert.deepEqual(cut.exchange("/").upstream.header.values("x-piece"), ["a", "b", "the upstream gave no answer: the body breaks off"]);
    assert.equal(cut.late.size, 0);
  });
});

test("the store", () => {
  const host = start("stores", { store: { users: { "u/a": "1", "u/b": "2", "u/c": "3", "u/d": "4", v: "5" } } });
  const get = (path) => host.exchange(path).text;
  get("/count");
  get("/count");
  assert.equal(host.store.get("").get("n").value.toString(), "2");
  assert.equal(get("/lost"), "truesomebody else was faster: another version");
  host.advance(1001);
  get("/count");
  assert.equal(host.store.get("").get("n").value.toString(), "1");
  assert.equal(get("/delete"), "");
  assert.equal(host.store.get("").has("n"), false);
  assert.equal(get("/list"), "u/b=2;u/c=3;");
  assert.equal(get("/"), 'true: not granted: grant the store "secret"');
  assert.equal(start("stores", { weir: false }).exchange("/count").text, "not supported here");
});

for (const weir of [true, false]) {
  test(`waiting is by the host's clock, ${weir ? "on weir" : "elsewhere, with its ticks"}`, () => {
    const host = start("sleeps", { weir });
    const s = host.open("/");
    host.advance(1499);
    assert.equal(s.paused, true);
    host.advance(1);
    assert.equal(s.response.upstream.header.get("x-slept"), "yes");
    assert.ok(host.events.every((e) => e.due >= 60000));
  });
}

test("who sleeps does not change the timer of the plugin, elsewhere", () => {
  const sleeper = start("sleeps", { weir: false, config: { word: "w" } });
  sleeper.advance(59000);
  const s = sleeper.open("/");
  sleeper.advance(2000);
  assert.equal(s.response.upstream.header.get("x-slept"), "yes");
  assert.deepEqual(lines(sleeper), ["tick w"]);
  sleeper.advance(60000);
  assert.deepEqual(lines(sleeper), ["tick w", "tick w"]);
});

test("events are read and written, however they are cut", () => {
  const event = (text) => `data: {"choices": [{"text": ${JSON.stringify(text)}}]}\r\n\r\n`;
  const all = Buffer.from("\ufeff" + event("hé\n") + ": a comment\n\nevent: end\nid: 7\ndata: [DONE]\ndata\n\n" + event("é") + "data: cut");
  const want = 'data: {"text":"HÉ\\u000a"}\n\nevent: end!\nid: 7\ndata: [DONE]\ndata: \n\ndata: {"text":"É"}\n\n';
  const host = start("rewords");
  for (const n of [1, 2, 3, 7, 1000]) {
    const body = [];
    for (let i = 0; i < all.length; i += n) body.push(all.subarray(i, i + n));
    assert.equal(host.exchange("/", () => ({ body })).text, want, `in pieces of ${n}`);
  }
});

test("functions of the host's, its clock, and who asks", () => {
  const host = start("asks", { properties: { "source.address": "192.0.2.1:7" } });
  host.advance(1234);
  assert.equal(host.exchange().text, "no 1234 192.0.2.1:7");
});

test("passwords, keys and randomness", () => {
  const host = start("secrets", { keys: { k: "key" } });
  assert.equal(host.exchange({ header: { "x-password": "wrong" } }).status, 401);
  const up = host.exchange({ header: { "x-password": "secret" } }).upstream.header;
  assert.deepEqual([up.get("x-random"), up.get("x-algorithm"), up.get("x-right")], ["16", "HS256", "true"]);
  assert.equal(up.get("x-denied"), 'false not granted: grant the key "other"');
  assert.equal(start("secrets", { weir: false }).exchange("/").status, 501);
});

test("server-sent events", async (t) => {
  const host = start("events");
  await t.test("to the end", () => {
    const r = host.exchange("/", () => assert.fail("no"));
    assert.equal(r.header.get("content-type"), "text/event-stream");
    assert.equal(r.text.split("\n\n").length, 6);
    assert.match(r.text, /^event: tick\nid: 1\ndata: line 1\ndata: line 1\n\n/);
    assert.equal(r.trailers.get("x-end"), "1");
  });
  await t.test("as fast as the client takes them", () => {
    const s = host.open({ window: 1 });
    assert.equal(s.reply.body.length, 1);
    s.take();
    assert.equal(s.reply.body.length, 2);
    for (let i = 0; i < 4; i++) s.take();
    assert.equal(s.response.text.split("\n\n").length, 6);
  });
  await t.test("until the client leaves", () => {
    const s = host.open("/");
    s.cancel();
    host.advance(1000);
    assert.equal(host.late.size, 0);
  });
  await t.test("elsewhere", () => assert.equal(start("events", { weir: false }).exchange("/").status, 501));
});

test("early hints", () => {
  const host = start("hints");
  assert.deepEqual(host.exchange("/").hints.map((h) => [h.status, h.header.get("link")]), [[103, "</a.css>; rel=preload"]]);
  const plain = start("hints", { weir: false });
  plain.exchange("/");
  assert.deepEqual(lines(plain), ["hinted: false"]);
});

test("metrics, properties and shared data", () => {
  const host = start("knows", { properties: { "source.address": "192.0.2.1:1" } });
  host.exchange("/", () => ({ status: 404 }));
  assert.deepEqual(host.metrics, { hits: 3, level: 7, sizes: [5] });
  assert.deepEqual(lines(host), ["3 7", "192.0.2.1:1||-1", "true1", "falsetruev", "falsetrue", "weir: true", "code 404"]);
});

test("the configuration", async (t) => {
  await t.test("has defaults", () => {
    const host = start("config", { config: "" });
    assert.equal(host.exchange("/").header.get("x-greeting"), "hello ");
    assert.deepEqual(lines(host), ["false7 0.5 1false", "250 65536"]);
  });
  await t.test("is read by types", () => {
    const host = start("config", { config: { greeting: "hé \"\n\u{1f600}", names: ["a", "b"], loud: true, n: -12, f: 1.5e3, limits: { body: 9 }, x: 1, rules: { to: "r" }, wait: "1d1m30s250ms500us", most: "1.5MB", map: { k: "v" } } });
    assert.equal(host.exchange("/").header.get("x-greeting"), "hé \"\n\u{1f600} a,b");
    assert.deepEqual(lines(host), ["true-12 1500.0 9true", "rule r", "86490250 1500000", "k:v"]);
  });
  await t.test("is refused, and all that is wrong is said", () => {
    assert.deepEqual(filter.refuses({ greeting: 1, names: ["a", 2], n: 1.5, limits: { bodi: 1 }, rules: [{}, 7, { to: "x", too: 1 }], colour: "red", wait: "soon", most: "1 lot" }, { rootId: "config" }).filter((l) => l.startsWith("conf")), ["configuration refused: " + [
      "greeting: must be a text, not a number",
      "names[1]: must be a text, not a number",
      "n: must be a whole number, not 1.5",
      "rules[1]: must be an object, not a number",
      "rules[0].to: is missing",
      'wait: "soon" is no time; want one such as "1m30s"',
      'most: "1 lot" is no size; want one such as "64KiB"',
      "limits.bodi: there is no such setting",
      "rules[2].too: there is no such setting",
      "colour: there is no such setting",
    ].join("; ")]);
    assert.match(filter.refuses('{"a": 1,\n "a": 2}', { rootId: "config" }).at(-1), /line 2, column \d+: "a" is there twice/);
    assert.match(filter.refuses("[1]", { rootId: "config" }).at(-1), /must be an object, not a list/);
  });
  await t.test("may be something else", () => {
    assert.deepEqual(lines(start("raw", { config: "key = value" })), ["raw: key = value"]);
  });
  await t.test("may go into variables", () => {
    assert.equal(start("", { config: { word: "w" } }).exchange("/").text, "w");
  });
  await t.test("wants a filter that there is", () => {
    assert.deepEqual(filter.refuses("", { rootId: "nobody" }), ['no filter is registered with the root_id "nobody"']);
  });
});

test("work in the background", () => {
  const host = start("ticks", { upstreams: { users: () => ({ body: "done", delay: 100 }) } });
  assert.equal(host.exchange("/").text, "0never");
  host.advance(1050);
  assert.equal(host.exchange("/").text, "1never");
  host.advance(10000);
  assert.equal(host.exchange("/").text, "3done");
  const every = start("", { config: { word: "w" } });
  every.advance(60000);
  assert.deepEqual(lines(every), ["tick w"]);
});

for (const weir of [true, false]) {
  test(`what a plugin asks holds no request back, ${weir ? "on weir" : "elsewhere"}`, () => {
    const host = start("aside", { weir, upstreams: { users: () => ({ body: "1", delay: 100 }) } });
    const s = host.open("/");
    assert.equal(s.response.upstream.header.get("x-aside"), "1");
    host.advance(100);
    assert.deepEqual(lines(host), ["slept", "counted: 1"]);
  });
}

test("a crash says why and where", () => {
  const host = start("crash");
  assert.throws(() => host.exchange({ header: { "x-i": "5" } }), /^Error: Index out of range ~lib\/array\.ts:\d+:\d+$/);
});

test("a filter may try again and again", () => {
  let n = 0;
  const host = start("retries", { upstreams: { users: () => ++n < 5 ? { error: "down" } : { body: "up" } } });
  assert.equal(host.exchange("/").text, "up");
  assert.equal(host.clock, 4000);
});

test("over the limit of calls, functions fail", () => {
  const host = start("together", { limits: { calls: 2 }, upstreams: { users: () => ({ body: "x" }) } });
  assert.deepEqual(host.exchange("/").upstream.header.values("x-n"), ["1", "2x", "3x"]);
});

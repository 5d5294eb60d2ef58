package main

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestCorpus_ProxyWasm runs filters of other people's SDKs, unchanged.
func TestCorpus_ProxyWasm(t *testing.T) {
	t.Parallel()
	p := startGuests(t, proxyWasmCases)
	testGuests(t, p, proxyWasmCases)
	t.Run("metrics of guests are weir's", func(t *testing.T) {
		text, err := adminClient{p.admin}.do("GET", "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?m)^.*proxy_wasm_go.request_counter.* (\d+)$`).FindStringSubmatch(text); m == nil || m[1] != "9" {
			t.Errorf("the guest's counter: %q, want 9 requests counted in\n%s", m, text)
		}
	})
	t.Run("ticks come without requests", func(t *testing.T) {
		p.awaitOutput(t, "OnTick called")
	})
	t.Run("queues reach other plugins", func(t *testing.T) {
		p.awaitOutput(t, `dequeued data from http_request_headers`)
		p.awaitOutput(t, `dequeued data from http_response_headers`)
	})
}

var proxyWasmCases = []guestCase{
	{guest: "go/http_headers", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/a?b=c", "", "Test", "worst")
		expect(t, "status", got.status, 200)
		expect(t, "test", strings.Join(got.seen.Header["Test"], ","), "best")
		expect(t, "target", got.seen.Target, "/a?b=c")
	}},
	{guest: "go/http_body", test: func(t *testing.T, a *asker) {
		for operation, want := range map[string]string{
			"append": "abc[this is appended body]", "prepend": "[this is prepended body]abc", "replace": "[this is replaced body]",
			"": "[this is replaced body]",
		} {
			got := a.do(t, "POST", "/", "abc", "Buffer-Operation", operation)
			expect(t, operation+": status", got.status, 200)
			expect(t, operation+": body", got.seen.Body, want)
		}
		long := strings.Repeat("0123456789abcdef", 40_000) // many reads
		expect(t, "long body", a.do(t, "POST", "/", long, "Buffer-Operation", "append").seen.Body == long+"[this is appended body]", true)
		got := a.do(t, "GET", "/", "")
		expect(t, "no body: status", got.status, 400)
		expect(t, "no body: answer", got.body, "content must be provided")
	}},
	{guest: "go/http_body", name: "echo", plugin: "config: echo", test: func(t *testing.T, a *asker) {
		got := a.do(t, "POST", "/", "come back")
		expect(t, "status", got.status, 200)
		expect(t, "body", got.body, "come back")
		expect(t, "upstream", got.header.Get("X-Upstream"), "")
	}},
	{guest: "go/http_auth_random", plugin: "grants: {upstreams: [httpbin]}", test: func(t *testing.T, a *asker) {
		for text := range map[string]bool{"a": true, "b": true, "": true, "some longer text": true, "another": true} {
			want := 200
			if h := fnv.New32a(); text != "" {
				h.Write([]byte(text))
				if h.Sum32()%2 == 1 {
					want = 403
				}
			}
			got := a.do(t, "GET", "/", "", "X-Answer", text)
			expect(t, fmt.Sprintf("%q: status", text), got.status, want)
			if want == 403 {
				expect(t, "body", got.body, "access forbidden")
				expect(t, "powered-by", got.header.Get("Powered-By"), "proxy-wasm-go-sdk!!")
			}
		}
	}},
	{guest: "go/http_routing", test: func(t *testing.T, a *asker) {
		hosts := map[string]int{}
		for range 40 {
			got := a.do(t, "GET", "/", "")
			expect(t, "status", got.status, 200)
			hosts[got.seen.Host]++
		}
		canary := hosts[a.host+"-canary"]
		if len(hosts) != 2 || canary == 0 || canary == 40 || hosts[a.host]+canary != 40 {
			t.Errorf("hosts that the upstream saw: %v, want about half of them with -canary", hosts)
		}
	}},
	{guest: "go/metrics", test: func(t *testing.T, a *asker) {
		for range 3 {
			expect(t, "status", a.do(t, "GET", "/", "").status, 200)
		}
	}},
	sharedDataCase(),
	{guest: "go/helloworld", test: func(t *testing.T, a *asker) {
		expect(t, "status", a.do(t, "GET", "/", "").status, 200)
		a.p.awaitOutput(t, "OnPluginStart from Go!")
	}},
	{guest: "go/postpone_requests", test: func(t *testing.T, a *asker) {
		start := time.Now()
		got := a.do(t, "GET", "/later", "")
		expect(t, "target", got.seen.Target, "/later")
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v, want the guest's next tick, of a second", took)
		}
	}},
	{guest: "go/vm_plugin_configuration", plugin: "config: the plugin's, vm_config: {the: machine's}", test: func(t *testing.T, a *asker) {
		a.p.awaitOutput(t, "plugin config: the plugin's")
		a.p.awaitOutput(t, `vm config: {\"the\":\"machine's\"}`)
	}},
	{guest: "go/shared_queue/receiver", name: "requests", plugin: "config: http_request_headers, vm_id: receiver", test: asksNothing},
	{guest: "go/shared_queue/receiver", name: "responses", plugin: "config: http_response_headers, vm_id: receiver", test: asksNothing},
	{guest: "go/shared_queue/sender", plugin: "config: http, vm_id: sender", test: func(t *testing.T, a *asker) {
		expect(t, "status", a.do(t, "GET", "/", "").status, 200)
	}},
	{guest: "go/dispatch_call_on_tick", test: refuses},
	{guest: "go/foreign_call_on_tick", test: refuses},
	{guest: "go/network", test: refuses},
	{guest: "rust/headers", test: rustHeaders},
	{guest: "rust-wasi/headers", test: rustHeaders},
	{guest: "rust/redact", test: func(t *testing.T, a *asker) {
		got := a.do(t, "POST", "/", "my secret and my other secret")
		expect(t, "request body", got.seen.Body, "my [redacted] and my other [redacted]")
		expect(t, "harmless request body", a.do(t, "POST", "/", "nothing").seen.Body, "nothing")
		expect(t, "response body", a.do(t, "GET", "/say?a+secret", "").body, "a [redacted]")
		expect(t, "harmless response body", a.do(t, "GET", "/say?nothing", "").body, "nothing")
		long := strings.Repeat("a secret, ", 20_000)
		expect(t, "long request body", a.do(t, "PUT", "/", long).seen.Body == strings.ReplaceAll(long, "secret", "[redacted]"), true)
	}},
	{guest: "rust/config", plugin: `config: "x-config: eleven"`, test: func(t *testing.T, a *asker) {
		expect(t, "x-config", a.do(t, "GET", "/", "").header.Get("X-Config"), "eleven")
	}},
	{guest: "rust/config", name: "twice", plugin: `config: "x-config: twelve"`, test: func(t *testing.T, a *asker) {
		expect(t, "x-config", a.do(t, "GET", "/", "").header.Get("X-Config"), "twelve")
	}},
	{guest: "rust/call", plugin: "grants: {upstreams: [auth]}", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "", "X-Token", "sesame")
		expect(t, "status", got.status, 200)
		expect(t, "x-user", got.seen.Header.Get("X-User"), "ali")
		got = a.do(t, "GET", "/", "", "X-Token", "wrong")
		expect(t, "wrong token: status", got.status, 401)
		expect(t, "wrong token: body", got.body, "no such token")
		expect(t, "wrong token: x-reason", got.header.Get("X-Reason"), "auth")
		got = a.do(t, "POST", "/", "kept while the guest asks", "X-Token", "sesame")
		expect(t, "body behind the call", got.seen.Body, "kept while the guest asks")
	}},
	{guest: "rust/call", name: "ungranted", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "", "X-Token", "sesame")
		expect(t, "status", got.status, 500)
		expect(t, "upstream", got.header.Get("X-Upstream"), "")
	}},
	{guest: "rust/grpc", plugin: "grants: {upstreams: [echo]}", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "", "X-Say", "hello")
		expect(t, "status of gRPC", got.seen.Header.Get("X-Grpc-Status"), "0")
		expect(t, "message of gRPC", got.seen.Header.Get("X-Grpc-Message"), "rust says hello")
		expect(t, "failed call", a.do(t, "GET", "/", "", "X-Say", "fail").seen.Header.Get("X-Grpc-Status"), "5")
	}},
	{guest: "rust/queue", plugin: "vm_id: queue", test: func(t *testing.T, a *asker) {
		count := func() int {
			n, err := strconv.Atoi(a.do(t, "GET", "/count", "").body)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		want := count() + 5
		for range 5 {
			expect(t, "status", a.do(t, "GET", "/", "").status, 200)
		}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		got := count()
		for i := 0; got < want && i < 250; i++ {
			<-tick.C
			got = count()
		}
		expect(t, "taken out of the queue", got, want)
	}},
	{guest: "rust/effective", test: func(t *testing.T, a *asker) {
		var all sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			all.Go(func() {
				got, err := a.try(t.Context(), "GET", fmt.Sprint("/", i), "")
				if err != nil || got.seen.Target != fmt.Sprint("/", i) {
					t.Errorf("request %d: %d %q, %v", i, got.status, got.seen.Target, err)
				}
				ids[i] = got.seen.Header.Get("X-Context")
			})
		}
		all.Wait()
		for i, id := range ids {
			if id == "" {
				t.Errorf("request %d has no x-context: %q", i, ids)
			}
		}
	}},
	{guest: "assemblyscript", plugin: "config: weir, root_id: add_header", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "")
		expect(t, "status", got.status, 200)
		expect(t, "hello", got.header.Get("Hello"), "weir")
		expect(t, "x-assembly", got.seen.Header.Get("X-Assembly"), "script")
	}},
	{guest: "c/headers", test: func(t *testing.T, a *asker) {
		got := a.do(t, "GET", "/", "", "X-User", "ada")
		expect(t, "x-seen", got.seen.Header.Get("X-Seen"), "ada")
		expect(t, "x-made-with", got.header.Get("X-Made-With"), "C")
		expect(t, "x-seen without x-user", a.do(t, "GET", "/", "").seen.Header.Get("X-Seen"), "")
	}},
	{guest: "mosn", test: func(t *testing.T, a *asker) {
		expect(t, "status", a.do(t, "GET", "/", "", "X-Mosn", a.proto).status, 200)
		a.p.awaitOutput(t, "print from wasm, x-mosn -> "+a.proto)
	}},
}

// sharedDataCase has ten requests at a time count, on two instances: the guest logs the
// number after each.
func sharedDataCase() guestCase {
	var asked atomic.Int64 // over all protocols
	burst := func(t *testing.T, a *asker, n int) {
		t.Helper()
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				asked.Add(1)
				if got, err := a.try(t.Context(), "GET", "/", ""); err != nil || got.status != 200 {
					t.Errorf("%d, %v", got.status, err)
				}
			})
		}
		all.Wait()
	}
	line := regexp.MustCompile(`shared value: (\d+)`)
	logged := func(t *testing.T, a *asker) (last int) {
		t.Helper()
		burst(t, a, 1) // its line comes after all others
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range 500 {
			if all := line.FindAllStringSubmatch(a.p.output(), -1); len(all) == int(asked.Load()) {
				n, err := strconv.Atoi(all[len(all)-1][1])
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			<-tick.C
		}
		t.Fatalf("the guest has not logged a value for each of %d requests", asked.Load())
		return 0
	}
	return guestCase{guest: "go/shared_data", plugin: "limits: {instances: 2, logs: 10000}", test: func(t *testing.T, a *asker) {
		for i := 0; i < 5 || a.p.metric(t, `weir_plugin_instances{plugin="go-shared-data"}`) < 2; i++ {
			if burst(t, a, 10); i == 500 {
				t.Fatal("one instance had all requests")
			}
		}
		before := logged(t, a)
		burst(t, a, 10)
		after := logged(t, a)
		if after < before {
			// Every instance begins with setting the value anew; this was the second one.
			before = after
			burst(t, a, 10)
			after = logged(t, a)
		}
		expect(t, "requests counted", after-before, 11)
	}}
}

// asksNothing leaves a guest to its other work.
func asksNothing(*testing.T, *asker) {}

// refuses is a guest that has nothing for requests, and fails when it gets one: the
// client gets an error and no details, whatever comes next is served.
func refuses(t *testing.T, a *asker) {
	for range 2 {
		got := a.do(t, "GET", "/", "")
		if got.status != 500 && got.status != 503 || got.header.Get("X-Upstream") != "" || strings.Contains(got.body, "wasm") {
			t.Errorf("%d %q, want an error of weir's without details", got.status, got.body)
		}
	}
}

func rustHeaders(t *testing.T, a *asker) {
	got := a.do(t, "GET", "/", "", "X-Remove", "me", "X-Replace", "me")
	expect(t, "status", got.status, 200)
	expect(t, "x-remove", got.seen.Header.Get("X-Remove"), "")
	expect(t, "x-replace", got.seen.Header.Get("X-Replace"), "by rust")
	expect(t, "x-add", strings.Join(got.seen.Header["X-Add"], ","), "one,two")
	expect(t, "x-rust", got.header.Get("X-Rust"), "saw 200")
	expect(t, "x-upstream", got.header.Get("X-Upstream"), "")
	got = a.do(t, "GET", "/deny", "")
	expect(t, "denied: status", got.status, 403)
	expect(t, "denied: body", got.body, "not here\n")
	expect(t, "denied: x-rust", got.header.Get("X-Rust") != "", true)
}

//! Filters that wait.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use weir::test::{Answer, Host};
use weir::*;

const SECOND: Duration = Duration::from_secs(1);

async fn gate(mut request: Request, next: Next) -> Result<Response> {
    let call = Call::post("/check", "who").header("x-cookie", request.header().get("cookie").unwrap_or_default());
    let mut answer = fetch("users", call.timeout(3 * SECOND)).await?;
    if !answer.ok() {
        return Ok(reply(answer.status(), "no"));
    }
    let user = answer.body().text(100).await?;
    request.header_mut().set("x-user", user);
    next.run(request).await
}

#[test]
fn fetches_before_the_request_goes_on() {
    let users = |call: &test::Sent| {
        assert_eq!(
            (call.method.as_str(), call.text().as_str(), call.header(":authority")),
            ("POST", "who", Some("users"))
        );
        match call.header("x-cookie") {
            Some("") => Answer::new(401),
            _ => Answer::new(200).body("a").body("nn").pauses(SECOND).after(SECOND),
        }
    };
    for host in [Host::new(gate).upstream("users", users), Host::new(gate).upstream("users", users).plain()] {
        let got = host.get("/").header("cookie", "1").send();
        assert_eq!(got.upstream.unwrap().header("x-user"), Some("ann"));
        let got = host.get("/").send();
        assert_eq!((got.status, got.upstream.is_none()), (401, true));
        assert_eq!(host.calls().len(), 2);
        assert_eq!(host.waiting(), 0);
    }
}

#[test]
fn calls_that_fail_are_errors() {
    async fn filter(request: Request, _: Next) -> Result<Response> {
        match fetch(&request.path()[1..], Call::get("/").timeout(SECOND)).await {
            Ok(_) => Ok(Response::new(200)),
            Err(e) => Ok(reply(502, &format!("{:?} {}", e.kind(), e))),
        }
    }
    let host = Host::new(filter)
        .upstream("down", |_| Answer::broken("connection refused"))
        .upstream("slow", |_| Answer::new(200).after(5 * SECOND))
        .upstream("odd", |_| Answer::new(0).header(":status", "x"));
    assert_eq!(host.get("/down").send().text(), "Broken fetch down: connection refused");
    let got = host.get("/slow").send();
    assert_eq!((got.text().as_str(), got.took), ("Broken fetch slow: it took too long", SECOND));
    assert_eq!(host.get("/none").send().text(), "Denied fetch none: grants: {upstreams: [none]}");
    let host = Host::new(filter).upstream("down", |_| Answer::broken("connection refused")).plain();
    assert_eq!(host.get("/down").send().text(), "Broken fetch down: connection refused");
    assert_eq!(host.get("/none").send().text(), "BadArgument fetch none: refused");
}

#[test]
fn many_wait_at_once() {
    let host = Host::new(gate).upstream("users", |_| Answer::new(200).body("ann").after(SECOND));
    let all: Vec<_> = (0..1000).map(|_| host.get("/").start()).collect();
    assert!(all.iter().all(|x| !x.over()));
    assert_eq!(host.waiting(), 1000);
    for exchange in all {
        let got = exchange.finish();
        assert_eq!((got.status, got.took), (200, SECOND));
    }
}

#[test]
fn sleeps_and_goes_on() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        sleep(3 * SECOND).await?;
        let response = next.run(request).await?;
        sleep(2 * SECOND).await?;
        Ok(response)
    }
    for host in [Host::new(filter), Host::new(filter).plain()] {
        let got = host.post("/", "abc").send();
        assert_eq!((got.took, got.upstream.unwrap().text().as_str()), (5 * SECOND, "abc"));
    }
}

#[test]
fn gives_up_what_takes_too_long() {
    async fn filter(request: Request, _: Next) -> Result<Response> {
        let wait = if request.path() == "/short" { SECOND } else { 5 * SECOND };
        let (a, b) = timeout(2 * SECOND, both(sleep(wait), async { 7 })).await?;
        a?;
        Ok(reply(200, &b.to_string()))
    }
    for host in [Host::new(filter), Host::new(filter).plain()] {
        assert_eq!(host.get("/short").send().text(), "7");
        let got = host.get("/long").send();
        assert_eq!((got.status, got.took), (500, 2 * SECOND));
        assert_eq!((host.log(), host.waiting()), (vec!["error: filter: it took too long".into()], 0));
    }
}

#[test]
fn a_client_that_leaves_ends_the_filter() {
    struct Left(Rc<Cell<u32>>);
    impl Drop for Left {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            log::info("left");
        }
    }
    let left = Rc::new(Cell::new(0));
    let count = left.clone();
    let filter = move |request: Request, next: Next| {
        let left = Left(count.clone());
        async move {
            let _left = left;
            fetch("users", Call::get("/")).await?;
            next.run(request).await
        }
    };
    let host = Host::new(filter).upstream("users", |_| Answer::new(200).after(SECOND));
    let (gone, stays) = (host.get("/").start(), host.get("/").start());
    assert!(gone.cancel().cut);
    assert_eq!((left.get(), host.waiting()), (1, 1));
    assert_eq!(host.log(), ["info: left"]);
    assert_eq!(stays.finish().status, 200);
    assert_eq!((left.get(), host.waiting()), (2, 0));
}

#[test]
fn an_answer_of_somebody_else_ends_the_filter() {
    for host in [Host::new(gate), Host::new(gate).plain()] {
        let host = host.upstream("users", |_| Answer::new(200).after(SECOND));
        let got = host.post("/", "abc").start().answered(Answer::new(429).body("slow down"));
        assert_eq!((got.status, got.text().as_str(), got.upstream.is_none()), (429, "slow down", true));
    }
}

#[test]
fn runs_something_now_and_then() {
    fn new(_: &mut Config) -> Result<impl Filter> {
        every(10 * SECOND, || async {
            let answer = fetch("list", Call::get("/")).await?;
            metrics::gauge("list").set(u64::from(answer.status()));
            Ok(())
        });
        Ok(|request: Request, next: Next| next.run(request))
    }
    for host in [Host::configured(new), Host::configured(new).plain()] {
        let host = host.upstream("list", |_| Answer::new(203).after(SECOND));
        assert_eq!(host.get("/").send().status, 200);
        host.advance(31 * SECOND);
        assert_eq!((host.calls().len(), host.metric("list")), (2, Some(203)));
        host.advance(SECOND);
        assert_eq!(host.calls().len(), 3);
    }
}

#[test]
fn reads_and_writes_the_store() {
    async fn filter(_: Request, _: Next) -> Result<Response> {
        let entry = store::get("a").await?.unwrap();
        assert_eq!(entry.value, b"1");
        let version = store::put("a", "2").version(entry.version).ttl(SECOND).await?;
        assert_eq!(store::put("a", "3").version(entry.version).await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(store::put("a", "3").absent().await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(store::get("a").await?.unwrap(), store::Entry { key: "a".into(), value: b"2".to_vec(), version });
        store::put("b", "4").absent().await?;
        let keys = |all: Vec<store::Entry>| all.into_iter().map(|e| e.key).collect::<Vec<_>>().concat();
        assert_eq!(keys(store::list("", "", 10).await?), "ab");
        assert_eq!(keys(store::list("", "a", 10).await?), "b");
        sleep(SECOND).await?;
        assert_eq!(store::get("a").await?, None);
        assert_eq!(store::delete("b").version(1 << 40).await.unwrap_err().kind(), Kind::Conflict);
        store::delete("b").await?;
        assert_eq!(store::get("").await.unwrap_err().kind(), Kind::BadArgument);
        let denied = store::space("others").get("a").await.unwrap_err();
        assert_eq!((denied.kind(), denied.text()), (Kind::Denied, "weir.store.get: grants: {store: [others]}"));
        assert_eq!(store::space("ours").get("a").await?, None);
        store::put("c", "5").await?;
        Ok(Response::new(200))
    }
    let host = Host::new(filter).entry("a", "1").space("ours");
    assert_eq!(host.get("/").send().status, 200, "{:?}", host.log());
    assert_eq!((host.stored("a"), host.stored("c")), (None, Some(b"5".to_vec())));
}

#[test]
fn keeps_secrets_with_the_host() {
    async fn filter(_: Request, _: Next) -> Result<Response> {
        let hash = password::hash("secret").await?;
        assert!(password::verify(&hash, "secret").await?.right);
        assert!(!password::verify(&hash, "guess").await?.right);
        let signature = sign("cookies", "ann").await?;
        assert_eq!(signature.algorithm, "HS256");
        assert!(verify("cookies", "ann", &signature.bytes).await?);
        assert!(!verify("cookies", "bob", &signature.bytes).await?);
        assert_eq!(sign("other", "ann").await.unwrap_err().kind(), Kind::Denied);
        assert_ne!(random(32)?, random(32)?);
        assert_eq!(random(0).unwrap_err().kind(), Kind::BadArgument);
        Ok(Response::new(200))
    }
    let host = Host::new(filter).key("cookies");
    assert_eq!(host.get("/").send().status, 200, "{:?}", host.log());
}

#[test]
fn elsewhere_says_what_it_cannot() {
    async fn filter(request: Request, _: Next) -> Result<Response> {
        assert_eq!(store::get("a").await.unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(store::put("a", "b").await.unwrap_err().text(), "weir.store.put: not supported here");
        assert_eq!(password::hash("a").await.unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(sign("a", "b").await.unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(random(1).unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(request.body().chunk().await.unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(request.early_hints(&[]).unwrap_err().kind(), Kind::Unsupported);
        Ok(Response::new(200))
    }
    let host = Host::new(filter).plain();
    assert_eq!(host.post("/", "body").send().status, 200, "{:?}", host.log());
}

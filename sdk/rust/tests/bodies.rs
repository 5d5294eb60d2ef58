//! Bodies that are read, written and transformed.

use std::time::Duration;
use weir::test::{Answer, Host};
use weir::*;

const SECOND: Duration = Duration::from_secs(1);

/// Every byte by itself.
fn bytes(answer: Answer, text: &str) -> Answer {
    text.bytes().fold(answer, |a, b| a.body([b]))
}

#[test]
fn request_body_is_read_and_goes_on() {
    async fn filter(mut request: Request, next: Next) -> Result<Response> {
        let body = request.body().text(10).await?;
        request.header_mut().set("x-body", body);
        next.run(request).await
    }
    let host = Host::new(filter);
    let got = host.post("/", "ab").body("cd").trailer("x-t", "1").send();
    let sent = got.upstream.unwrap();
    assert_eq!((sent.header("x-body"), sent.text().as_str(), sent.trailer.len()), (Some("abcd"), "abcd", 1));
    assert_eq!(host.get("/").send().upstream.unwrap().header("x-body"), Some(""));
    let got = host.post("/", "12345678").body("9ab").send();
    assert_eq!((got.status, got.upstream.is_none()), (500, true));
    assert_eq!(host.log(), ["error: filter: read body: it is longer than it may be"]);
}

#[test]
fn request_body_is_taken_chunk_by_chunk() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        let mut body = request.body().take();
        let mut seen = Vec::new();
        while let Some(chunk) = body.chunk().await? {
            seen.push(String::from_utf8(chunk)?);
            if seen.len() == 2 && request.path() == "/part" {
                break;
            }
        }
        log::info(&seen.join("|"));
        next.run(request).await
    }
    let host = Host::new(filter);
    let ask = || host.post("/", "ab").header("content-length", "5").body("c").body("de");
    let sent = ask().send().upstream.unwrap();
    assert_eq!((sent.text().as_str(), sent.header("content-length")), ("", None));
    let sent = host.post("/part", "ab").body("c").body("de").send().upstream.unwrap();
    assert_eq!(sent.text(), "de");
    assert_eq!(host.log(), ["info: ab|c|de", "info: ab|c"]);
}

#[test]
fn request_body_may_take_its_time() {
    async fn filter(request: Request, _: Next) -> Result<Response> {
        let mut body = request.body();
        let first = body.chunk().await?;
        log::info(&format!("{:?}", first.map(|c| c.len())));
        Ok(reply(200, &body.text(100).await?))
    }
    let host = Host::new(filter);
    let exchange = host.post("/", "").open().start();
    assert!(host.log().is_empty() && !exchange.over());
    exchange.send("abc");
    assert_eq!(host.log(), ["info: Some(3)"]);
    exchange.send("de");
    exchange.send("f");
    exchange.end();
    assert_eq!(exchange.finish().text(), "def");
}

#[test]
fn request_body_is_replaced() {
    async fn filter(mut request: Request, next: Next) -> Result<Response> {
        if request.path() == "/read" {
            let body = request.body().text(100).await?;
            request.set_body(body.to_uppercase());
        } else {
            request.set_body("new");
        }
        next.run(request).await
    }
    let host = Host::new(filter);
    assert_eq!(host.post("/read", "ab").body("cd").send().upstream.unwrap().text(), "ABCD");
    for host in [Host::new(filter), Host::new(filter).plain()] {
        let sent = host.post("/", "ab").body("cd").send().upstream.unwrap();
        assert_eq!((sent.text().as_str(), sent.header("content-length")), ("new", Some("3")));
    }
}

#[test]
fn response_body_is_read_and_goes_on() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        let mut response = next.run(request).await?;
        let body = response.body().text(100).await?;
        response.header_mut().set("x-length", body.len().to_string());
        if body.contains("secret") {
            return Ok(reply(451, "no"));
        }
        Ok(response)
    }
    let host = Host::new(filter).backend(|r| Answer::new(200).body("abc").body(r.path.clone()).pauses(SECOND));
    let got = host.get("/").send();
    assert_eq!((got.text().as_str(), got.header("x-length"), got.took), ("abc/", Some("4"), 2 * SECOND));
    assert_eq!(host.get("/secret").send().status, 451);
}

async fn upper(mut body: Reader, mut out: Writer) -> Result<()> {
    while let Some(chunk) = body.chunk().await? {
        out.write(chunk.to_ascii_uppercase()).await?;
    }
    out.write("!").await
}

#[test]
fn bodies_are_transformed_on_their_way() {
    async fn filter(mut request: Request, next: Next) -> Result<Response> {
        request.transform(upper);
        let mut response = next.run(request).await?;
        response.transform(upper);
        Ok(response)
    }
    let backend = |_: &test::Sent| bytes(Answer::new(200).header("content-length", "8"), "response");
    for host in [Host::new(filter).backend(backend), Host::new(filter).backend(backend).plain()] {
        let ask = "request".bytes().fold(host.post("/", "a"), |a, b| a.body([b]));
        let got = ask.send();
        assert_eq!((got.text().as_str(), got.header("content-length")), ("RESPONSE!", None));
        assert_eq!(got.upstream.unwrap().text(), "AREQUEST!");
        // What has no body keeps none.
        assert_eq!(host.get("/").send().upstream.unwrap().text(), "");
        assert!(host.log().is_empty(), "{:?}", host.log());
    }
}

#[test]
fn transforms_end_with_trailers_too() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        let mut response = next.run(request).await?;
        response.transform(upper);
        Ok(response)
    }
    let backend = |_: &test::Sent| Answer::new(200).body("ab").body("cd").trailer("x-t", "1");
    for host in [Host::new(filter).backend(backend), Host::new(filter).backend(backend).plain()] {
        let got = host.get("/").send();
        assert_eq!((got.text().as_str(), got.trailer.len()), ("ABCD!", 1), "{:?}", host.log());
    }
}

#[test]
fn transforms_may_wait() {
    async fn words(mut body: Reader, mut out: Writer) -> Result<()> {
        while let Some(chunk) = body.chunk().await? {
            out.write("<").await?;
            let mut answer = fetch("words", Call::post("/", chunk)).await?;
            out.write(answer.body().read(100).await?).await?;
            sleep(SECOND).await?;
            out.write(">").await?;
        }
        sleep(SECOND).await?;
        out.write(".").await
    }
    async fn filter(request: Request, next: Next) -> Result<Response> {
        let mut response = next.run(request).await?;
        response.transform(words);
        Ok(response)
    }
    let make = |host: Host| {
        host.backend(|_| Answer::new(200).body("a").body("b").body("c"))
            .upstream("words", |call| Answer::new(200).body(call.text().repeat(2)).after(SECOND))
    };
    let got = make(Host::new(filter)).get("/").send();
    assert_eq!((got.text().as_str(), got.took), ("<aa><bb><cc>.", 7 * SECOND));
    // Elsewhere more of the body may come while it waits.
    let got = make(Host::new(filter).plain()).get("/").send();
    assert_eq!(got.text(), "<aa><bcbc>.");
}

#[test]
fn a_transform_may_end_early_or_fail() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        let fails = request.path() == "/fails";
        let mut response = next.run(request).await?;
        response.transform(move |mut body, mut out| async move {
            out.write("start ").await?;
            let first = body.chunk().await?.unwrap_or_default();
            if fails {
                return Err(Error::new("no more"));
            }
            out.write(first).await
        });
        Ok(response)
    }
    let backend = |_: &test::Sent| bytes(Answer::new(200), "abc");
    for host in [Host::new(filter).backend(backend), Host::new(filter).backend(backend).plain()] {
        assert_eq!(host.get("/").send().text(), "start a");
        let got = host.get("/fails").send();
        assert_eq!((got.cut, host.log()), (true, vec!["error: transform body: no more".into()]));
    }
}

#[test]
fn what_was_read_is_transformed_too() {
    async fn filter(mut request: Request, next: Next) -> Result<Response> {
        let body = request.body().text(100).await?;
        request.header_mut().set("x-body", body);
        request.transform(upper);
        next.run(request).await
    }
    let sent = Host::new(filter).post("/", "ab").body("c").send().upstream.unwrap();
    assert_eq!((sent.header("x-body"), sent.text().as_str()), (Some("abc"), "ABC!"));
}

#[test]
fn replies_are_written_as_they_come() {
    async fn filter(_: Request, _: Next) -> Result<Response> {
        Ok(Response::stream(200, |mut body| async move {
            for n in 0..3 {
                body.write(format!("{}", n)).await?;
                sleep(SECOND).await?;
            }
            Ok(())
        })
        .with("x-a", "b"))
    }
    let host = Host::new(filter);
    let exchange = host.get("/").start();
    assert_eq!((exchange.sofar().text().as_str(), exchange.sofar().header("x-a")), ("0", Some("b")));
    host.advance(SECOND);
    assert_eq!(exchange.sofar().text(), "01");
    let got = exchange.finish();
    assert_eq!((got.text().as_str(), got.cut, got.took), ("012", false, 3 * SECOND));
    let got = Host::new(filter).plain().get("/").send();
    assert_eq!((got.status, got.text().as_str(), got.header("x-a")), (200, "012", Some("b")));
}

#[test]
fn replies_wait_for_slow_clients_and_end_without_them() {
    async fn filter(request: Request, _: Next) -> Result<Response> {
        let mut from = request.body();
        Ok(Response::stream(200, |mut body| async move {
            body.copy(&mut from).await?;
            loop {
                body.write("0123456789").await?;
                metrics::counter("writes").add(1);
                sleep(SECOND).await?;
            }
        }))
    }
    let host = Host::new(filter).slow_clients(15);
    let exchange = host.post("/", "echo ").open().start();
    exchange.send("this");
    assert_eq!(exchange.sofar().text(), "echo this");
    exchange.end();
    assert_eq!((exchange.sofar().text().as_str(), host.metric("writes")), ("echo this0123456789", None));
    host.advance(SECOND);
    assert_eq!(host.metric("writes"), Some(1));
    assert!(exchange.cancel().cut);
    assert_eq!(host.waiting(), 0);
}

#[test]
fn a_reply_that_fails_is_cut() {
    async fn filter(_: Request, _: Next) -> Result<Response> {
        Ok(Response::stream(200, |mut body| async move {
            body.write("a").await?;
            body.trailer("x-end", "no");
            Err(Error::new("no more"))
        }))
    }
    for host in [Host::new(filter), Host::new(filter).plain()] {
        assert!(host.get("/").send().cut);
        assert_eq!(host.log(), ["error: write reply: no more"]);
    }
}

#[test]
fn events_are_sent_and_read() {
    async fn clock(_: Request, _: Next) -> Result<Response> {
        Ok(Response::events(|mut out| async move {
            out.comment("hello").await?;
            out.event(&Event::new("1\n2\r\n3").name("tick").id("7")).await?;
            out.event(&Event::new("x").name("a\nb")).await
        }))
    }
    let got = Host::new(clock).get("/").send();
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    assert_eq!(got.text(), ": hello\n\nevent: tick\nid: 7\ndata: 1\ndata: 2\ndata: 3\n\nevent: a b\ndata: x\n\n");

    async fn filter(request: Request, next: Next) -> Result<Response> {
        let mut response = next.run(request).await?;
        response.transform(|body, mut out| async move {
            let mut events = body.events(1000);
            while let Some(event) = events.next().await? {
                out.write(format!("{}/{}/{};", event.name, event.id, event.data.replace('\n', ","))).await?;
            }
            Ok(())
        });
        Ok(response)
    }
    let stream = "\u{feff}data: a\r\n\r\n: note\n\nevent:e\rid: 1\rdata\rdata: b \r\rdata:c\n\ndata: lost";
    let whole = Host::new(filter).backend(move |_| Answer::new(200).body(stream)).get("/").send();
    assert_eq!(whole.text(), "//a;e/1/,b ;//c;");
    let single = Host::new(filter).backend(move |_| bytes(Answer::new(200), stream)).get("/").send();
    assert_eq!(single.text(), whole.text());
    let host = Host::new(filter).backend(|_| Answer::new(200).body("data: ".to_string() + &"x".repeat(2000)));
    assert!(host.get("/").send().cut);
}

#[test]
fn hints_go_ahead() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        request.early_hints(&[("link", "</a.css>; rel=preload")])?;
        next.run(request).await
    }
    let got = Host::new(filter).get("/").send();
    assert_eq!(got.hints, [[("link".to_string(), "</a.css>; rel=preload".to_string())]]);
}

//! What a filter does with requests and responses.

use std::rc::Rc;
use weir::test::{Answer, Host};
use weir::*;

async fn hello(request: Request, next: Next) -> Result<Response> {
    let mut response = next.run(request).await?;
    response.header_mut().set("x-hello", "from Rust");
    Ok(response)
}

#[test]
fn hello_sets_a_field() {
    let host = Host::new(hello).backend(|_| Answer::new(201).header("x-hello", "before").body("hi"));
    let got = host.get("/a?b=c").send();
    assert_eq!((got.status, got.header("x-hello"), got.text().as_str()), (201, Some("from Rust"), "hi"));
    assert_eq!(got.upstream.unwrap().path, "/a?b=c");
    assert!(host.log().is_empty());
}

#[test]
fn hello_works_anywhere() {
    let got = Host::new(hello).plain().post("/", "body").send();
    assert_eq!((got.status, got.header("x-hello")), (200, Some("from Rust")));
    assert_eq!(got.upstream.unwrap().text(), "body");
}

#[test]
fn request_tells_what_it_is_and_can_be_changed() {
    async fn filter(mut request: Request, next: Next) -> Result<Response> {
        let seen =
            [request.method(), request.path(), request.url_path(), request.authority(), request.scheme()].join(" ");
        assert_eq!(
            (request.query("q").unwrap(), request.query("p"), request.client().as_str()),
            ("1".into(), None, "192.0.2.1")
        );
        assert_eq!((request.cookie("d").unwrap().as_str(), request.cookie("e")), ("2 3", None));
        assert_eq!(request.header().values("x-a"), ["1", "2"]);
        assert_eq!(request.header().get("X-A").unwrap(), "1");
        assert!(request.header().get("x-b").is_none() && !request.header().has("x-b"));
        request
            .set_method("PUT")
            .set_path("/other")
            .set_authority("b")
            .header_mut()
            .set("x-seen", seen)
            .add("x-a", "3")
            .remove("cookie");
        next.run(request).await
    }
    let host = Host::new(filter).property(&["source", "address"], "192.0.2.1:50000");
    let got = host.get("/p?q=1").header("x-a", "1").header("X-A", "2").header("cookie", "c=1; d=\"2 3\"").send();
    let sent = got.upstream.unwrap();
    assert_eq!([&sent.method[..], &sent.path, sent.header(":authority").unwrap()], ["PUT", "/other", "b"]);
    assert_eq!(sent.header("x-seen"), Some("GET /p?q=1 /p example.com http"));
    assert_eq!(sent.header.iter().filter(|(n, _)| n == "x-a").count(), 3);
    assert_eq!(sent.header("cookie"), None);
}

#[test]
fn replies_without_asking_further() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        match request.path().as_str() {
            "/no" => Ok(reply(403, "no").with("x-why", "because").details("forbidden")),
            "/old" => Ok(redirect(308, "/new")),
            "/after" => {
                next.run(request).await?;
                Ok(Response::new(204))
            }
            _ => Err(Error::new("broken")),
        }
    }
    for host in [Host::new(filter), Host::new(filter).plain()] {
        let got = host.get("/no").send();
        assert_eq!((got.status, got.text().as_str(), got.details.as_str()), (403, "no", "forbidden"));
        assert_eq!(got.header("x-why"), Some("because"));
        assert!(got.upstream.is_none());
        let got = host.get("/old").send();
        assert_eq!((got.status, got.header("location")), (308, Some("/new")));
        assert_eq!(host.post("/after", "x").send().status, 204);
        let got = host.get("/else").send();
        assert_eq!((got.status, got.details.as_str()), (500, "filter_failed"));
        assert_eq!(host.log(), ["error: filter: broken"]);
    }
}

#[test]
fn replies_have_one_content_type() {
    async fn filter(_: Request, _: Next) -> Result<Response> {
        let cookies = reply(401, "{}").with("set-cookie", "a=1").with("set-cookie", "b=2");
        Ok(cookies.with("Content-Type", "application/problem+json"))
    }
    let got = Host::new(filter).get("/").send();
    let all = |name: &str| got.header.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    assert_eq!(all("content-type"), ["application/problem+json"]);
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn response_can_be_changed() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        let mut response = next.run(request).await?;
        assert_eq!(response.status(), 404);
        response.set_status(200).header_mut().remove("server");
        response.set_body("found");
        Ok(response)
    }
    let backend = |_: &test::Sent| {
        Answer::new(404).header("server", "x").header("content-length", "9").body("not ").body("found")
    };
    for host in [Host::new(filter).backend(backend), Host::new(filter).backend(backend).plain()] {
        let got = host.get("/").send();
        assert_eq!((got.status, got.text().as_str(), got.header("server")), (200, "found", None));
        assert_eq!(got.header("content-length"), Some("5"));
        assert!(host.log().is_empty(), "{:?}", host.log());
    }
    let host = Host::new(filter).backend(|_| Answer::new(404));
    assert_eq!(host.get("/").send().text(), "found"); // where there was no body
}

struct Settings {
    header: String,
    value: String,
}

fn new(config: &mut Config) -> Result<impl Filter> {
    let settings = Settings { header: config.require("header"), value: config.string("value", "v") };
    Ok(with(settings, set))
}

async fn set(settings: Rc<Settings>, request: Request, next: Next) -> Result<Response> {
    let mut response = next.run(request).await?;
    response.header_mut().set(&settings.header, &settings.value);
    Ok(response)
}

#[test]
fn settings_are_read_once_and_shared() {
    let host = Host::configured(new).config(r#"{"header": "x-a"}"#);
    for _ in 0..2 {
        assert_eq!(host.get("/").send().header("x-a"), Some("v"));
    }
}

#[test]
fn wrong_settings_are_refused_all_at_once() {
    let refused = Host::configured(new).config(r#"{"value": 1, "vlaue": 2}"#).start().unwrap_err();
    let want = ["header: it has to be set", "value: it is a number, not a text", "vlaue: there is no such setting"];
    assert_eq!(refused, "error: configuration refused: ".to_owned() + &want.join("; "));
    let refused = Host::new(hello).config(r#"{"a": 1}"#).start().unwrap_err();
    assert_eq!(refused, "error: configuration refused: this filter takes none");
}

#[test]
fn logs_measures_and_shares() {
    async fn filter(request: Request, next: Next) -> Result<Response> {
        log::debug("d");
        log::info("i");
        log::warn("w");
        metrics::counter("hits").add(2);
        metrics::gauge("level").set(7);
        metrics::gauge("level").add(-2);
        metrics::histogram("sizes").record(100);
        let (old, version) = shared::get("last")?.unwrap_or_default();
        shared::swap("last", [&old[..], b"x"].concat(), version)?;
        set_property(&["mine"], "1")?;
        let address = property_text(&["source", "address"]).unwrap_or_default();
        assert_eq!(property_int(&["source", "port"]), Some(50_000));
        assert_eq!(property(&["nothing"]), None);
        assert_eq!((metrics::counter("hits").get() % 2, metrics::gauge("level").get()), (0, 5));
        let mut response = next.run(request).await?;
        response.header_mut().set("x-from", address);
        Ok(response)
    }
    let host = Host::new(filter)
        .property(&["source", "address"], "192.0.2.1:50000")
        .property(&["source", "port"], 50_000i64.to_le_bytes());
    host.get("/").send();
    assert_eq!(host.get("/").send().header("x-from"), Some("192.0.2.1:50000"));
    assert_eq!(host.log()[..3], ["debug: d", "info: i", "warn: w"]);
    assert_eq!((host.metric("hits"), host.metric("level"), host.metric("sizes")), (Some(4), Some(5), Some(2)));
}

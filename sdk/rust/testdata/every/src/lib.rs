//! Filters that use everything, for cases.yaml: weir runs them as the host in memory does.

use std::rc::Rc;
use std::time::Duration;
use weir::*;

async fn hello(request: Request, next: Next) -> Result<Response> {
    let mut response = next.run(request).await?;
    response.header_mut().set("x-hello", "from Rust");
    Ok(response)
}

async fn headers(mut request: Request, next: Next) -> Result<Response> {
    if request.url_path() == "/away" {
        return Ok(redirect(302, "/there"));
    }
    let (name, id) = (request.query("name").unwrap_or_default(), request.cookie("id").unwrap_or_default());
    let added = request.header().values("x-add").join(",");
    request
        .header_mut()
        .set("x-set", added)
        .add("x-add", "two")
        .remove("x-gone")
        .set("x-query", name)
        .set("x-cookie", id);
    log::debug(if shared::get("key")?.is_none() { "nothing is shared" } else { "shared" });
    shared::set("key", "value")?;
    let (path, client) = (request.path(), request.client());
    let begun = now();
    let mut response = next.run(request).await?;
    let took = now() - begun;
    metrics::counter("responses").add(1);
    metrics::gauge("last").set(5);
    log::warn(&format!("{path} took {took:?}"));
    let (state, client) = (format!("of {}", response.status()), client);
    response.header_mut().set("x-state", state).set("x-client", client);
    Ok(response)
}

async fn auth(mut request: Request, next: Next) -> Result<Response> {
    let cookie = request.header().get("cookie").unwrap_or_default();
    let call = Call::get("/session").header("cookie", cookie).timeout(Duration::from_secs(1));
    let mut answer = match fetch("users", call).await {
        Ok(answer) => answer,
        Err(e) => {
            log::warn(e.text());
            return Ok(reply(502, "nobody knows"));
        }
    };
    if !answer.ok() {
        return Ok(reply(401, "who are you?").with("www-authenticate", "Basic"));
    }
    let kind = answer.header().get("content-type").unwrap_or_default();
    let user = match answer.body().text(100).await {
        Ok(user) => user,
        Err(e) => return Ok(reply(502, e.text())),
    };
    sleep(Duration::from_millis(2)).await?;
    request.header_mut().set("x-user", user).set("x-kind", kind);
    next.run(request).await
}

async fn stored(request: Request, _: Next) -> Result<Response> {
    if let Some(space) = request.query("space") {
        return match store::space(&space).get("a").await {
            Err(e) => Ok(reply(500, &format!("{:?}: {e}", e.kind()))),
            Ok(_) => Ok(reply(200, "granted")),
        };
    }
    let version = store::put("a", "1").absent().ttl(Duration::from_secs(60)).await?;
    store::put("b", "2").await?;
    store::put("a", "3").version(version).await?;
    let conflict = store::put("a", "4").version(version).await.unwrap_err().kind();
    store::delete("b").await?;
    let mut text = format!("{conflict:?};");
    for entry in store::list("", "", 10).await? {
        text += &format!("{}={};", entry.key, String::from_utf8_lossy(&entry.value));
    }
    text += if store::get("b").await?.is_none() { "no b" } else { "b" };
    Ok(reply(200, &text))
}

async fn upper(mut body: Reader, mut out: Writer) -> Result<()> {
    while let Some(chunk) = body.chunk().await? {
        out.write(chunk.to_ascii_uppercase()).await?;
    }
    out.write("!").await
}

async fn slow(mut body: Reader, mut out: Writer) -> Result<()> {
    while let Some(chunk) = body.chunk().await? {
        out.write("(").await?;
        sleep(Duration::from_millis(5)).await?;
        out.write(chunk).await?;
        out.write(")").await?;
    }
    Ok(())
}

async fn bodies(mut request: Request, next: Next) -> Result<Response> {
    request.transform(slow);
    let mut response = next.run(request).await?;
    response.transform(upper);
    Ok(response)
}

async fn whole(mut request: Request, next: Next) -> Result<Response> {
    let body = match request.body().text(20).await {
        Ok(body) => body,
        Err(_) => return Ok(reply(413, "too big")),
    };
    request.header_mut().set("x-size", body.len().to_string());
    if request.header().has("x-replace") {
        request.set_body(format!("<{body}>"));
    }
    let mut response = next.run(request).await?;
    let body = response.body().text(1000).await?;
    response.header_mut().set("x-size", body.len().to_string());
    if body.starts_with("secret") {
        return Ok(reply(451, "it is secret"));
    }
    response.set_body(format!("<{body}>"));
    Ok(response)
}

async fn take(request: Request, _: Next) -> Result<Response> {
    let mut body = request.body().take();
    let (mut size, mut chunks) = (0, 0);
    while let Some(chunk) = body.chunk().await? {
        size += chunk.len();
        chunks += 1;
    }
    Ok(reply(200, &format!("{size} in {chunks}")))
}

async fn events(request: Request, _: Next) -> Result<Response> {
    request.early_hints(&[("link", "</style.css>; rel=preload")])?;
    Ok(Response::events(|mut out| async move {
        for n in 0..6 {
            out.event(&Event::new(n.to_string())).await?;
            sleep(Duration::from_millis(2)).await?;
        }
        out.trailer("x-end", "yes");
        Ok(())
    }))
}

async fn relay(request: Request, _: Next) -> Result<Response> {
    let mut answer = fetch("model", Call::post("/", "question")).await?;
    let name = answer.header().get("x-name").unwrap_or_default();
    drop(request);
    Ok(Response::stream(200, |mut out| async move { out.copy(answer.body()).await }).with("x-from", name))
}

async fn echo(request: Request, _: Next) -> Result<Response> {
    let mut body = request.body();
    Ok(Response::stream(200, |mut out| async move { out.copy(&mut body).await }))
}

async fn secrets(_: Request, _: Next) -> Result<Response> {
    let hash = password::hash("secret").await?;
    let (right, wrong) = both(password::verify(&hash, "secret"), password::verify(&hash, "guess")).await;
    let signature = sign("session", "message").await?;
    log::info(&format!("signed with {}", signature.algorithm));
    let signed =
        verify("session", "message", &signature.bytes).await? && !verify("session", "other", &signature.bytes).await?;
    let random = random(32)? != random(32)?;
    let fine = hash.starts_with("$argon2id$") && right?.right && !wrong?.right && signed && random;
    Ok(reply(200, if fine { "all fine" } else { "not fine" }))
}

async fn late(request: Request, next: Next) -> Result<Response> {
    match timeout(Duration::from_millis(50), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Ok(reply(504, "too late")),
    }
}

struct Settings {
    text: String,
}

fn settings(config: &mut Config) -> Result<impl Filter> {
    let more = config.object("more");
    let text = format!("{} {} {}", config.require("name"), config.int("limit", 1), more.float("rate", 0.5));
    Ok(with(Settings { text }, |settings: Rc<Settings>, _, _| async move { Ok(reply(200, &settings.text)) }))
}

fn beside(_: &mut Config) -> Result<impl Filter> {
    every(Duration::from_millis(5), || async {
        metrics::counter("beats").add(1);
        Ok(())
    });
    Ok(|request: Request, next: Next| async move {
        while metrics::counter("beats").get() < 3 {
            sleep(Duration::from_millis(1)).await?;
        }
        next.run(request).await
    })
}

thread_local!(static STREAMS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });

/// What the costs of languages are measured by: it reads a field, counts, formats, and
/// adds a field.
async fn measured(mut request: Request, next: Next) -> Result<Response> {
    let user = request.header().get("x-user").unwrap_or_default();
    let id = STREAMS.with(|n| n.replace(n.get() + 1));
    request.header_mut().add("x-seen", format!("{user}/{id}"));
    next.run(request).await
}

async fn waiting(mut request: Request, next: Next) -> Result<Response> {
    let mut answer = fetch("users", Call::get("/")).await?;
    request.header_mut().add("x-user", answer.body().text(100).await?);
    next.run(request).await
}

async fn fails(_: Request, _: Next) -> Result<Response> {
    panic!("no way out of {}", 7)
}

weir::filter! {
    "hello" => hello,
    "headers" => headers,
    "auth" => auth,
    "store" => stored,
    "bodies" => bodies,
    "whole" => whole,
    "take" => take,
    "events" => events,
    "relay" => relay,
    "echo" => echo,
    "secrets" => secrets,
    "late" => late,
    "settings" => configure = settings,
    "beside" => configure = beside,
    "measured" => measured,
    "waiting" => waiting,
    "fails" => fails,
}

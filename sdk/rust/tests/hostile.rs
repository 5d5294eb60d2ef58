//! Hosts that answer anything: nothing that they say makes a filter panic.

use std::time::Duration;
use weir::test::{Answer, Host, Random};
use weir::*;

async fn all(mut request: Request, next: Next) -> Result<Response> {
    let _ = (request.method(), request.query("a"), request.cookie("b"), request.client(), request.header().all());
    let _ = request.header().values("x");
    log::info(&format!("{:?} {:?}", property_int(&["a"]), property_text(&["b"])));
    let _ = shared::get("a").map(|found| found.map(|(value, version)| shared::swap("a", value, version)));
    let _ = (metrics::counter("a").get(), metrics::gauge("b").get(), random(8));
    metrics::histogram("c").record(1);
    if let Ok(mut answer) = fetch("users", Call::get("/")).await {
        let _ = (answer.status(), answer.header().all(), answer.body().read(100).await, answer.trailer().all());
    }
    let _ = store::get("a").await;
    let _ = store::put("a", "b").absent().await;
    let _ = store::list("", "", 10).await;
    let _ = store::delete("a").await;
    if let Ok(hash) = password::hash("a").await {
        let _ = password::verify(&hash, "a").await;
    }
    if let Ok(signature) = sign("key", "a").await {
        let _ = verify("key", "a", signature.bytes).await;
    }
    let _ = timeout(Duration::from_millis(5), sleep(Duration::from_millis(5))).await;
    let _ = request.early_hints(&[("a", "b")]);
    let _ = request.body().read(100).await;
    request.transform(|mut body, mut out| async move { out.copy(&mut body).await });
    if request.path() == "/stream" {
        return Ok(Response::stream(200, |mut out| async move { out.write("a").await }));
    }
    let mut response = next.run(request).await?;
    let _ = (response.status(), response.header().all(), response.body().chunk().await);
    response.set_body("b");
    Ok(response)
}

#[test]
fn nothing_that_a_host_answers_is_a_panic() {
    let mut random = Random::new(11);
    for n in 0..3000u64 {
        let seed = random.number();
        let host = Host::new(all)
            .upstream("users", |_| Answer::new(200).body("a").body("b").trailer("c", "d"))
            .backend(|_| Answer::new(200).body("a").body("b").trailer("c", "d"))
            .key("key")
            .property(&["a"], vec![0; n as usize % 12])
            .lying(seed);
        let target = if n % 3 == 0 { "/stream?a=%" } else { "/?a=b" };
        let exchange = host.post(target, "x").body("y").trailer("z", "1").start();
        host.advance(Duration::from_secs(10));
        exchange.cancel();
    }
}

//! {{name}} answers requests by itself, in weir.

use weir::{reply, Next, Request, Response, Result};

async fn app(request: Request, _: Next) -> Result<Response> {
    let path = request.url_path();
    match (request.method().as_str(), path.as_str()) {
        ("GET", "/") => Ok(reply(200, "Hello from {{name}}.\n")),
        ("GET", hello) if hello.starts_with("/hello/") => {
            let (who, authority) = (&hello["/hello/".len()..], request.authority());
            Ok(reply(200, &format!("Hello, {who}, at {authority}.\n")))
        }
        _ => Ok(reply(404, "There is nothing here.\n")),
    }
}

weir::filter!(app);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets() {
        let host = weir::test::Host::new(app);
        assert_eq!(host.get("/").send().text(), "Hello from {{name}}.\n");
        assert_eq!(host.get("/hello/Ada").send().text(), "Hello, Ada, at example.com.\n");
        assert_eq!(host.get("/nothing").send().status, 404);
    }
}

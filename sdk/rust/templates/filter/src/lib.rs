//! {{name}} is a filter for weir.

use weir::{Next, Request, Response, Result};

/// Adds a field to what the upstream answers.
async fn hello(request: Request, next: Next) -> Result<Response> {
    let mut response = next.run(request).await?;
    response.header_mut().set("x-hello", "from {{name}}");
    Ok(response)
}

weir::filter!(hello);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_hello() {
        let got = weir::test::Host::new(hello).get("/").send();
        assert_eq!((got.status, got.header("x-hello")), (200, Some("from {{name}}")));
    }
}

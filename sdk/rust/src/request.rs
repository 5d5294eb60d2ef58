use crate::abi::{call, status};
use crate::body::{transform, Reader, Writer};
use crate::codec::{text, write_pairs, Fields};
use crate::header::Header;
use crate::runtime::side::Mode;
use crate::runtime::stream::Stream;
use crate::runtime::task::PollFn;
use crate::runtime::wait::foreign;
use crate::{Error, Response, Result};
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A request on its way to whoever answers it.
pub struct Request {
    stream: Rc<Stream>,
    header: Header,
}

impl Request {
    pub(crate) fn new(stream: Rc<Stream>) -> Request {
        let header = Header::there(stream.clone(), stream.sides[0].map(false));
        Request { stream, header }
    }

    /// Its method.
    pub fn method(&self) -> String {
        self.header.get(":method").unwrap_or_default()
    }

    /// Sets its method.
    pub fn set_method(&mut self, method: &str) -> &mut Request {
        self.header.set(":method", method);
        self
    }

    /// Path and query, as they were sent: `/a%20b?x=1`.
    pub fn path(&self) -> String {
        self.header.get(":path").unwrap_or_default()
    }

    /// Sets path and query.
    pub fn set_path(&mut self, path: &str) -> &mut Request {
        self.header.set(":path", path);
        self
    }

    /// The path without its query, as it was sent.
    pub fn url_path(&self) -> String {
        let mut path = self.path();
        if let Some(at) = path.find('?') {
            path.truncate(at);
        }
        path
    }

    /// The first value of a parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        query(&self.path(), name)
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.header.values("cookie");
        let pairs = lines.iter().flat_map(|line| line.split(';'));
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(n, _)| n.trim() == name)
            .map(|(_, v)| unquoted(v.trim()).into())
    }

    /// The host and port that it is for.
    pub fn authority(&self) -> String {
        self.header.get(":authority").unwrap_or_default()
    }

    /// Sets them.
    pub fn set_authority(&mut self, authority: &str) -> &mut Request {
        self.header.set(":authority", authority);
        self
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> String {
        self.header.get(":scheme").unwrap_or_default()
    }

    /// The address of who asks, without a port; empty if the host does not say.
    pub fn client(&self) -> String {
        let address = match self.stream.select() {
            true => crate::property_text(&["source", "address"]).unwrap_or_default(),
            false => String::new(),
        };
        without_port(&address).into()
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its header, to be changed.
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    /// Its trailer, which is there when the body has been read to its end.
    pub fn trailer(&self) -> Header {
        Header::there(self.stream.clone(), self.stream.sides[0].map(true))
    }

    /// Its body, to be looked at before it goes on; on weir alone. What is read is kept by
    /// the host, within the plugin's `limits.body`, and goes on, too, unless
    /// [`Reader::take`], [`Request::set_body`] or [`Request::transform`] say otherwise.
    pub fn body(&self) -> Reader {
        Reader::side(self.stream.clone(), 0)
    }

    /// Puts another body in its place. Elsewhere than on weir, a request that has none
    /// keeps none.
    pub fn set_body(&mut self, body: impl Into<Vec<u8>>) -> &mut Request {
        replace(&self.stream, 0, &mut self.header, body.into());
        self
    }

    /// Has the body, if there is one, go through a function on its way; it is not held.
    /// What the function does not read is dropped. See [`Response::transform`].
    pub fn transform<F, T>(&mut self, f: F) -> &mut Request
    where
        F: FnOnce(Reader, Writer) -> T,
        T: Future<Output = Result<()>> + 'static,
    {
        transform(&self.stream, 0, &mut self.header, f);
        self
    }

    /// Sends fields ahead of the response (103 Early Hints): `[("link", "</a.css>; rel=preload")]`.
    pub fn early_hints(&self, fields: &[(&str, &str)]) -> Result<()> {
        if !self.stream.select() {
            return Err(gone());
        }
        let pairs = write_pairs(fields.iter().map(|(n, v)| (*n, v.as_bytes())));
        foreign(call::INFORM, Fields::default().number(103).bytes(&pairs)).map(drop)
    }
}

/// The rest of the way: other filters, and whoever answers.
pub struct Next {
    stream: Rc<Stream>,
}

impl Next {
    pub(crate) fn new(stream: Rc<Stream>) -> Next {
        Next { stream }
    }

    /// Sends the request on its way, and waits for the response.
    pub async fn run(self, request: Request) -> Result<Response> {
        drop(request);
        let stream = self.stream;
        stream.sides[0].pass.set(true);
        PollFn(|cx: &mut Context<'_>| {
            if !stream.alive() {
                return Poll::Ready(Err(gone()));
            }
            if stream.sides[1].shown.get() {
                return Poll::Ready(Ok(()));
            }
            stream.sides[1].bell.wait(cx);
            Poll::Pending
        })
        .await?;
        Ok(Response::upstream(stream))
    }
}

fn gone() -> Error {
    Error::status("request", status::BROKEN_CONNECTION, "the client is gone")
}

/// Replaces the body of a direction.
pub(crate) fn replace(stream: &Rc<Stream>, dir: usize, header: &mut Header, body: Vec<u8>) {
    header.set("content-length", body.len().to_string());
    stream.sides[dir].mode.put(Mode::Replace(body));
}

fn query(path: &str, name: &str) -> Option<String> {
    let query = path.split_once('?')?.1;
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(n, _)| unescape(n) == name).map(|(_, v)| unescape(v))
}

/// Decodes what queries encode. What is no encoding stays.
fn unescape(s: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), s.as_bytes());
    while let Some((b, more)) = rest.split_first() {
        rest = more;
        match (b, more) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => out.push(*b),
        }
    }
    text(out)
}

fn unquoted(s: &str) -> &str {
    s.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(s)
}

fn without_port(address: &str) -> &str {
    if let Some(rest) = address.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => address, // IPv6, and no port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        for (path, want) in [
            ("/", None),
            ("/?", None),
            ("/?b=1", None),
            ("/?a", Some("")),
            ("/?b=1&a=2&a=3", Some("2")),
            ("/?%61=x+y%2f%zz%4", Some("x y/%zz%4")),
            ("/?a=%ff", Some("\u{fffd}")),
            ("/?a=1?2=3", Some("1?2=3")),
        ] {
            assert_eq!(query(path, "a").as_deref(), want, "{path}");
        }
    }

    #[test]
    fn addresses_lose_their_port() {
        for (address, want) in
            [("192.0.2.1:5", "192.0.2.1"), ("[2001:db8::1]:5", "2001:db8::1"), ("2001:db8::1", "2001:db8::1"), ("", "")]
        {
            assert_eq!(without_port(address), want);
        }
    }
}

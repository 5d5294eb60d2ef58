use crate::body::{transform, Reader, Writer};
use crate::codec::Pairs;
use crate::header::{Header, Value};
use crate::request::replace;
use crate::runtime::reply::begin;
use crate::runtime::stream::Stream;
use crate::runtime::task::Job;
use crate::{Error, Result};
use std::future::Future;
use std::rc::Rc;

/// A response: that of whoever has answered, or one of the filter's own.
pub struct Response {
    pub(crate) status: u16,
    pub(crate) header: Header,
    pub(crate) content: Content,
    pub(crate) details: &'static str,
    stream: Option<Rc<Stream>>,
}

/// What begins a reply with status and header, and writes its body.
pub(crate) type Begin = Box<dyn FnOnce(Rc<Stream>, u16, Pairs) -> Option<Job<()>>>;

/// Where the content comes from.
pub(crate) enum Content {
    Upstream,
    Bytes(Vec<u8>),
    Stream(Begin),
}

impl Response {
    pub(crate) fn upstream(stream: Rc<Stream>) -> Response {
        let header = Header::there(stream.clone(), stream.sides[1].map(false));
        Response { status: 0, header, content: Content::Upstream, details: "", stream: Some(stream) }
    }

    /// A response without a body.
    pub fn new(status: u16) -> Response {
        Response {
            status,
            header: Header::here(Vec::new()),
            content: Content::Bytes(Vec::new()),
            details: "",
            stream: None,
        }
    }

    /// A response whose body is written while it is sent: `write` is called when the filter
    /// has returned it. On hosts other than weir it is sent when all is written, up to 1 MiB.
    ///
    /// ```
    /// # use weir::*;
    /// async fn count(_: Request, _: Next) -> Result<Response> {
    ///     Ok(Response::stream(200, |mut body: Writer| async move {
    ///         for n in 1..=3 {
    ///             body.write(format!("{n}\n")).await?;
    ///             sleep(std::time::Duration::from_secs(1)).await?;
    ///         }
    ///         Ok(())
    ///     }))
    /// }
    /// ```
    pub fn stream<F, T>(status: u16, write: F) -> Response
    where
        F: FnOnce(Writer) -> T + 'static,
        T: Future<Output = Result<()>> + 'static,
    {
        let content = Content::Stream(Box::new(|stream, status, header| begin(stream, status, header, write)));
        Response { content, ..Response::new(status) }
    }

    /// A stream of server-sent events; see [`Writer::event`].
    pub fn events<F, T>(write: F) -> Response
    where
        F: FnOnce(Writer) -> T + 'static,
        T: Future<Output = Result<()>> + 'static,
    {
        Response::stream(200, write).with("content-type", "text/event-stream").with("cache-control", "no-store")
    }

    /// The same, with a field more; a content type takes the place of the one that there is.
    pub fn with(mut self, name: &str, value: impl Value) -> Response {
        if name.eq_ignore_ascii_case("content-type") {
            self.header.set(name, value);
        } else {
            self.header.add(name, value);
        }
        self
    }

    /// The same, with a word for the host's log on why it was sent.
    pub fn details(mut self, word: &'static str) -> Response {
        self.details = word;
        self
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        match self.content {
            Content::Upstream => self.header.get(":status").and_then(|s| s.parse().ok()).unwrap_or(0),
            _ => self.status,
        }
    }

    /// Sets its status.
    pub fn set_status(&mut self, status: u16) -> &mut Response {
        match self.content {
            Content::Upstream => drop(self.header.set(":status", status.to_string())),
            _ => self.status = status,
        }
        self
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
        match &self.stream {
            Some(stream) => Header::there(stream.clone(), stream.sides[1].map(true)),
            None => Header::here(Vec::new()),
        }
    }

    /// The body of a response that came from elsewhere, to be read before it goes on; on
    /// weir alone. See [`Request::body`](crate::Request::body).
    pub fn body(&self) -> Reader {
        match (&self.content, &self.stream) {
            (Content::Bytes(bytes), _) => Reader::bytes(bytes.clone()),
            (_, Some(stream)) => Reader::side(stream.clone(), 1),
            _ => Reader::failed(Error::new("read body: it is not written yet")),
        }
    }

    /// Puts another body in its place. Elsewhere than on weir, a response that has none
    /// keeps none.
    pub fn set_body(&mut self, body: impl Into<Vec<u8>>) -> &mut Response {
        match &self.stream {
            Some(stream) => replace(stream, 1, &mut self.header, body.into()),
            None => self.content = Content::Bytes(body.into()),
        }
        self
    }

    /// Has the body of a response that came from elsewhere, if there is one, go through a
    /// function on its way, at constant memory: it reads chunks and writes others. While
    /// it waits for something else, the body waits, too. What it does not read is dropped.
    ///
    /// ```
    /// # use weir::*;
    /// async fn upper(request: Request, next: Next) -> Result<Response> {
    ///     let mut response = next.run(request).await?;
    ///     response.transform(|mut body, mut out| async move {
    ///         while let Some(chunk) = body.chunk().await? {
    ///             out.write(chunk.to_ascii_uppercase()).await?;
    ///         }
    ///         Ok(())
    ///     });
    ///     Ok(response)
    /// }
    /// ```
    pub fn transform<F, T>(&mut self, f: F) -> &mut Response
    where
        F: FnOnce(Reader, Writer) -> T,
        T: Future<Output = Result<()>> + 'static,
    {
        if let Some(stream) = &self.stream {
            transform(stream, 1, &mut self.header, f);
        }
        self
    }
}

/// A response with a text. It is text/plain, unless [`Response::with`] gives it another
/// content type.
pub fn reply(status: u16, text: &str) -> Response {
    let mut response = Response::new(status);
    if !text.is_empty() {
        response.header.add("content-type", "text/plain; charset=utf-8");
        response.content = Content::Bytes(text.as_bytes().to_vec());
    }
    response
}

/// A response that sends the client elsewhere: 301, 302, 303, 307 or 308.
pub fn redirect(status: u16, location: &str) -> Response {
    Response::new(status).with("location", location)
}

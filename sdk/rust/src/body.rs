use crate::codec::text;
use crate::fetch::Rest;
use crate::header::{Header, Value};
use crate::runtime::reply::{gone, send};
use crate::runtime::side::Mode;
use crate::runtime::stream::{Room, Stream};
use crate::runtime::task::PollFn;
use crate::runtime::transform::{Pipe, Transform};
use crate::{Error, Kind, Result};
use std::future::Future;
use std::rc::Rc;
use std::task::Poll;

/// A body that is read.
pub struct Reader(Source);

enum Source {
    Side(Rc<Stream>, usize),
    Pipe(Rc<Pipe>),
    Answer(Box<Rest>),
    Bytes(Vec<u8>),
    Failed(Option<Error>),
}

impl Reader {
    pub(crate) fn side(stream: Rc<Stream>, dir: usize) -> Reader {
        Reader(Source::Side(stream, dir))
    }

    pub(crate) fn answer(rest: Rest) -> Reader {
        Reader(Source::Answer(Box::new(rest)))
    }

    pub(crate) fn bytes(bytes: Vec<u8>) -> Reader {
        Reader(Source::Bytes(bytes))
    }

    pub(crate) fn failed(e: Error) -> Reader {
        Reader(Source::Failed(Some(e)))
    }

    pub(crate) fn trailer(&self) -> Header {
        match &self.0 {
            Source::Answer(rest) => rest.trailer(),
            _ => Header::here(Vec::new()),
        }
    }

    /// The same, which takes away what it reads of a request's or response's body: that
    /// does not go on, and may have any length.
    pub fn take(self) -> Reader {
        if let Source::Side(stream, dir) = &self.0 {
            if let Some(side) = stream.sides.get(*dir) {
                side.take.set(true);
            }
        }
        self
    }

    /// Reads all the rest. More than so many bytes are an error, of kind [`Kind::Limit`].
    pub async fn read(&mut self, limit: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(mut chunk) = self.chunk().await? {
            if chunk.len() > limit.saturating_sub(all.len()) {
                return Err(Error::of(Kind::Limit, "read body: it is longer than it may be"));
            }
            if all.is_empty() {
                all = chunk;
            } else {
                all.append(&mut chunk);
            }
        }
        Ok(all)
    }

    /// Reads all the rest, as text; what is not UTF-8 is replaced.
    pub async fn text(&mut self, limit: usize) -> Result<String> {
        self.read(limit).await.map(text)
    }

    /// Waits for the next bytes, at least one; None at the end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        match &mut self.0 {
            Source::Side(stream, dir) => {
                PollFn(|cx: &mut std::task::Context<'_>| match stream.sides.get(*dir) {
                    Some(side) if stream.select() => side.poll_chunk(stream.over(), cx),
                    _ => Poll::Ready(Err(Error::of(Kind::Broken, "read body: the client is gone"))),
                })
                .await
            }
            Source::Pipe(pipe) => PollFn(|cx: &mut std::task::Context<'_>| pipe.poll_chunk(cx)).await,
            Source::Answer(rest) => rest.chunk().await,
            Source::Bytes(bytes) if bytes.is_empty() => Ok(None),
            Source::Bytes(bytes) => Ok(Some(std::mem::take(bytes))),
            Source::Failed(e) => e.take().map_or(Ok(None), Err),
        }
    }
}

/// A body that is written.
pub struct Writer(Sink);

enum Sink {
    Pipe(Rc<Pipe>),
    Reply(Rc<Stream>),
}

impl Writer {
    pub(crate) fn reply(stream: Rc<Stream>) -> Writer {
        Writer(Sink::Reply(stream))
    }

    /// Writes bytes. Of a reply, it waits while the client takes nothing, and fails when
    /// there is no client any longer.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let bytes = bytes.as_ref();
        if bytes.is_empty() {
            return Ok(());
        }
        match &self.0 {
            Sink::Pipe(pipe) => {
                pipe.output.with(|out| out.extend_from_slice(bytes));
                Ok(())
            }
            Sink::Reply(stream) => {
                send(stream, bytes)?;
                PollFn(|cx: &mut std::task::Context<'_>| match stream.room.get() {
                    Room::Full => {
                        stream.bell.wait(cx);
                        Poll::Pending
                    }
                    Room::Gone => Poll::Ready(Err(gone())),
                    _ => Poll::Ready(Ok(())),
                })
                .await
            }
        }
    }

    /// Adds a field to what follows the body of a reply, on weir.
    pub fn trailer(&mut self, name: &str, value: impl Value) {
        if let Sink::Reply(stream) = &self.0 {
            stream.trailer.with(|all| all.push((name.to_ascii_lowercase(), value.bytes().to_vec())));
        }
    }

    /// Writes all that there is to read.
    pub async fn copy(&mut self, from: &mut Reader) -> Result<()> {
        while let Some(chunk) = from.chunk().await? {
            self.write(chunk).await?;
        }
        Ok(())
    }
}

/// Puts a function into the way of a body.
pub(crate) fn transform<F, T>(stream: &Rc<Stream>, dir: usize, header: &mut Header, f: F)
where
    F: FnOnce(Reader, Writer) -> T,
    T: Future<Output = Result<()>> + 'static,
{
    let side = &stream.sides[dir];
    if side.ended.get() && side.kept.get() == 0 {
        return; // there is no body
    }
    let pipe = Rc::new(Pipe::default());
    let job = f(Reader(Source::Pipe(pipe.clone())), Writer(Sink::Pipe(pipe.clone())));
    header.remove("content-length");
    side.mode.put(Mode::Shape(Rc::new(Transform::new(pipe, Box::pin(job)))));
}

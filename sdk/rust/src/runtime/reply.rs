//! Replies whose body is written while they are sent. Filters that have none do without
//! this code.

use super::stream::{Room, Stream};
use super::task::Job;
use super::wait::foreign;
use super::{current, hear};
use crate::abi::{call, direction};
use crate::codec::{write_list, Fields, Pairs, Reading};
use crate::{host, Error, Kind, Result, Writer};
use std::future::Future;
use std::rc::Rc;

/// How much of a reply is kept where it has to be sent whole.
const MOST: usize = 1 << 20;

/// Begins a reply, and returns what writes it.
pub(crate) fn begin<F, T>(stream: Rc<Stream>, status: u16, header: Pairs, write: F) -> Option<Job<()>>
where
    F: FnOnce(Writer) -> T,
    T: Future<Output = Result<()>> + 'static,
{
    let fields = Fields::default().number(u64::from(status)).bytes(&write_list(&header));
    if !current().weir() {
        stream.room.set(Room::Kept);
    } else if let Err(e) = start(fields) {
        crate::log::error(e.text());
        let _ = host::close(direction::RESPONSE);
        return None;
    } else {
        stream.room.set(Room::Some);
    }
    let body = write(Writer::reply(stream.clone()));
    Some(Box::pin(async move {
        let result = body.await;
        finish(&stream, result, status, &header);
    }))
}

fn start(fields: Fields) -> Result<()> {
    current().told.set(Some(hear));
    foreign(call::REPLY_START, fields).map(drop)
}

/// A reply's body has been written, or could not be.
fn finish(stream: &Stream, result: Result<()>, status: u16, header: &Pairs) {
    stream.select();
    match result {
        Ok(()) if stream.room.get() == Room::Kept => stream.reply(status, "", header, &stream.kept.take()),
        Ok(()) => {
            let trailer = stream.trailer.take();
            let trailer = if trailer.is_empty() { Vec::new() } else { write_list(&trailer) };
            if let Err(e) = foreign(call::REPLY_END, Fields::default().bytes(&trailer)) {
                crate::log::warn(e.text());
            }
        }
        Err(e) => {
            if stream.room.get() != Room::Gone {
                crate::log::error(&crate::codec::cat(&["write reply: ", e.text()]));
            }
            let _ = host::close(direction::RESPONSE);
        }
    }
}

/// Gives bytes of a reply to the host, and notes whether there is room for more.
pub(crate) fn send(stream: &Stream, bytes: &[u8]) -> Result<()> {
    match stream.room.get() {
        Room::Gone | Room::None => return Err(gone()),
        Room::Kept => {
            return stream.kept.with(|kept| {
                if bytes.len() > MOST - kept.len().min(MOST) {
                    return Err(Error::of(Kind::Limit, "write body: it is longer than can be kept here"));
                }
                kept.extend_from_slice(bytes);
                Ok(())
            })
        }
        _ => {}
    }
    if !stream.select() {
        return Err(gone());
    }
    let room = foreign(call::REPLY_WRITE, Fields::default().bytes(bytes))?;
    let room = Reading::new(room).number().unwrap_or(1);
    stream.room.set(if room == 0 { Room::Full } else { Room::Some });
    Ok(())
}

pub(crate) fn gone() -> Error {
    Error::of(Kind::Broken, "write body: nobody takes it")
}

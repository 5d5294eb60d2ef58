//! Bodies that go through a function of the author's, chunk by chunk.

use super::side::Side;
use super::task::{Bell, Job};
use super::{Own, Runtime};
use crate::abi::action;
use crate::codec::cat;
use crate::error::Result;
use crate::host;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What goes in and comes out.
#[derive(Default)]
pub(crate) struct Pipe {
    input: Own<Vec<u8>>,
    ended: Cell<bool>,
    /// The function waits for input, and there is none.
    wants: Cell<bool>,
    bell: Bell,
    pub output: Own<Vec<u8>>,
}

impl Pipe {
    /// Reads what there is.
    pub fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Result<Option<Vec<u8>>>> {
        let input = self.input.take();
        self.wants.set(false);
        if !input.is_empty() {
            return Poll::Ready(Ok(Some(input)));
        }
        if self.ended.get() {
            return Poll::Ready(Ok(None));
        }
        self.wants.set(true);
        self.bell.wait(cx);
        Poll::Pending
    }

    fn feed(&self, new: Vec<u8>, last: bool) {
        let some = self.input.with(|input| {
            append(input, new);
            !input.is_empty()
        });
        self.ended.set(self.ended.get() || last);
        if self.ended.get() || some {
            self.wants.set(false);
            self.bell.ring();
        }
    }
}

/// Appends bytes, without a copy where there are none before them.
pub(crate) fn append(to: &mut Vec<u8>, bytes: Vec<u8>) {
    if to.is_empty() {
        *to = bytes;
    } else {
        to.extend_from_slice(&bytes);
    }
}

/// What a body goes through. Filters that have none do without its code.
pub(crate) trait Shape {
    /// The host shows so many bytes.
    fn feed(&self, side: &Side, size: usize, last: bool);
    /// Takes what was held before it was there.
    fn begin(&self, side: &Side);
    /// Lets it work, and what it has made go on in the chunk's place, unless it waits for
    /// something else than the next chunk. It returns the action for the callback, or does
    /// it where there is none.
    fn run(&self, rt: &Runtime, side: &Side, cx: &mut Context<'_>, inside: bool) -> u32;
    /// Whether it waits for something else than the next chunk.
    fn busy(&self) -> bool;
}

/// A function at work.
pub(crate) struct Transform {
    pub pipe: Rc<Pipe>,
    job: Own<Option<Job<Result<()>>>>,
    /// The host holds the chunk, so many bytes, until the function goes on.
    waiting: Cell<bool>,
    kept: Cell<usize>,
    failed: Cell<bool>,
    over: Cell<bool>,
}

impl Transform {
    pub fn new(pipe: Rc<Pipe>, job: Job<Result<()>>) -> Transform {
        Transform {
            pipe,
            job: Own::new(Some(job)),
            waiting: Cell::default(),
            kept: Cell::default(),
            failed: Cell::default(),
            over: Cell::default(),
        }
    }

    fn poll(&self, cx: &mut Context<'_>) {
        if let Some(mut job) = self.job.take() {
            match job.as_mut().poll(cx) {
                Poll::Pending => self.job.put(Some(job)),
                Poll::Ready(Ok(())) => self.over.set(true),
                Poll::Ready(Err(e)) => {
                    crate::log::error(&cat(&["transform body: ", e.text()]));
                    self.failed.set(true);
                }
            }
        }
    }
}

impl Shape for Transform {
    fn feed(&self, side: &Side, size: usize, last: bool) {
        let start = self.kept.replace(size);
        let mut new = Vec::new();
        if size > start {
            new = host::buffer(side.dir, start as u32, (size - start) as u32).unwrap_or_default();
        }
        self.pipe.feed(new, last);
    }

    fn begin(&self, side: &Side) {
        let held = side.kept.get();
        if held > 0 {
            self.kept.set(0);
            self.feed(side, held, side.ended.get());
            self.waiting.set(true);
        }
    }

    fn run(&self, rt: &Runtime, side: &Side, cx: &mut Context<'_>, inside: bool) -> u32 {
        self.poll(cx);
        if self.failed.get() {
            let _ = host::close(side.dir);
            return action::STOP_AND_BUFFER;
        }
        let over = self.over.get();
        if over {
            drop(self.pipe.input.take()); // nobody reads it
        }
        if over || self.pipe.wants.get() {
            let output = self.pipe.output.take();
            if inside || self.waiting.get() {
                if self.kept.replace(0) > 0 || !output.is_empty() {
                    side.set(&output);
                }
            } else {
                self.pipe.output.put(output); // written before the first chunk
            }
            if self.waiting.replace(false) && !inside && side.gone.get() {
                let _ = host::resume(side.dir);
            }
            return action::CONTINUE;
        }
        if inside {
            self.waiting.set(true);
        }
        // weir reads nothing more then; elsewhere only this is known to hold the chunk.
        if rt.weir() {
            action::STOP_AND_WATERMARK
        } else {
            action::STOP_AND_BUFFER
        }
    }

    fn busy(&self) -> bool {
        self.waiting.get()
    }
}

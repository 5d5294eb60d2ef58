//! One direction of a stream: its head, and how its body is shown.

use super::task::Bell;
use super::transform::{append, Shape};
use super::wait::foreign;
use super::{Own, Runtime};
use crate::abi::{action, call, map, order};
use crate::codec::Fields;
use crate::error::{Error, Result};
use crate::host;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What becomes of a body that goes on.
#[derive(Default)]
pub(crate) enum Mode {
    #[default]
    Pass,
    /// These bytes go in its place.
    Replace(Vec<u8>),
    /// The rest is dropped.
    Drop,
    Shape(Rc<dyn Shape>),
}

/// A direction of a stream.
pub(crate) struct Side {
    pub dir: u32,
    /// Its head has been shown; all has been shown.
    pub shown: Cell<bool>,
    pub ended: Cell<bool>,
    /// It shall go on; it has.
    pub pass: Cell<bool>,
    pub gone: Cell<bool>,
    /// How much of what the host holds has been seen, and whether that was taken away.
    pub kept: Cell<usize>,
    taken: Cell<bool>,
    /// What is read is to be taken away.
    pub take: Cell<bool>,
    /// Some of the body was taken away: its length is another.
    pub cut: Cell<bool>,
    /// The host has been asked for more of the body.
    asked: Cell<bool>,
    /// What nobody has read yet, of a body that is held.
    input: Own<Vec<u8>>,
    pub mode: Own<Mode>,
    pub bell: Bell,
}

impl Side {
    pub fn new(dir: u32) -> Side {
        Side {
            dir,
            shown: Cell::default(),
            ended: Cell::default(),
            pass: Cell::default(),
            gone: Cell::default(),
            kept: Cell::default(),
            taken: Cell::default(),
            take: Cell::default(),
            cut: Cell::default(),
            asked: Cell::default(),
            input: Own::default(),
            mode: Own::default(),
            bell: Bell::default(),
        }
    }

    /// The map of its head, or its trailers.
    pub fn map(&self, trailers: bool) -> u32 {
        map::REQUEST_HEADERS + 2 * self.dir + u32::from(trailers)
    }

    /// The host shows a body of so many bytes while the head is held.
    pub fn fill(&self, size: usize, last: bool) {
        let start = self.kept.replace(size);
        if size > start {
            if let Ok(new) = host::buffer(self.dir, start as u32, (size - start) as u32) {
                self.input.with(|input| append(input, new));
            }
        }
        self.asked.set(false);
        self.ended.set(self.ended.get() || last);
        self.bell.ring();
    }

    /// Reads what there is of a body that is held, or asks for more of it. What was read
    /// before is dropped then if it is to be taken away, or the request was answered.
    pub fn poll_chunk(&self, answered: bool, cx: &Context<'_>) -> Poll<Result<Option<Vec<u8>>>> {
        let input = self.input.take();
        if !input.is_empty() {
            self.taken.set(self.take.get());
            self.cut.set(self.cut.get() || self.take.get());
            return Poll::Ready(Ok(Some(input)));
        }
        if self.ended.get() {
            return Poll::Ready(Ok(None));
        }
        if self.gone.get() {
            return Poll::Ready(Err(Error::new("read body: it has gone on")));
        }
        if !self.asked.get() {
            let drop = self.take.get() || answered;
            let order = if drop { order::DROP_MORE } else { order::SHOW_MORE };
            if let Err(e) = self.order(order) {
                return Poll::Ready(Err(e));
            }
            if drop {
                self.kept.set(0);
                self.taken.set(false);
            }
            self.asked.set(true);
        }
        self.bell.wait(cx);
        Poll::Pending
    }

    fn order(&self, order: u32) -> Result<()> {
        foreign(call::BODY, Fields::default().number(u64::from(self.dir)).number(u64::from(order))).map(drop)
    }

    /// Lets the head go on, with what is held of the body, and says by which action; where
    /// there is no callback to return it, that is done here.
    pub fn let_go(&self, rt: &Runtime, inside: bool) -> u32 {
        self.gone.set(true);
        self.give();
        let unseen = rt.weir() && self.mode.with(|m| matches!(m, Mode::Pass));
        match (inside, unseen) {
            (true, true) => return action::CONTINUE_UNSEEN,
            (true, false) => {}
            (false, true) if self.order(order::PASS_REST).is_ok() => {}
            (false, _) => {
                let _ = host::resume(self.dir);
            }
        }
        action::CONTINUE
    }

    /// Puts in order what the host holds of the body, before it goes on with the head.
    fn give(&self) {
        let held = self.kept.get() > 0;
        let bytes = match self.mode.take() {
            Mode::Replace(bytes) if held || self.ended.get() => {
                self.mode.put(Mode::Drop);
                bytes
            }
            Mode::Pass if held && self.taken.get() => Vec::new(),
            mode => return self.mode.put(mode),
        };
        self.set(&bytes);
    }

    /// Puts bytes in the place of what the host holds.
    pub fn set(&self, bytes: &[u8]) {
        if let Err(st) = host::set_buffer(self.dir, 0, host::MOST, bytes) {
            crate::log::warn(&Error::status("change body", st, "").to_string());
        }
    }
}

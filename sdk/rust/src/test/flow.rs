//! A request or response on its way through the filter: what the host shows of it when.

use super::host::Inner;
use crate::abi::action;
use crate::codec::Pairs;
use crate::runtime::calls;
use std::collections::VecDeque;
use std::rc::Rc;

/// One direction.
#[derive(Default)]
pub(super) struct Flow {
    pub header: Pairs,
    pub chunks: VecDeque<Vec<u8>>,
    pub trailer: Pairs,
    /// There is something to show; more of the body is to come.
    pub begun: bool,
    pub open: bool,
    pub stage: Stage,
    shown: bool,
    pub ended: bool,
    trailed: bool,
    pub gone: bool,
    pub unseen: bool,
    pub resumed: bool,
    pub order: Option<u32>,
    hold: bool,
    pub buffer: Vec<u8>,
    pub out: Vec<u8>,
    pub done: bool,
}

/// What the guest may touch.
#[derive(Default, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    #[default]
    Idle,
    Head,
    Body,
    Trailer,
}

/// What is to be done next.
enum Do {
    Nothing,
    Again,
    Head(bool),
    Body(usize, bool),
    Trailer,
}

impl Flow {
    fn last(&self) -> bool {
        self.chunks.is_empty() && self.trailer.is_empty() && !self.open
    }

    /// Lets go what is held.
    fn pass(&mut self) -> Do {
        self.gone = true;
        self.hold = false;
        self.resumed = false;
        self.stage = Stage::Idle;
        self.out.append(&mut self.buffer);
        Do::Again
    }

    fn next(&mut self) -> Do {
        if !self.begun || self.done {
            return Do::Nothing;
        }
        if !self.shown {
            self.shown = true;
            self.stage = Stage::Head;
            self.ended = self.last();
            return Do::Head(self.ended);
        }
        if self.resumed {
            return self.pass();
        }
        let order = self.order.take();
        if !self.gone {
            return match order {
                Some(_) if self.ended || self.trailed => Do::Nothing,
                Some(_) if self.chunks.is_empty() && self.open => {
                    self.order = order;
                    Do::Nothing
                }
                Some(order) => {
                    if order == 2 {
                        self.buffer.clear();
                    }
                    self.show()
                }
                None => Do::Nothing,
            };
        }
        if self.hold || self.chunks.is_empty() && self.open {
            return Do::Nothing;
        }
        if self.unseen {
            self.done = !self.open;
            self.out.extend(self.chunks.drain(..).flatten());
            return Do::Again;
        }
        if self.chunks.is_empty() && (self.trailer.is_empty() || self.trailed) {
            self.done = true;
            return Do::Again;
        }
        self.show()
    }

    fn show(&mut self) -> Do {
        match self.chunks.pop_front() {
            Some(chunk) => {
                self.buffer.extend_from_slice(&chunk);
                self.stage = Stage::Body;
                self.ended = self.last();
                Do::Body(self.buffer.len(), self.ended)
            }
            None => {
                self.trailed = true;
                self.stage = Stage::Trailer;
                Do::Trailer
            }
        }
    }

    /// The guest has returned from a callback.
    fn returned(&mut self, then: u32, plain: bool) {
        if then == action::CONTINUE || self.resumed || then == action::CONTINUE_UNSEEN && !plain {
            self.unseen = self.unseen || then == action::CONTINUE_UNSEEN;
            self.pass();
            return;
        }
        if self.stage != Stage::Body {
            self.hold = true;
            return;
        }
        if then == action::STOP_NO_BUFFER {
            self.buffer.clear();
        }
        self.hold = self.ended || then == action::STOP_AND_WATERMARK;
    }
}

impl Inner {
    /// Does the next thing of a direction; false if there is none.
    pub fn advance(self: &Rc<Inner>, id: u32, dir: u32) -> bool {
        let mut s = self.state.borrow_mut();
        let (what, fields, trailers) = match s.exchanges.get_mut(&id) {
            Some(x) => {
                let flow = &mut x.flows[dir as usize];
                (flow.next(), flow.header.len(), flow.trailer.len())
            }
            None => return false,
        };
        s.effective = id;
        drop(s);
        let _ = (fields, trailers);
        let then = match what {
            Do::Nothing => return false,
            Do::Again => return true,
            Do::Head(end) => self.enter(|| calls::on_headers(dir, id, end)),
            Do::Body(size, end) => self.enter(|| calls::on_body(dir, id, size, end)),
            Do::Trailer => self.enter(|| calls::on_trailers(dir, id)),
        };
        let mut s = self.state.borrow_mut();
        let plain = s.plain;
        if let Some(x) = s.exchanges.get_mut(&id) {
            if x.reply.is_none() && !x.closed {
                x.flows[dir as usize].returned(then, plain);
            }
        }
        true
    }
}

//! A request that a filter works on, and its response.

use super::side::{Mode, Side};
use super::task::{Bell, Job, Woken};
use super::{current, Own, Root, Runtime};
use crate::abi::{action, direction, event};
use crate::codec::cat;
use crate::codec::{write_list, Pairs};
use crate::error::{Error, Result};
use crate::response::{Content, Response};
use crate::{host, Next, Request};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What a stream is at.
#[derive(Default)]
enum Work {
    #[default]
    Nothing,
    Filter(Job<Result<Response>>),
    /// The body of a reply is written.
    Reply(Job<()>),
}

/// How much of a reply's body is taken.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Room {
    /// There is none.
    None,
    Some,
    Full,
    /// Nobody takes it.
    Gone,
    /// It is kept here, to be sent whole.
    Kept,
}

/// A stream.
pub(crate) struct Stream {
    pub id: u32,
    pub root: Rc<Root>,
    pub sides: [Side; 2],
    pub woken: Arc<Woken>,
    work: Own<Work>,
    alive: Cell<bool>,
    /// It was answered here.
    replied: Cell<bool>,
    pub room: Cell<Room>,
    pub bell: Bell,
    /// What follows a reply's body.
    pub trailer: Own<Pairs>,
    /// The body of a reply that is sent whole.
    pub kept: Own<Vec<u8>>,
}

impl Stream {
    pub fn new(id: u32, root: Rc<Root>, rt: &Runtime) -> Stream {
        Stream {
            id,
            root,
            sides: [Side::new(direction::REQUEST), Side::new(direction::RESPONSE)],
            woken: Woken::new(u64::from(id), &rt.ready),
            work: Own::default(),
            alive: Cell::new(true),
            replied: Cell::default(),
            room: Cell::new(Room::None),
            bell: Bell::default(),
            trailer: Own::default(),
            kept: Own::default(),
        }
    }

    /// Has the host's functions speak of it; false if it is no more.
    pub fn select(&self) -> bool {
        current().select(self.id);
        self.alive.get()
    }

    pub fn alive(&self) -> bool {
        self.alive.get()
    }

    /// Whether it was answered here.
    pub fn over(&self) -> bool {
        self.replied.get()
    }

    /// Calls the filter.
    pub fn begin(self: &Rc<Stream>) {
        match self.root.filter.get() {
            Some(filter) => {
                let job = filter.run(Request::new(self.clone()), Next::new(self.clone()));
                self.work.put(Work::Filter(job));
            }
            None => self.sides.iter().for_each(|s| s.pass.set(true)),
        }
    }

    /// Ends it: what the filter was at is dropped.
    pub fn end(&self) {
        self.alive.set(false);
        self.give_up();
    }

    /// Drops what the filter was at, and lets everything go by.
    pub fn give_up(&self) {
        drop(self.work.take());
        for side in &self.sides {
            drop(side.mode.take());
            side.pass.set(true);
            side.gone.set(true);
        }
    }

    /// Lets everything go on that can, and returns the action for the callback of a
    /// direction, if it is one that runs.
    pub fn drive(&self, rt: &Runtime, inside: Option<u32>) -> u32 {
        let mut then = action::PAUSE;
        let waker = Waker::from(self.woken.clone());
        let cx = &mut Context::from_waker(&waker);
        self.woken.take();
        self.select();
        self.poll(cx);
        for side in &self.sides {
            let here = inside == Some(side.dir);
            let action = self.settle(rt, side, cx, here);
            if here {
                then = action;
            }
        }
        then
    }

    fn poll(&self, cx: &mut Context<'_>) {
        match self.work.take() {
            Work::Nothing => {}
            Work::Filter(mut job) => match job.as_mut().poll(cx) {
                Poll::Pending => self.work.put(Work::Filter(job)),
                Poll::Ready(result) => {
                    drop(job);
                    self.finish(result);
                    self.poll(cx); // a body may be to be written
                }
            },
            Work::Reply(mut job) => match job.as_mut().poll(cx) {
                Poll::Pending => self.work.put(Work::Reply(job)),
                Poll::Ready(()) => {}
            },
        }
    }

    /// Does what is to be done for a direction.
    fn settle(&self, rt: &Runtime, side: &Side, cx: &mut Context<'_>, inside: bool) -> u32 {
        if self.replied.get() || !side.pass.get() {
            return action::PAUSE;
        }
        let transform = side.mode.with(|mode| match mode {
            Mode::Shape(t) => Some(t.clone()),
            _ => None,
        });
        if side.gone.get() {
            return match transform {
                Some(t) if inside || t.busy() => t.run(rt, side, cx, inside),
                _ => action::CONTINUE,
            };
        }
        if let Some(t) = transform {
            if side.kept.get() > 0 && !t.busy() {
                t.begin(side);
                side.kept.set(0);
            }
            if t.busy() && t.run(rt, side, cx, false) != action::CONTINUE {
                return action::PAUSE;
            }
        }
        if side.cut.get() {
            let _ = host::remove(side.map(false), "content-length");
        }
        side.let_go(rt, inside)
    }

    /// The filter has returned.
    fn finish(&self, result: Result<Response>) {
        let response = match result {
            Ok(response) => response,
            Err(e) => {
                crate::log::error(&cat(&["filter: ", e.text()]));
                Response::new(500).details("filter_failed")
            }
        };
        match response.content {
            Content::Upstream => self.sides[1].pass.set(true),
            Content::Bytes(body) => self.reply(response.status, response.details, &response.header.pairs(), &body),
            Content::Stream(begin) => {
                self.replied.set(true);
                let stream = current().stream(self.id);
                if let Some(job) = stream.and_then(|s| begin(s, response.status, response.header.pairs())) {
                    self.work.put(Work::Reply(job));
                }
            }
        }
    }

    pub fn reply(&self, status: u16, details: &str, header: &[(String, Vec<u8>)], body: &[u8]) {
        self.replied.set(true);
        if let Err(st) = host::reply(u32::from(status), details, body, &write_list(header)) {
            crate::log::error(Error::status("reply", st, "").text());
            let _ = host::close(direction::RESPONSE);
        }
    }

    /// The host says something of a reply.
    pub fn event(&self, kind: u32) {
        match kind {
            event::ROOM if self.room.get() == Room::Full => self.room.set(Room::Some),
            event::GONE => self.room.set(Room::Gone),
            _ => {}
        }
        self.bell.ring();
    }

    /// The action for what is not looked at.
    pub fn unseen(&self, rt: &Runtime) -> u32 {
        if rt.weir() {
            action::CONTINUE_UNSEEN
        } else {
            action::CONTINUE
        }
    }

    /// The host shows a body, or its end.
    pub fn show(&self, rt: &Runtime, dir: u32, size: usize, last: bool) -> u32 {
        let side = match self.sides.get(dir as usize) {
            Some(side) => side,
            None => return action::CONTINUE,
        };
        if self.replied.get() && dir == direction::RESPONSE {
            return self.unseen(rt);
        }
        if !side.gone.get() {
            self.woken.expect();
            side.fill(size, last);
            return self.drive(rt, Some(dir));
        }
        side.ended.set(side.ended.get() || last);
        match side.mode.take() {
            Mode::Pass => self.unseen(rt),
            Mode::Drop => {
                side.mode.put(Mode::Drop);
                side.set(&[]);
                action::CONTINUE
            }
            Mode::Replace(bytes) => {
                side.mode.put(Mode::Drop);
                side.set(&bytes);
                action::CONTINUE
            }
            Mode::Shape(t) => {
                side.mode.put(Mode::Shape(t.clone()));
                self.woken.expect();
                t.feed(side, size, last);
                self.drive(rt, Some(dir))
            }
        }
    }
}

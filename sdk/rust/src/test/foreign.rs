//! What weir offers beyond Proxy-Wasm, as far as its flow goes; see services.

use super::answer::Sent;
use super::clock::failure;
use super::functions::SOON;
use super::host::Inner;
use super::state::Reply;
use crate::abi::{call, event, order, protocol, status};
use crate::codec::{read_pairs, write_list, Fields, Reading};
use crate::host::Answer;
use std::collections::VecDeque;
use std::time::Duration;

impl Inner {
    /// Calls a function of weir's.
    pub(super) fn weir(&self, name: &str, argument: &[u8]) -> Answer<Vec<u8>> {
        let mut a = Reading::new(argument.to_vec());
        let result = match name {
            call::HELLO => Some(Ok(Fields::default().number(u64::from(protocol::VERSION)))),
            call::FETCH => self.fetch(&mut a),
            call::FETCH_READ => self.fetch_read(&mut a),
            call::TIMER => self.timer(&mut a),
            call::CANCEL => self.cancel(&mut a),
            call::BODY => self.body(&mut a),
            call::INFORM => self.inform(&mut a),
            call::REPLY_START => self.reply_start(&mut a),
            call::REPLY_WRITE => self.reply_write(&mut a),
            call::REPLY_END => self.reply_end(&mut a),
            _ => self.serve(name, &mut a),
        };
        result.unwrap_or(Err(status::BAD_ARGUMENT)).map(|fields| fields.0)
    }

    /// A token that is going to be answered.
    pub(super) fn token(&self) -> u64 {
        let mut s = self.state.borrow_mut();
        let token = s.fresh();
        s.waiting.insert(token);
        token
    }

    fn timer(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let wait = Duration::from_millis(a.number()?);
        let token = self.token();
        self.state.borrow_mut().answer(wait, token, status::OK, Fields::default());
        Some(Ok(Fields::default().number(token)))
    }

    fn cancel(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let token = a.number()?;
        let mut s = self.state.borrow_mut();
        s.waiting.remove(&token);
        s.fetched.remove(&token);
        Some(Ok(Fields::default()))
    }

    fn fetch(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let upstream = a.text()?;
        let pairs = read_pairs(a.bytes()?);
        let body = a.bytes()?.to_vec();
        let limit = a.number()?;
        let token = self.token();
        let answer = match self.ask(&upstream, Sent::new(&upstream, &pairs, body, &Vec::new())) {
            Some(answer) => answer,
            None => {
                let why = ["grants: {upstreams: [", &upstream, "]}"].concat();
                let message = Fields::default().bytes(why.as_bytes());
                self.state.borrow_mut().answer(SOON, token, status::DENIED, message);
                return Some(Ok(Fields::default().number(token)));
            }
        };
        let mut s = self.state.borrow_mut();
        let time = Duration::from_millis(limit);
        if limit > 0 && answer.delay > time {
            let (st, message) = failure("it took too long");
            s.answer(time, token, st, message);
        } else if let Some(why) = &answer.broken {
            let (st, message) = failure(why);
            s.answer(answer.delay, token, st, message);
        } else {
            let fields = Fields::default().bytes(&write_list(&answer.pairs()));
            let short = answer.chunks.len() <= 1 && answer.gap == Duration::default();
            let fields = if short {
                fields.bytes(&answer.chunks.concat()).number(0).bytes(&write_list(&answer.trailer))
            } else {
                fields.bytes(&[]).number(1)
            };
            s.answer(answer.delay, token, status::OK, fields);
            if !short {
                s.fetched.insert(token, (VecDeque::from(answer.chunks.clone()), answer));
            }
        }
        Some(Ok(Fields::default().number(token)))
    }

    fn fetch_read(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let token = a.number()?;
        let mut s = self.state.borrow_mut();
        if s.waiting.contains(&token) {
            return None;
        }
        let (chunks, answer) = s.fetched.get_mut(&token)?;
        let gap = answer.gap;
        let next = chunks.pop_front();
        let trailer = write_list(&answer.trailer);
        s.waiting.insert(token);
        match next {
            Some(chunk) => s.answer(gap, token, status::OK, Fields::default().bytes(&chunk)),
            None => {
                s.fetched.remove(&token);
                s.answer(SOON, token, status::EMPTY, Fields::default().bytes(&trailer));
            }
        }
        Some(Ok(Fields::default()))
    }

    fn body(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let (dir, wanted) = (a.number()?, a.number()? as u32);
        let mut s = self.state.borrow_mut();
        let flow = s.here()?.flows.get_mut(dir as usize)?;
        match wanted {
            order::PASS_REST => {
                flow.resumed = !flow.gone || !flow.buffer.is_empty();
                flow.unseen = true;
            }
            order::SHOW_MORE | order::DROP_MORE => flow.order = Some(wanted).filter(|_| !flow.gone),
            _ => return None,
        }
        Some(Ok(Fields::default()))
    }

    fn inform(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let code = a.number()?;
        let pairs = read_pairs(a.bytes()?);
        if !(100..200).contains(&code) || code == 101 {
            return None;
        }
        self.state.borrow_mut().here()?.hints.push(pairs);
        Some(Ok(Fields::default()))
    }

    fn reply_start(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let code = a.number()? as u32;
        let header = read_pairs(a.bytes()?);
        let mut s = self.state.borrow_mut();
        let x = s.here()?;
        if x.reply.is_some() || x.flows[1].gone {
            return None;
        }
        x.reply = Some(Reply { status: code, header, ..Reply::default() });
        Some(Ok(Fields::default()))
    }

    fn reply_write(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let bytes = a.bytes()?;
        let mut s = self.state.borrow_mut();
        let (room, id) = (s.room, s.effective);
        let reply = s.here()?.reply.as_mut()?;
        if reply.ended {
            return None;
        }
        reply.body.extend_from_slice(bytes);
        reply.unsent += bytes.len();
        let fits = reply.unsent <= room;
        if !fits {
            s.later(SOON, super::clock::Happening::Event { id, kind: event::ROOM });
        }
        Some(Ok(Fields::default().number(u64::from(fits))))
    }

    fn reply_end(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let trailer = read_pairs(a.bytes()?);
        let mut s = self.state.borrow_mut();
        let reply = s.here()?.reply.as_mut()?;
        reply.trailer = trailer;
        reply.ended = true;
        Some(Ok(Fields::default()))
    }
}

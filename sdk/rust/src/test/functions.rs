use super::answer::Sent;
use super::clock::Happening;
use super::flow::Stage;
use super::host::Inner;
use super::state::{Reply, State};
use crate::abi::{buffer, map, metric, status};
use crate::codec::{read_pairs, write_list, Pairs};
use crate::host::{Answer, Functions};
use std::time::Duration;

/// How much a guest may hold of a body.
const LIMIT: usize = 1 << 20;

impl State {
    /// A header that may be read.
    fn map(&mut self, kind: u32) -> Answer<&Pairs> {
        match kind {
            map::CALL_RESPONSE_HEADERS => return Ok(&self.lent.header),
            map::CALL_RESPONSE_TRAILERS => return Ok(&self.lent.trailer),
            _ => {}
        }
        let x = self.here().ok_or(status::BAD_ARGUMENT)?;
        let flow = x.flows.get(kind as usize / 2).ok_or(status::BAD_ARGUMENT)?;
        match kind % 2 {
            0 if flow.begun => Ok(&flow.header),
            1 if flow.stage == Stage::Trailer => Ok(&flow.trailer),
            _ => Err(status::NOT_FOUND),
        }
    }

    /// A header that may be changed.
    fn map_mut(&mut self, kind: u32) -> Answer<&mut Pairs> {
        let x = self.here().ok_or(status::BAD_ARGUMENT)?;
        let flow = x.flows.get_mut(kind as usize / 2).ok_or(status::BAD_ARGUMENT)?;
        match kind % 2 {
            0 if flow.begun && !flow.gone => Ok(&mut flow.header),
            1 if flow.stage == Stage::Trailer => Ok(&mut flow.trailer),
            _ => Err(status::BAD_ARGUMENT),
        }
    }
}

impl Functions for Inner {
    fn log(&self, level: u32, text: &str) {
        self.state.borrow_mut().log.push((level, text.into()));
    }

    fn now(&self) -> u64 {
        self.state.borrow().clock
    }

    fn set_tick(&self, milliseconds: u32) {
        let mut s = self.state.borrow_mut();
        let period = u64::from(milliseconds) * 1_000_000;
        s.tick = if period == 0 { None } else { Some((period, s.clock + period)) };
    }

    fn set_effective(&self, context: u32) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        if context != 1 && !s.exchanges.contains_key(&context) {
            return Err(status::BAD_ARGUMENT);
        }
        s.effective = context;
        Ok(())
    }

    fn status(&self) -> (u32, Vec<u8>) {
        (status::BROKEN_CONNECTION, self.state.borrow().lent.message.clone())
    }

    fn buffer(&self, kind: u32, start: u32, most: u32) -> Answer<Vec<u8>> {
        let mut s = self.state.borrow_mut();
        let bytes = match kind {
            buffer::REQUEST_BODY | buffer::RESPONSE_BODY => {
                let flow = &s.here().ok_or(status::NOT_FOUND)?.flows[kind as usize];
                if !matches!(flow.stage, Stage::Body | Stage::Trailer) {
                    return Err(status::NOT_FOUND);
                }
                flow.buffer.as_slice()
            }
            buffer::PLUGIN_CONFIGURATION => s.config.as_slice(),
            buffer::CALL_RESPONSE_BODY => s.lent.body.as_deref().ok_or(status::NOT_FOUND)?,
            buffer::CALL_DATA => s.lent.data.as_deref().ok_or(status::NOT_FOUND)?,
            _ => return Err(status::NOT_FOUND),
        };
        let start = bytes.len().min(start as usize);
        let end = bytes.len().min(start.saturating_add(most as usize));
        let bytes = bytes[start..end].to_vec();
        s.lie(Ok(bytes))
    }

    fn set_buffer(&self, kind: u32, start: u32, size: u32, data: &[u8]) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        let plain = s.plain;
        let x = s.here().ok_or(status::BAD_ARGUMENT)?;
        let flow = x.flows.get_mut(kind as usize).ok_or(status::BAD_ARGUMENT)?;
        match flow.stage {
            Stage::Body | Stage::Trailer => {}
            Stage::Head if flow.ended && !plain => {}
            _ => return Err(status::BAD_ARGUMENT),
        }
        if flow.buffer.len() + data.len() > LIMIT {
            x.closed = true;
            return Err(status::INTERNAL_FAILURE);
        }
        let start = flow.buffer.len().min(start as usize);
        let end = flow.buffer.len().min(start.saturating_add(size as usize));
        flow.buffer.splice(start..end, data.iter().copied());
        Ok(())
    }

    fn pairs(&self, map: u32) -> Answer<Vec<u8>> {
        let mut s = self.state.borrow_mut();
        let pairs = s.map(map).map(|pairs| write_list(pairs));
        s.lie(pairs)
    }

    fn value(&self, map: u32, key: &str) -> Answer<Vec<u8>> {
        let mut s = self.state.borrow_mut();
        let found = s.map(map)?.iter().find(|(n, _)| n.eq_ignore_ascii_case(key)).map(|(_, v)| v.clone());
        s.lie(found.ok_or(status::NOT_FOUND))
    }

    fn add(&self, map: u32, key: &str, value: &[u8]) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        s.map_mut(map)?.push((key.to_ascii_lowercase(), value.to_vec()));
        Ok(())
    }

    fn replace(&self, map: u32, key: &str, value: &[u8]) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        let pairs = s.map_mut(map)?;
        let at = pairs.iter().position(|(n, _)| n.eq_ignore_ascii_case(key)).unwrap_or(pairs.len());
        pairs.retain(|(n, _)| !n.eq_ignore_ascii_case(key));
        pairs.insert(at.min(pairs.len()), (key.to_ascii_lowercase(), value.to_vec()));
        Ok(())
    }

    fn remove(&self, map: u32, key: &str) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        s.map_mut(map)?.retain(|(n, _)| !n.eq_ignore_ascii_case(key));
        Ok(())
    }

    fn property(&self, path: &[u8]) -> Answer<Vec<u8>> {
        let mut s = self.state.borrow_mut();
        if path == b"plugin_root_id" {
            return Ok(s.root_id.clone().into_bytes());
        }
        let value = s.properties.get(path).cloned().ok_or(status::NOT_FOUND);
        s.lie(value)
    }

    fn set_property(&self, path: &[u8], value: &[u8]) -> Answer<()> {
        self.state.borrow_mut().properties.insert(path.to_vec(), value.to_vec());
        Ok(())
    }

    fn resume(&self, direction: u32) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        let x = s.here().ok_or(status::BAD_ARGUMENT)?;
        let flow = x.flows.get_mut(direction as usize).ok_or(status::BAD_ARGUMENT)?;
        flow.resumed = flow.stage != Stage::Idle;
        Ok(())
    }

    fn close(&self, direction: u32) -> Answer<()> {
        let _ = direction;
        let mut s = self.state.borrow_mut();
        s.here().ok_or(status::BAD_ARGUMENT)?.closed = true;
        Ok(())
    }

    fn reply(&self, status: u32, details: &str, body: &[u8], pairs: &[u8]) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        let x = s.here().ok_or(status::BAD_ARGUMENT)?;
        if x.reply.is_some() || x.flows[1].gone {
            return Err(status::BAD_ARGUMENT);
        }
        let header = read_pairs(pairs);
        let (body, details) = (body.to_vec(), details.into());
        x.reply = Some(Reply { status, header, body, details, ended: true, ..Reply::default() });
        Ok(())
    }

    fn call(&self, upstream: &str, pairs: &[u8], body: &[u8], _milliseconds: u32) -> Answer<u32> {
        let sent = Sent::new(upstream, &read_pairs(pairs), body.to_vec(), &Vec::new());
        let answer = self.ask(upstream, sent).ok_or(status::BAD_ARGUMENT)?;
        let mut s = self.state.borrow_mut();
        let token = s.fresh();
        s.waiting.insert(token);
        s.later(answer.delay, Happening::Called { token, answer });
        Ok(token as u32)
    }

    fn foreign(&self, name: &str, argument: &[u8]) -> Answer<Vec<u8>> {
        if self.state.borrow().plain {
            return Err(status::NOT_FOUND);
        }
        let result = self.weir(name, argument);
        self.state.borrow_mut().lie(result)
    }

    fn shared(&self, key: &str) -> Answer<(Vec<u8>, u32)> {
        self.state.borrow().shared.get(key).cloned().ok_or(status::NOT_FOUND)
    }

    fn set_shared(&self, key: &str, value: &[u8], version: u32) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        let there = s.shared.get(key).map(|(_, v)| *v);
        if version != 0 && there.map_or(false, |v| v != version) {
            return Err(status::CAS_MISMATCH);
        }
        let next = s.fresh() as u32;
        s.shared.insert(key.into(), (value.to_vec(), next));
        Ok(())
    }

    fn define_metric(&self, kind: u32, name: &str) -> Answer<u32> {
        let mut s = self.state.borrow_mut();
        if let Some(at) = s.metrics.iter().position(|(_, n, _)| n == name) {
            return Ok(at as u32);
        }
        s.metrics.push((kind, name.into(), 0));
        Ok(s.metrics.len() as u32 - 1)
    }

    fn record(&self, id: u32, value: u64) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        let m = s.metrics.get_mut(id as usize).ok_or(status::NOT_FOUND)?;
        m.2 = match m.0 {
            metric::GAUGE => value,
            metric::HISTOGRAM => m.2 + 1,
            _ => m.2 + value,
        };
        Ok(())
    }

    fn increment(&self, id: u32, delta: i64) -> Answer<()> {
        let mut s = self.state.borrow_mut();
        let m = s.metrics.get_mut(id as usize).ok_or(status::NOT_FOUND)?;
        if m.0 == metric::HISTOGRAM || m.0 == metric::COUNTER && delta <= 0 {
            return Err(status::BAD_ARGUMENT);
        }
        m.2 = m.2.wrapping_add(delta as u64);
        Ok(())
    }

    fn metric(&self, id: u32) -> Answer<u64> {
        let s = self.state.borrow();
        s.metrics.get(id as usize).map(|m| m.2).ok_or(status::NOT_FOUND)
    }
}

impl Inner {
    /// Asks an upstream, and notes what it got; None if there is none of that name.
    pub(super) fn ask(&self, upstream: &str, sent: Sent) -> Option<super::Answer> {
        let f = self.state.borrow().upstreams.get(upstream).cloned()?;
        self.state.borrow_mut().calls.push(sent.clone());
        Some(f(&sent))
    }
}

/// Nothing takes no time.
pub(super) const SOON: Duration = Duration::from_millis(1);

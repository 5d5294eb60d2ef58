//! What the host calls. Ids and sizes are its, and may be anything.

use super::stream::Stream;
use super::{current, Own, Root};
use crate::abi::{action, buffer};
use crate::codec::{cat, text, Reading};
use crate::filter::open;
use crate::host;
use std::rc::Rc;

pub(crate) fn on_context_create(id: u32, parent: u32) {
    let rt = current();
    if parent == 0 {
        rt.entered(id, id);
        rt.roots.insert(u64::from(id), Rc::new(Root { id, filter: Own::default() }));
        return;
    }
    rt.entered(id, parent);
    if let Some(root) = rt.roots.get(u64::from(parent)) {
        rt.streams.insert(u64::from(id), Rc::new(Stream::new(id, root, &rt)));
    }
}

pub(crate) fn on_configure(root: u32, size: usize) -> bool {
    let rt = current();
    rt.entered(root, root);
    let config = if size == 0 {
        Vec::new()
    } else {
        host::buffer(buffer::PLUGIN_CONFIGURATION, 0, host::MOST).unwrap_or_default()
    };
    let there = match rt.roots.get(u64::from(root)) {
        Some(there) => there,
        None => return false,
    };
    let name = host::property(b"plugin_root_id").map(text).unwrap_or_default();
    drop(rt.tasks.remove_all(|t| t.of(root))); // of an earlier configuration
    match open(&rt, &name, &config) {
        Ok(filter) => {
            there.filter.put(Some(filter));
            rt.settle();
            true
        }
        Err(problems) => {
            crate::log::error(&cat(&["configuration refused: ", &problems.join("; ")]));
            false
        }
    }
}

pub(crate) fn on_tick(root: u32) {
    let rt = current();
    rt.entered(root, root);
    if let Some(tick) = rt.tick.get() {
        tick(&rt);
    }
    rt.settle();
}

/// Enters a stream; None if there is none of that id.
fn enter(id: u32) -> Option<(Rc<super::Runtime>, Rc<Stream>)> {
    let rt = current();
    let stream = rt.stream(id)?;
    rt.entered(id, stream.root.id);
    Some((rt, stream))
}

pub(crate) fn on_headers(dir: u32, id: u32, end: bool) -> u32 {
    let (rt, stream) = match enter(id) {
        Some(there) => there,
        None => return action::CONTINUE,
    };
    let side = match stream.sides.get(dir as usize) {
        Some(side) => side,
        None => return action::CONTINUE,
    };
    if side.shown.replace(true) || stream.over() {
        return stream.unseen(&rt); // a reply of ours, on its way through
    }
    if dir == 1 && !stream.sides[0].pass.get() {
        // Somebody else has answered, before the filter let the request go on.
        stream.give_up();
        rt.settle();
        return stream.unseen(&rt);
    }
    side.ended.set(end);
    stream.woken.expect();
    side.bell.ring();
    if dir == 0 {
        stream.begin();
    }
    let then = stream.drive(&rt, Some(dir));
    rt.settle();
    then
}

pub(crate) fn on_body(dir: u32, id: u32, size: usize, end: bool) -> u32 {
    let (rt, stream) = match enter(id) {
        Some(there) => there,
        None => return action::CONTINUE,
    };
    let then = stream.show(&rt, dir, size, end);
    rt.settle();
    then
}

pub(crate) fn on_trailers(dir: u32, id: u32) -> u32 {
    let (rt, stream) = match enter(id) {
        Some(there) => there,
        None => return action::CONTINUE,
    };
    let held = stream.sides.get(dir as usize).map_or(0, |s| if s.gone.get() { 0 } else { s.kept.get() });
    let then = match stream.show(&rt, dir, held, true) {
        // Trailers know no other actions.
        action::CONTINUE | action::CONTINUE_UNSEEN => action::CONTINUE,
        _ => action::PAUSE,
    };
    rt.settle();
    then
}

pub(crate) fn on_call_response(root: u32, token: u32, fields: u32) {
    let rt = current();
    rt.entered(root, root);
    if let Some(hear) = rt.called.get() {
        hear(&rt, token, fields > 0);
    }
    rt.settle();
}

pub(crate) fn on_foreign(root: u32, function: u32, size: usize) {
    let rt = current();
    rt.entered(root, root);
    if let Some(hear) = rt.told.get() {
        let fields = host::buffer(buffer::CALL_DATA, 0, size as u32).unwrap_or_default();
        hear(&rt, function, Reading::new(fields));
    }
    rt.settle();
}

pub(crate) fn on_delete(id: u32) {
    let rt = current();
    if let Some(stream) = rt.streams.remove(u64::from(id)) {
        rt.entered(id, stream.root.id);
        stream.end();
        rt.settle();
    } else if let Some(root) = rt.roots.remove(u64::from(id)) {
        rt.entered(id, id);
        drop(rt.tasks.remove_all(|t| t.of(id)));
        drop(root.filter.take());
    }
}

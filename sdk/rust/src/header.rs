use crate::codec::cat;
use crate::codec::{read_pairs, text, Pairs};
use crate::host;
use crate::runtime::stream::Stream;
use std::rc::Rc;

/// The fields of a request's or response's header, or trailer.
///
/// Names are compared without regard to case. A host's header is asked and changed where
/// it is, field by field; what the host refuses, because it has gone out, say, is logged.
pub struct Header(Kept);

enum Kept {
    There(Rc<Stream>, u32),
    Here(Pairs),
}

/// What is given for a value: text, or bytes.
pub trait Value {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
}

impl<T: AsRef<[u8]> + ?Sized> Value for T {
    fn bytes(&self) -> &[u8] {
        self.as_ref()
    }
}

impl Header {
    pub(crate) fn there(stream: Rc<Stream>, map: u32) -> Header {
        Header(Kept::There(stream, map))
    }

    pub(crate) fn here(pairs: Pairs) -> Header {
        Header(Kept::Here(pairs))
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<String> {
        self.get_bytes(name).map(text)
    }

    /// The first value of a name, as it is: it may be no UTF-8.
    pub fn get_bytes(&self, name: &str) -> Option<Vec<u8>> {
        match &self.0 {
            Kept::There(stream, map) if stream.select() => host::value(*map, name).ok(),
            Kept::There(..) => None,
            Kept::Here(pairs) => pairs.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone()),
        }
    }

    /// Whether there is a field of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get_bytes(name).is_some()
    }

    /// All values of a name.
    pub fn values(&self, name: &str) -> Vec<String> {
        let its = |(n, v): (String, Vec<u8>)| if n.eq_ignore_ascii_case(name) { Some(text(v)) } else { None };
        self.pairs().into_iter().filter_map(its).collect()
    }

    /// All fields, in their order.
    pub fn all(&self) -> Vec<(String, String)> {
        self.pairs().into_iter().map(|(n, v)| (n, text(v))).collect()
    }

    pub(crate) fn pairs(&self) -> Pairs {
        match &self.0 {
            Kept::There(stream, map) if stream.select() => read_pairs(&host::pairs(*map).unwrap_or_default()),
            Kept::There(..) => Vec::new(),
            Kept::Here(pairs) => pairs.clone(),
        }
    }

    /// Makes a value the only one of its name.
    pub fn set(&mut self, name: &str, value: impl Value) -> &mut Header {
        match &mut self.0 {
            Kept::There(stream, map) => {
                stream.select();
                told("set", name, host::replace(*map, name, value.bytes()));
            }
            Kept::Here(pairs) => {
                pairs.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
                pairs.push((name.to_ascii_lowercase(), value.bytes().to_vec()));
            }
        }
        self
    }

    /// Adds a field; others of that name stay.
    pub fn add(&mut self, name: &str, value: impl Value) -> &mut Header {
        match &mut self.0 {
            Kept::There(stream, map) => {
                stream.select();
                told("add", name, host::add(*map, name, value.bytes()));
            }
            Kept::Here(pairs) => pairs.push((name.to_ascii_lowercase(), value.bytes().to_vec())),
        }
        self
    }

    /// Removes all fields of a name.
    pub fn remove(&mut self, name: &str) -> &mut Header {
        match &mut self.0 {
            Kept::There(stream, map) => {
                stream.select();
                told("remove", name, host::remove(*map, name));
            }
            Kept::Here(pairs) => pairs.retain(|(n, _)| !n.eq_ignore_ascii_case(name)),
        }
        self
    }
}

fn told(what: &str, name: &str, answer: host::Answer<()>) {
    if let Err(status) = answer {
        let what = cat(&[what, " field ", name]);
        crate::log::warn(crate::Error::status(&what, status, "").text());
    }
}

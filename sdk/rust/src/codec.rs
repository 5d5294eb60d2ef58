//! The encodings of the ABI: header pairs, and the fields that weir's functions take and
//! give. What is read comes from outside: nothing here panics, or takes more memory than
//! it was given.

/// Header fields, or other keys and values.
pub(crate) type Pairs = Vec<(String, Vec<u8>)>;

/// Writes pairs: a count, the lengths of each, then each with a zero byte behind it.
pub(crate) fn write_pairs<'a, I>(pairs: I) -> Vec<u8>
where
    I: Iterator<Item = (&'a str, &'a [u8])> + Clone,
{
    let (mut count, mut size) = (0usize, 4usize);
    for (key, value) in pairs.clone() {
        count += 1;
        size += 8 + key.len() + 1 + value.len() + 1;
    }
    let mut out = Vec::with_capacity(size);
    put32(&mut out, count);
    for (key, value) in pairs.clone() {
        put32(&mut out, key.len());
        put32(&mut out, value.len());
    }
    for (key, value) in pairs {
        out.extend_from_slice(key.as_bytes());
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

/// Writes the pairs of a list.
pub(crate) fn write_list(pairs: &[(String, Vec<u8>)]) -> Vec<u8> {
    write_pairs(pairs.iter().map(|(k, v)| (k.as_str(), v.as_slice())))
}

/// Reads pairs. What is none, in whole or in part, has no pairs at all. Keys that are not
/// UTF-8 are made so.
pub(crate) fn read_pairs(bytes: &[u8]) -> Pairs {
    parse_pairs(bytes).unwrap_or_default()
}

fn parse_pairs(bytes: &[u8]) -> Option<Pairs> {
    let count = get32(bytes, 0)?;
    // A pair takes ten bytes at least: a count that lies takes no memory.
    if count > bytes.len() / 10 {
        return None;
    }
    let mut pairs = Vec::with_capacity(count);
    let mut rest = bytes.get(4 + 8 * count..)?;
    for n in 0..count {
        let key = cut(&mut rest, get32(bytes, 4 + 8 * n)?)?;
        let value = cut(&mut rest, get32(bytes, 8 + 8 * n)?)?;
        pairs.push((text(key.to_vec()), value.to_vec()));
    }
    if rest.is_empty() {
        Some(pairs)
    } else {
        None
    }
}

/// Takes n bytes and the zero behind them.
fn cut<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    if *rest.get(n)? != 0 {
        return None;
    }
    let (taken, more) = rest.split_at(n);
    *rest = more.get(1..)?;
    Some(taken)
}

/// Makes text of bytes; what is not UTF-8 is replaced.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    let bad = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(bad) => bad.into_bytes(),
    };
    let (mut out, mut rest) = (String::new(), bad.as_slice());
    while let Err(e) = std::str::from_utf8(rest) {
        let (good, more) = rest.split_at(e.valid_up_to());
        out.push_str(std::str::from_utf8(good).unwrap_or_default());
        out.push(char::REPLACEMENT_CHARACTER);
        rest = more.get(e.error_len().unwrap_or(more.len())..).unwrap_or_default();
    }
    out.push_str(std::str::from_utf8(rest).unwrap_or_default());
    out
}

/// Puts texts behind each other.
pub(crate) fn cat(parts: &[&str]) -> String {
    let mut out = String::new();
    parts.iter().for_each(|part| out.push_str(part));
    out
}

fn put32(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&(n as u32).to_le_bytes());
}

fn get32(bytes: &[u8], at: usize) -> Option<usize> {
    let b = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
}

/// Fields that are written: each with its length before it.
#[derive(Default)]
pub(crate) struct Fields(pub Vec<u8>);

impl Fields {
    /// Adds a field.
    pub fn bytes(mut self, field: &[u8]) -> Fields {
        put32(&mut self.0, field.len());
        self.0.extend_from_slice(field);
        self
    }

    /// Adds a number.
    pub fn number(self, n: u64) -> Fields {
        self.bytes(&n.to_le_bytes())
    }
}

/// Fields that are read, in their order.
pub(crate) struct Reading {
    bytes: Vec<u8>,
    at: usize,
}

impl Reading {
    pub fn new(bytes: Vec<u8>) -> Reading {
        Reading { bytes, at: 0 }
    }

    /// Whether there are further bytes.
    pub fn more(&self) -> bool {
        self.at < self.bytes.len()
    }

    /// The next field, if there is one.
    pub fn bytes(&mut self) -> Option<&[u8]> {
        let length = get32(&self.bytes, self.at)?;
        let start = self.at + 4;
        let field = self.bytes.get(start..start.checked_add(length)?)?;
        self.at = start + length;
        Some(field)
    }

    /// The next field, if it is a number.
    pub fn number(&mut self) -> Option<u64> {
        let b = self.bytes()?;
        let mut n = [0; 8];
        if b.len() != n.len() {
            return None;
        }
        n.copy_from_slice(b);
        Some(u64::from_le_bytes(n))
    }

    /// The next field, as text.
    pub fn text(&mut self) -> Option<String> {
        self.bytes().map(|b| text(b.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_written_and_read_alike() {
        let pairs: Pairs = vec![
            (":path".into(), b"/x".to_vec()),
            ("set-cookie".into(), b"a".to_vec()),
            ("set-cookie".into(), vec![0, 255]),
            ("".into(), vec![]),
        ];
        assert_eq!(read_pairs(&write_list(&pairs)), pairs);
        assert_eq!(
            write_list(&[("k".into(), b"v1".to_vec())]),
            [1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'k', 0, b'v', b'1', 0]
        );
        for none in [&[][..], &[0], &[0; 4], &[255; 4], &[1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0]] {
            assert_eq!(read_pairs(none), vec![]);
        }
    }

    #[test]
    fn fields_are_written_and_read_alike() {
        let all = Fields::default().bytes(b"key").bytes(b"").number(u64::MAX).0;
        let mut r = Reading::new(all.clone());
        assert_eq!(r.bytes(), Some(&b"key"[..]));
        assert_eq!(r.text(), Some(String::new()));
        assert_eq!(r.number(), Some(u64::MAX));
        assert!(!r.more() && r.bytes().is_none());
        for cut in 0..all.len() {
            let mut r = Reading::new(all[..cut].to_vec());
            assert!(r.bytes().is_none() || r.bytes().is_none() || r.number().is_none());
        }
    }

    /// A stand-in for a fuzzer: bytes that nearly are what they should be.
    #[test]
    fn nothing_panics_over_bytes() {
        let mut random = crate::test::Random::new(1);
        let good = write_list(&[("key".into(), b"value".to_vec()), ("a".into(), b"b".to_vec())]);
        for _ in 0..20_000 {
            let bytes = random.mutate(&good);
            let pairs = read_pairs(&bytes);
            if !pairs.is_empty() && pairs.iter().all(|(k, _)| !k.contains('\u{fffd}')) {
                assert_eq!(write_list(&pairs), bytes);
            }
            let mut fields = Reading::new(bytes);
            while fields.bytes().is_some() {}
            fields.number();
        }
    }
}

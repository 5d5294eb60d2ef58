//! JSON, as far as configurations need it.

use crate::codec::cat;

/// A value. Numbers are kept as they are written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "true or false",
            Json::Number(_) => "a number",
            Json::Text(_) => "a text",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

/// How deep values may be in each other.
const DEEP: usize = 64;

/// Reads a value. The error names the place, as bytes from the beginning.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json, String> {
    let mut p = Parser { bytes, at: 0 };
    let value = p.value(0).and_then(|value| {
        p.space();
        if p.at == bytes.len() {
            Ok(value)
        } else {
            Err("there is more behind it")
        }
    });
    value.map_err(|problem| cat(&["not JSON at byte ", &p.at.to_string(), ": ", problem]))
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, &'static str>;

impl Parser<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    /// Takes a byte if it comes next.
    fn take(&mut self, b: u8) -> bool {
        let there = self.peek() == b && self.at < self.bytes.len();
        if there {
            self.at += 1;
        }
        there
    }

    fn want(&mut self, b: u8, problem: &'static str) -> Read<()> {
        if self.take(b) {
            Ok(())
        } else {
            Err(problem)
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Read<Json> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err("an unknown word")
        }
    }

    fn value(&mut self, depth: usize) -> Read<Json> {
        if depth > DEEP {
            return Err("too deep");
        }
        self.space();
        match self.peek() {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.text().map(Json::Text),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ if self.at == self.bytes.len() => Err("it ends too early"),
            _ => Err("no value begins so"),
        }
    }

    fn object(&mut self, depth: usize) -> Read<Json> {
        self.at += 1;
        let mut all: Vec<(String, Json)> = Vec::new();
        loop {
            self.space();
            if all.is_empty() && self.take(b'}') {
                return Ok(Json::Object(all));
            }
            if self.peek() != b'"' {
                return Err("a key is missing");
            }
            let key = self.text()?;
            if all.iter().any(|(k, _)| *k == key) {
                return Err("a key is there twice");
            }
            self.space();
            self.want(b':', "a colon is missing")?;
            let value = self.value(depth + 1)?;
            all.push((key, value));
            self.space();
            if self.take(b'}') {
                return Ok(Json::Object(all));
            }
            self.want(b',', "a comma or brace is missing")?;
        }
    }

    fn list(&mut self, depth: usize) -> Read<Json> {
        self.at += 1;
        let mut all = Vec::new();
        loop {
            self.space();
            if all.is_empty() && self.take(b']') {
                return Ok(Json::List(all));
            }
            all.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Json::List(all));
            }
            self.want(b',', "a comma or bracket is missing")?;
        }
    }

    fn number(&mut self) -> Read<Json> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let digits = self.bytes[start..self.at].iter().map(|b| char::from(*b));
        Ok(Json::Number(digits.collect()))
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err("a digit is missing")
        }
    }

    fn text(&mut self) -> Read<String> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let b = self.peek();
            if self.at == self.bytes.len() {
                return Err("a text has no end");
            }
            self.at += 1;
            match b {
                b'"' => return String::from_utf8(out).map_err(|_| "a text is not UTF-8"),
                b'\\' => {
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..=0x1f => return Err("a control character in a text"),
                _ => out.push(b),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let b = self.peek();
        self.at += 1;
        Ok(match b {
            b'"' | b'\\' | b'/' => char::from(b),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut n = self.hex()?;
                if (0xd800..0xdc00).contains(&n) && self.take(b'\\') {
                    self.want(b'u', "half a character")?;
                    let low = self.hex()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err("half a character");
                    }
                    n = 0x10000 + ((n - 0xd800) << 10) + (low - 0xdc00);
                }
                char::from_u32(n).ok_or("half a character")?
            }
            _ => return Err("an unknown escape"),
        })
    }

    fn hex(&mut self) -> Read<u32> {
        let mut n = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()).to_digit(16).ok_or("a digit is missing")?;
            n = n * 16 + digit;
            self.at += 1;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Json {
        Json::Text(s.into())
    }

    #[test]
    fn reads_what_is_json() {
        let read = parse(br#" {"a": [1, -2.5e+3, true, null], "b\n": "\u00e4\ud83d\ude00\/", "c": {}} "#);
        let list = vec![Json::Number("1".into()), Json::Number("-2.5e+3".into()), Json::Bool(true), Json::Null];
        assert_eq!(
            read,
            Ok(Json::Object(vec![
                ("a".into(), Json::List(list)),
                ("b\n".into(), text("ä😀/")),
                ("c".into(), Json::Object(vec![])),
            ]))
        );
    }

    #[test]
    fn says_where_it_is_not() {
        for (bytes, want) in [
            ("", "byte 0: it ends too early"),
            ("{\"a\":1,}", "byte 7: a key is missing"),
            ("{\"a\":1,\"a\":2}", "a key is there twice"),
            ("[1 2]", "byte 3: a comma or bracket"),
            ("\"a", "a text has no end"),
            ("\"\\ud800\"", "half a character"),
            ("\"\\ud800\\u0041\"", "half a character"),
            ("\"\n\"", "a control character"),
            ("01", "byte 1: there is more"),
            ("1.", "a digit is missing"),
            ("tru", "an unknown word"),
        ] {
            let problem = parse(bytes.as_bytes()).unwrap_err();
            assert!(problem.contains(want), "{bytes}: {problem}");
        }
        assert!(parse("[".repeat(100_000).as_bytes()).unwrap_err().contains("too deep"));
        assert!(parse(b"\"\xff\"").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn nothing_panics_over_bytes() {
        let mut random = crate::test::Random::new(2);
        let good = br#"{"a": [1, -2.5e+3, true, null], "b\n": "\u00e4\ud83d\ude00", "c": {}}"#;
        for _ in 0..50_000 {
            let _ = parse(&random.mutate(good));
        }
    }
}

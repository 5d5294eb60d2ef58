use crate::codec::cat;
use crate::json::{parse, Json};
use crate::Result;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// The configuration of a filter: a JSON object, of which each key is asked for with what
/// holds if it is not there.
///
/// What has another type than it is asked for, and what is never asked for, refuses the
/// configuration: all of it is reported at once.
pub struct Config {
    object: Rc<Object>,
    problems: Problems,
}

type Problems = Rc<RefCell<Vec<String>>>;

/// An object that is asked.
struct Object {
    path: String,
    entries: Vec<(String, Json)>,
    asked: RefCell<Vec<bool>>,
    inner: RefCell<Vec<Rc<Object>>>,
}

impl Object {
    fn new(path: String, entries: Vec<(String, Json)>) -> Rc<Object> {
        let asked = RefCell::new(vec![false; entries.len()]);
        Rc::new(Object { path, entries, asked, inner: RefCell::default() })
    }

    /// Adds the keys that nobody has asked for.
    fn unknown(&self, problems: &mut Vec<String>) {
        for ((key, _), asked) in self.entries.iter().zip(self.asked.borrow().iter()) {
            if !asked {
                problems.push(cat(&[&self.path, key, ": there is no such setting"]));
            }
        }
        for inner in self.inner.borrow().iter() {
            inner.unknown(problems);
        }
    }
}

/// Whether a configuration has no settings.
pub(crate) fn says_nothing(config: &[u8]) -> bool {
    let mut left = config.iter().filter(|b| !b.is_ascii_whitespace());
    matches!((left.next(), left.next(), left.next()), (None, ..) | (Some(b'{'), Some(b'}'), None))
}

impl Config {
    /// Makes something from a configuration, or says all that is wrong with that.
    pub(crate) fn read<T>(
        config: &[u8],
        new: impl Fn(&mut Config) -> Result<T>,
    ) -> std::result::Result<T, Vec<String>> {
        let entries = match says_nothing(config) {
            true => Ok(Json::Object(Vec::new())),
            false => parse(config),
        };
        let entries = match entries {
            Ok(Json::Object(entries)) => entries,
            Ok(other) => return Err(vec![cat(&["it is ", other.kind(), ", not an object"])]),
            Err(problem) => return Err(vec![problem]),
        };
        let object = Object::new(String::new(), entries);
        let mut config = Config { object: object.clone(), problems: Problems::default() };
        let made = new(&mut config);
        let mut problems = config.problems.take();
        match made {
            Ok(made) => {
                object.unknown(&mut problems);
                if problems.is_empty() {
                    return Ok(made);
                }
            }
            // What was not asked for may be so because of the error.
            Err(e) => problems.push(e.text().into()),
        }
        Err(problems)
    }

    /// Reports that a setting is wrong, in words that follow its name.
    pub fn fail(&self, key: &str, why: &str) {
        let problem = cat(&[&self.object.path, key, ": ", why]);
        self.problems.borrow_mut().push(problem);
    }

    /// Whether a setting is there. It does not count as asked for.
    pub fn has(&self, key: &str) -> bool {
        self.object.entries.iter().any(|(k, v)| k == key && *v != Json::Null)
    }

    /// What is there, if it is anything but null.
    fn find(&self, key: &str) -> Option<&Json> {
        let at = self.object.entries.iter().position(|(k, _)| k == key)?;
        if let Some(asked) = self.object.asked.borrow_mut().get_mut(at) {
            *asked = true;
        }
        self.object.entries.get(at).map(|(_, v)| v).filter(|v| **v != Json::Null)
    }

    /// What is there, if it is of the kind that is wanted.
    fn read_as<'a, T>(&'a self, key: &str, wanted: &str, read: impl Fn(&'a Json) -> Option<T>) -> Option<T> {
        let value = self.find(key)?;
        let made = read(value);
        if made.is_none() {
            self.fail(key, &cat(&["it is ", value.kind(), ", not ", wanted]));
        }
        made
    }

    /// A text.
    pub fn string(&self, key: &str, default: &str) -> String {
        self.read_as(key, "a text", text).unwrap_or(default).into()
    }

    /// A text that must be there.
    pub fn require(&self, key: &str) -> String {
        if !self.has(key) {
            self.fail(key, "it has to be set");
        }
        self.string(key, "")
    }

    /// A whole number.
    pub fn int(&self, key: &str, default: i64) -> i64 {
        let read = |v: &Json| match v {
            Json::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        self.read_as(key, "a whole number", read).unwrap_or(default)
    }

    /// A number.
    pub fn float(&self, key: &str, default: f64) -> f64 {
        let read = |v: &Json| match v {
            Json::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        self.read_as(key, "a number", read).unwrap_or(default)
    }

    /// True or false.
    pub fn bool(&self, key: &str, default: bool) -> bool {
        let read = |v: &Json| match v {
            Json::Bool(b) => Some(*b),
            _ => None,
        };
        self.read_as(key, "true or false", read).unwrap_or(default)
    }

    /// A time, such as `1m30s`, `250ms`, `7d`.
    pub fn duration(&self, key: &str, default: &str) -> Duration {
        let read = |v: &Json| text(v).and_then(duration);
        let found = self.read_as(key, "a time such as 1m30s", read);
        found.or_else(|| duration(default)).unwrap_or_default()
    }

    /// A number of bytes: a number, or `64KiB`, `1MiB`, `10MB`.
    pub fn size(&self, key: &str, default: usize) -> usize {
        let read = |v: &Json| match v {
            Json::Number(s) | Json::Text(s) => size(s),
            _ => None,
        };
        self.read_as(key, "a size such as 64KiB", read).unwrap_or(default)
    }

    /// A list of texts; a single one stands for itself.
    pub fn strings(&self, key: &str, default: &[&str]) -> Vec<String> {
        let read = |v: &Json| match v {
            Json::Text(one) => Some(vec![one.clone()]),
            Json::List(all) => all.iter().map(|v| text(v).map(String::from)).collect(),
            _ => None,
        };
        let found = self.read_as(key, "a list of texts", read);
        found.unwrap_or_else(|| default.iter().map(|s| String::from(*s)).collect())
    }

    /// An object whose keys are not known, such as header fields: texts, numbers and truth
    /// values, as text.
    pub fn map(&self, key: &str) -> Vec<(String, String)> {
        let read = |v: &Json| match v {
            Json::Object(all) => all.iter().map(|(k, v)| Some((k.clone(), scalar(v)?))).collect(),
            _ => None,
        };
        self.read_as(key, "an object of texts", read).unwrap_or_default()
    }

    /// An object with settings of its own; without any if it is not there.
    pub fn object(&self, key: &str) -> Config {
        let read = |v: &Json| match v {
            Json::Object(all) => Some(all.clone()),
            _ => None,
        };
        let entries = self.read_as(key, "an object", read).unwrap_or_default();
        self.inner(cat(&[&self.object.path, key, "."]), entries)
    }

    /// A list of objects with settings of their own.
    pub fn objects(&self, key: &str) -> Vec<Config> {
        let read = |v: &Json| match v {
            Json::List(all) => all.iter().map(object).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let all = self.read_as(key, "a list of objects", read).unwrap_or_default();
        let path = |n: usize| cat(&[&self.object.path, key, "[", &n.to_string(), "]."]);
        all.into_iter().enumerate().map(|(n, entries)| self.inner(path(n), entries)).collect()
    }

    fn inner(&self, path: String, entries: Vec<(String, Json)>) -> Config {
        let object = Object::new(path, entries);
        self.object.inner.borrow_mut().push(object.clone());
        Config { object, problems: self.problems.clone() }
    }
}

fn text(v: &Json) -> Option<&str> {
    match v {
        Json::Text(s) => Some(s),
        _ => None,
    }
}

fn object(v: &Json) -> Option<Vec<(String, Json)>> {
    match v {
        Json::Object(all) => Some(all.clone()),
        _ => None,
    }
}

fn scalar(v: &Json) -> Option<String> {
    match v {
        Json::Text(s) | Json::Number(s) => Some(s.clone()),
        Json::Bool(b) => Some((if *b { "true" } else { "false" }).into()),
        _ => None,
    }
}

/// Reads a time: whole numbers, each with its unit.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::default());
    }
    let (mut total, mut rest) = (Duration::default(), text);
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let n: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let part = rest.strip_prefix('.').unwrap_or_default();
        let part = &part[..part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len())];
        if !part.is_empty() {
            rest = &rest[1 + part.len()..];
        }
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let nanoseconds: u64 = match &rest[..end] {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        rest = &rest[end..];
        total = total.checked_add(Duration::from_nanos(n.checked_mul(nanoseconds)?))?;
        let mut unit = nanoseconds; // of the digits behind the point, one after the other
        for digit in part.bytes() {
            unit /= 10;
            total = total.checked_add(Duration::from_nanos(unit * u64::from(digit - b'0')))?;
        }
    }
    Some(total)
}

/// Reads a number of bytes.
fn size(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let n: usize = text[..end].parse().ok()?;
    n.checked_mul(match text[end..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(c: &mut Config) -> Result<String> {
        let inner = c.object("inner");
        let rules: Vec<_> = c.objects("rules").iter().map(|r| r.string("path", "/")).collect();
        Ok(format!(
            "{} {} {} {:?} {:?} {:?} {} {:?} {}",
            c.string("header", "x-default"),
            c.int("most", 3),
            c.bool("on", true),
            c.duration("wait", "1m"),
            c.strings("names", &["a"]),
            c.map("set"),
            inner.int("n", 1),
            rules,
            c.float("share", 0.5),
        ))
    }

    #[test]
    fn gives_what_is_there_and_defaults_for_the_rest() {
        let empty = r#"x-default 3 true 60s ["a"] [] 1 [] 0.5"#;
        for nothing in ["", " ", "{ }", r#"{"header": null}"#] {
            assert_eq!(Config::read(nothing.as_bytes(), all).unwrap(), empty);
        }
        let config = r#"{"header": "x", "most": -7, "on": false, "wait": "1h2m3s", "names": ["b", "c"],
            "set": {"k": "v", "n": 1}, "inner": {"n": 2}, "rules": [{"path": "/a"}, {}], "share": 0.25}"#;
        assert_eq!(
            Config::read(config.as_bytes(), all).unwrap(),
            r#"x -7 false 3723s ["b", "c"] [("k", "v"), ("n", "1")] 2 ["/a", "/"] 0.25"#
        );
    }

    #[test]
    fn reports_all_that_is_wrong_at_once() {
        let config = r#"{"header": 1, "most": 1.5, "on": "yes", "wait": "soon", "names": [1], "set": [], "inner": {"m": 1},
            "rules": [{"path": "/a", "paht": 1}], "hedaer": "x"}"#;
        let problems = Config::read(config.as_bytes(), all).unwrap_err();
        let want = [
            "header: it is a number, not a text",
            "most: it is a number, not a whole number",
            "on: it is a text, not true or false",
            "wait: it is a text, not a time such as 1m30s",
            "names: it is a list, not a list of texts",
            "set: it is a list, not an object of texts",
            "hedaer: there is no such setting",
            "inner.m: there is no such setting",
            "rules[0].paht: there is no such setting",
        ];
        assert_eq!(problems, want);
    }

    #[test]
    fn refuses_what_is_no_object() {
        for (config, want) in [("[]", "it is a list, not an object"), ("{", "not JSON at byte 1: a key is missing")] {
            assert_eq!(Config::read(config.as_bytes(), all).unwrap_err(), [want]);
        }
        let needs = |c: &mut Config| {
            c.require("key");
            Ok(())
        };
        assert_eq!(Config::read(b"", needs).unwrap_err(), ["key: it has to be set"]);
    }

    #[test]
    fn reads_sizes() {
        for (text, want) in [
            ("0", Some(0)),
            ("12B", Some(12)),
            ("64KiB", Some(65_536)),
            ("1 MB", Some(1_000_000)),
            ("KiB", None),
            ("1x", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(size(text), want, "{text}");
        }
    }

    #[test]
    fn reads_times() {
        for (text, want) in [
            ("0", 0),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("7d", 604_800_000),
            ("1h0m1ms", 3_600_001),
            ("1.5s1.025m", 63_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(want)), "{text}");
        }
        for text in ["", "1", "s", "1x", "-1s", "1.s", ".5s", "1..5s", "1s1", "99999999999999999999s", "9999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}

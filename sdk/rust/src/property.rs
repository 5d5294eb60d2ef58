use crate::codec::text;
use crate::{host, Error, Result};

/// What the host knows by a path, such as `["source", "address"]`, as it is encoded there:
/// None if it knows nothing. See the list of Envoy's attributes.
pub fn property(path: &[&str]) -> Option<Vec<u8>> {
    host::property(path.join("\0").as_bytes()).ok()
}

/// The same, as text.
pub fn property_text(path: &[&str]) -> Option<String> {
    property(path).map(text)
}

/// The same, as a number.
pub fn property_int(path: &[&str]) -> Option<i64> {
    let bytes = property(path)?;
    let mut n = [0; 8];
    if bytes.len() != n.len() {
        return None;
    }
    n.copy_from_slice(&bytes);
    Some(i64::from_le_bytes(n))
}

/// Tells the host, and other filters of the same request, something under a path.
pub fn set_property(path: &[&str], value: impl AsRef<[u8]>) -> Result<()> {
    host::set_property(path.join("\0").as_bytes(), value.as_ref()).map_err(|st| Error::status("set property", st, ""))
}

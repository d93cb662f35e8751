//! What every element is put through.

use super::element::Element;
use std::fmt::Debug;
use std::vec;

/// `value` and `bytes` are the same thing.
pub(crate) fn assert_wire<'a, E: Element<'a> + Debug + PartialEq>(value: &E, bytes: &'a [u8]) {
    assert_eq!(E::parse(bytes).as_ref(), Some(value));
    let mut out = vec![0xEE; value.size()];
    value.write(&mut out);
    assert_eq!(out, bytes);
}

/// No value has a length but `lens`.
pub(crate) fn assert_only_lengths<E: for<'a> Element<'a>>(lens: &[usize]) {
    let bytes = [0; 64];
    for len in 0..bytes.len() {
        assert_eq!(E::parse(&bytes[..len]).is_some(), lens.contains(&len), "{len} bytes");
    }
}

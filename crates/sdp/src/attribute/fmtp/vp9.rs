//! VP9.

use super::Parameters;

/// The profile of a VP9 format (RFC 9628 §6.1): 0 to 3, and 0 where none is written. `None` for any other.
pub fn profile(parameters: &Parameters) -> Option<u8> {
    match parameters.value("profile-id") {
        None => Some(0),
        Some(text) => crate::text::number(text).filter(|profile| *profile <= 3),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;

    #[test]
    fn the_profile_is_zero_unless_written() {
        assert_eq!(profile(&parameters("max-fs=12288;max-fr=60")), Some(0));
        assert_eq!(profile(&parameters("profile-id=2")), Some(2));
        assert_eq!(profile(&parameters("profile-id=4")), None);
        assert_eq!(profile(&parameters("profile-id=x")), None);
    }
}

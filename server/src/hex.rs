//! Bytes as small hexadecimal digits, and back.

use std::fmt::Write as _;

/// Two digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The bytes of a hash; none if it is not written as [`encode`] does.
pub fn decode_hash(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_comes_back_as_it_was() {
        let hash: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8 + 7).unwrap_or(255));
        assert_eq!(decode_hash(&encode(&hash)), Some(hash));
        assert_eq!(encode(&[0, 10, 255]), "000aff");
        for bad in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(66),
            &"g".repeat(64),
            &"A".repeat(64),
            &"ä".repeat(32),
        ] {
            assert_eq!(decode_hash(bad), None, "{bad:?}");
        }
    }
}

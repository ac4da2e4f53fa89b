//! Workspaces' keys as keys of a NATS bucket, which may hold letters, digits and `-/_=` only, in parts between dots.
//!
//! A colon becomes a dot, so that the server sees a key's parts; every other byte that is not allowed becomes `=` with
//! two hexadecimal digits, a part that is empty `=` alone. A workspace's id is one part, before those of its keys:
//! `outbox:question:m.1` of the workspace `a` is `a.outbox.question.m=2E1`.

use std::fmt::Write;

/// The key of a workspace's key.
pub(super) fn encode(workspace: &str, key: &str) -> String {
    let mut encoded = String::with_capacity(workspace.len() + key.len() + 8);
    push_part(&mut encoded, workspace);
    for part in key.split(':') {
        encoded.push('.');
        push_part(&mut encoded, part);
    }
    encoded
}

/// The workspace and the key that were encoded; `None`: it was not encoded here.
pub(super) fn decode(encoded: &str) -> Option<(String, String)> {
    let (workspace, parts) = encoded.split_once('.')?;
    let parts: Option<Vec<_>> = parts.split('.').map(part).collect();
    Some((part(workspace)?, parts?.join(":")))
}

/// One part, for what is no workspace's key.
pub(super) fn encode_part(part: &str) -> String {
    let mut encoded = String::new();
    push_part(&mut encoded, part);
    encoded
}

fn push_part(encoded: &mut String, part: &str) {
    if part.is_empty() {
        encoded.push('=');
    }
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "={byte:02X}");
        }
    }
}

fn part(encoded: &str) -> Option<String> {
    if encoded == "=" {
        return Some(String::new());
    }
    let mut pieces = encoded.split('=');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, plain) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(plain.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_keys_stay_readable() {
        assert_eq!(encode("lint-7", "outbox:question:m.1"), "lint-7.outbox.question.m=2E1");
        assert_eq!(encode("\u{1}claims", ""), "=01claims.=");
        for not_ours in ["", "a", "a.b=", "a.b=0", "a.=GG", "a.=FF", "a..b="] {
            assert_eq!(decode(not_ours), None, "{not_ours}");
        }
    }

    proptest! {
        #[test]
        fn every_key_comes_back(workspace in ".{0,5}", key in "[a:.=é]{0,6}|.{0,6}") {
            let encoded = encode(&workspace, &key);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_=.".contains(c);
            prop_assert!(encoded.chars().all(allowed) && encoded.split('.').all(|part| !part.is_empty()), "{}", encoded);
            prop_assert_eq!(decode(&encoded), Some((workspace, key)));
        }
    }
}

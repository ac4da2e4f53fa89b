//! Whatever stands in the configuration and in the token file is read or refused.

use std::fs;

use proptest::{collection::vec, prelude::*, sample::Index};
use remora_actors::mutation::{Change, mutated};

use super::*;

const FILES: [&str; 2] = [
    "listen = \"127.0.0.1:0\"\nheartbeat_s = 15\nlog = \"info\"\nlog_format = \"json\"\nworkspace_roots = [\"/w\"]\n[limits]\nagents = 10\n",
    "agent 0123456789abcdef0123456789abcdef\noperator fedcba9876543210fedcba9876543210 ann\n# a comment\n",
];

proptest! {
    #[test]
    fn settings_and_tokens(which: Index, changes in vec(any::<Change>(), 0..12)) {
        let text = mutated(which.get(&FILES).as_bytes(), &changes);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("remora.toml");
        fs::write(&file, &text).expect("written");
        if let Err(error) = Settings::load(Some(&file), &Flags::default()) {
            prop_assert!(!error.to_string().is_empty());
        }
        let _ = Tokens::parse(&String::from_utf8_lossy(&text));
    }
}

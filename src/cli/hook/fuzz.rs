//! Whatever stands on a hook's standard input is read or refused.

use proptest::{collection::vec, prelude::*, sample::Index};
use remora_actors::mutation::{Change, mutated, seeds};

use super::input::{Input, one_line};

const HOOKS: [&str; 3] = [
    r#"{"session_id":"s","transcript_path":"/t","cwd":"/w","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"ls","timeout":5},"tool_use_id":"u","permission_mode":"default"}"#,
    r#"{"session_id":"s","hook_event_name":"PostToolUse","tool_name":"Write","tool_input":{"file_path":"/a"},"tool_response":{"is_error":true,"content":"x"},"agent_id":"sub"}"#,
    r#"{"session_id":"s","hook_event_name":"SessionStart","source":"resume","model":"m"}"#,
];

proptest! {
    #[test]
    fn hooks(which: Index, changes in vec(any::<Change>(), 0..12)) {
        let seeds = seeds(&HOOKS);
        let Ok(input) = Input::parse(&mutated(&seeds[which.index(seeds.len())], &changes)) else { return Ok(()) };
        prop_assert!(input.event().is_object());
        let _ = (input.name(), input.agent(), input.tool_name(), input.tool_input(), input.stable_id("x"));
        prop_assert!(!one_line(&input.event().to_string()).contains('\n'));
    }
}

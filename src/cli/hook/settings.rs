//! Our entries in the text of Claude Code's settings. Every byte that is not ours stays as it is.
//!
//! The shape is `{"hooks": {EVENT: [{"matcher"?, "hooks": [{"type": "command", "command", "timeout"}]}]}}`, from the
//! "Hooks reference" at <https://code.claude.com/docs/en/hooks>, as of September 2026.

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstNode, CstObject, CstObjectProp, CstRootNode},
};
use serde::de::IgnoredAny;

/// What follows the program in a command of ours.
pub(super) const SUBCOMMAND: &str = "hook claude-code";

/// One entry of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The hook.
    pub(super) event: &'static str,
    /// The shell command.
    pub(super) command: String,
    /// After how many seconds Claude Code goes on without us.
    pub(super) timeout_s: u64,
}

/// The settings with these entries of ours and no others.
///
/// # Errors
/// Why the text cannot be changed: it is not JSON, or not of the shape that is expected.
pub(super) fn with_entries(text: &str, entries: &[Entry]) -> Result<String, String> {
    let text = without_entries(text)?;
    let root = parse(&text)?;
    let settings = root.object_value_or_set();
    let hooks = settings.object_value_or_create("hooks").ok_or("has `hooks` that are not an object")?;
    for entry in entries {
        let groups = hooks.array_value_or_create(entry.event);
        let groups = groups.ok_or_else(|| format!("has `hooks.{}` that is not a list", entry.event))?;
        groups.ensure_multiline();
        groups.append(object([(
            "hooks",
            CstInputValue::Array(vec![object([
                ("type", "command".into()),
                ("command", entry.command.as_str().into()),
                ("timeout", entry.timeout_s.into()),
            ])]),
        )]));
    }
    Ok(root.to_string())
}

/// The settings without our entries, and without the lists and objects that held nothing else.
///
/// # Errors
/// Why the text cannot be read.
pub(super) fn without_entries(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok("{}\n".to_owned());
    }
    let root = parse(text)?;
    let settings = root.object_value().ok_or("does not hold a JSON object")?;
    let Some(hooks) = settings.object_value("hooks") else { return Ok(text.to_owned()) };
    let mut emptied = false;
    for event in hooks.properties() {
        let Some(groups) = event.array_value() else { continue };
        let mut taken = false;
        for group in groups.elements() {
            taken |= group.as_object().is_some_and(take_own);
        }
        if taken && groups.elements().is_empty() {
            event.remove();
            emptied = true;
        }
    }
    if emptied && hooks.properties().is_empty() {
        settings.get("hooks").into_iter().for_each(CstObjectProp::remove);
    }
    Ok(root.to_string())
}

/// Takes our handlers out of a group, and the group where nothing is left in it. `false`: there was none.
fn take_own(group: CstObject) -> bool {
    let Some(handlers) = group.array_value("hooks") else { return false };
    let own: Vec<CstNode> = handlers.elements().into_iter().filter(is_own).collect();
    let taken = !own.is_empty();
    own.into_iter().for_each(CstNode::remove);
    if taken && handlers.elements().is_empty() {
        group.remove();
    }
    taken
}

fn is_own(handler: &CstNode) -> bool {
    let handler = handler.to_serde_value().unwrap_or_default();
    handler["type"] == "command" && handler["command"].as_str().is_some_and(is_own_command)
}

/// True for what [`Entry`] holds: our program, by whatever path, with our subcommand, and nothing before it.
fn is_own_command(command: &str) -> bool {
    let Some((program, rest)) = command.split_once(&format!(" {SUBCOMMAND}")) else { return false };
    let name = program.trim_matches(['"', '\'']).rsplit(['/', '\\']).next();
    matches!(name, Some("remora" | "remora.exe")) && (rest.is_empty() || rest.starts_with(' '))
}

fn parse(text: &str) -> Result<CstRootNode, String> {
    // The editor reads more than JSON; Claude Code does not.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("is not valid JSON: {error}"))?;
    CstRootNode::parse(text, &ParseOptions::default()).map_err(|error| format!("is not valid JSON: {error}"))
}

fn object<const N: usize>(fields: [(&str, CstInputValue); N]) -> CstInputValue {
    CstInputValue::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entries(flags: &str) -> Vec<Entry> {
        ["SessionStart", "PreToolUse", "PostToolUse"]
            .map(|event| Entry { event, command: format!("'/opt/my tools/remora' {SUBCOMMAND}{flags}"), timeout_s: 5 })
            .into()
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Settings as people have them, each formatted in its own way.
    const SETTINGS: [&str; 7] = [
        "{\n  \"model\": \"opus\"\n}\n",
        "{\n    \"model\": \"opus\",\n    \"zeta\": [1,2,   3],\n    \"alpha\": {\"x\":1.50, \"big\": 12345678901234567890123}\n}",
        "{\n\t\"hooks\": {\n\t\t\"PreToolUse\": [\n\t\t\t{\n\t\t\t\t\"matcher\": \"Bash\",\n\t\t\t\t\"hooks\": [\n\t\t\t\t\t{\n\
         \t\t\t\t\t\t\"type\": \"command\",\n\t\t\t\t\t\t\"command\": \"./check.sh\"\n\t\t\t\t\t}\n\t\t\t\t]\n\t\t\t}\n\t\t]\n\t},\n\
         \t\"model\": \"opus\"\n}\n",
        "{\n  \"hooks\": {\n    \"Stop\": [{ \"hooks\": [{ \"type\": \"command\", \"command\": \"say done\" }] }]\n  }\n}\n",
        "{\r\n  \"model\": \"opus\",\r\n  \"unknown\": null\r\n}\r\n",
        "{\n  \"text\": \"\\u00e4 \\\" // no comment\",\n  \"hooks\": {\n    \"PostToolUse\": [\n      {\"hooks\": [{\"type\": \"command\", \
         \"command\": \"echo remora hook claude-code\"}, {\"type\": \"http\", \"url\": \"http://x\"}]}\n    ]\n  }\n}\n",
        "{}\n",
    ];

    #[test]
    fn installing_and_uninstalling_changes_no_byte() {
        for before in SETTINGS {
            let installed = with_entries(before, &entries("")).expect("valid");
            let again = with_entries(&installed, &entries("")).expect("valid");
            assert_eq!(again, installed, "installing twice is installing once");
            assert_eq!(without_entries(&installed).expect("valid"), before);
            assert_eq!(without_entries(before).expect("valid"), before);
        }
    }

    /// Objects that we add to are spread over lines, if they stood on one.
    #[test]
    fn settings_on_one_line_keep_their_values() {
        for before in [
            r#"{"model":"opus","permissions":{"allow":["Bash(ls)"]}}"#,
            r#"{"hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"x"}]}]},"n":1.50}"#,
        ] {
            let installed = with_entries(before, &entries("")).expect("valid");
            assert_eq!(value(&without_entries(&installed).expect("valid")), value(before), "{installed}");
        }
    }

    #[test]
    fn what_others_wrote_stays_in_its_order() {
        for before in SETTINGS {
            let (old, new) = (value(before), value(&with_entries(before, &entries("")).expect("valid")));
            let names = |value: &Value| value.as_object().expect("valid").keys().cloned().collect::<Vec<_>>();
            assert!(names(&new).starts_with(&names(&old)), "{before}");
            for (name, setting) in old.as_object().expect("valid").iter().filter(|(name, _)| *name != "hooks") {
                assert_eq!(&new[name], setting);
            }
        }
    }

    #[test]
    fn the_entries_are_where_claude_code_looks_for_them() {
        let installed = value(&with_entries(SETTINGS[2], &entries(" --ask Bash")).expect("valid"));
        let groups = &installed["hooks"]["PreToolUse"];
        assert_eq!(groups[0]["hooks"][0]["command"], "./check.sh");
        let own = json!({"hooks": [{"type": "command", "timeout": 5,
            "command": "'/opt/my tools/remora' hook claude-code --ask Bash"}]});
        assert_eq!(groups[1], own);
        assert_eq!(installed["hooks"]["SessionStart"], json!([own]));
        // Other options replace what was there.
        let other = with_entries(&installed.to_string(), &entries("")).expect("valid");
        assert!(!other.contains("--ask"), "{other}");
        assert_eq!(
            value(&with_entries("", &entries("")).expect("valid"))["hooks"].as_object().map(|h| h.len()),
            Some(3)
        );
    }

    #[test]
    fn only_our_own_commands_are_ours() {
        for (command, own) in [
            ("remora hook claude-code", true),
            ("/usr/bin/remora hook claude-code --ask Bash", true),
            ("\"C:\\Tools\\remora.exe\" hook claude-code", true),
            ("echo remora hook claude-code", false),
            ("remora hook claude-codex", false),
            ("my-remora hook claude-code", false),
            ("REMORA_URL=http://h:1 remora hook claude-code", false),
            ("remora tail", false),
        ] {
            assert_eq!(is_own_command(command), own, "{command}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_touched() {
        for (text, why) in [
            ("{", "not valid JSON"),
            ("{\"a\": 1,}", "not valid JSON"),
            ("{} // comment", "not valid JSON"),
            ("[]", "JSON object"),
            ("{\"hooks\": []}", "`hooks`"),
            ("{\"hooks\": {\"PreToolUse\": {}}}", "`hooks.PreToolUse`"),
        ] {
            let error = with_entries(text, &entries("")).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }
}

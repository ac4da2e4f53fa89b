//! The settings, merged as the daemon does.

use figment::Jail;

use super::*;
use crate::bus::Login;

/// Merges a file, variables and flags as the daemon does.
#[allow(clippy::result_large_err, reason = "figment's error, and figment's closure")]
fn load(toml: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Settings, String> {
    let mut outcome = Err(String::new());
    Jail::expect_with(|jail| {
        jail.create_file("given.toml", toml)?;
        for (name, value) in variables {
            jail.set_env(name, value);
        }
        outcome = Settings::load(Some(Path::new("given.toml")), &Flags::parse(flags)).map_err(|e| e.to_string());
        Ok(())
    });
    outcome
}

#[test]
fn nothing_given_is_the_default() {
    let settings = load("", &[], &[]).expect("valid");
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8000");
    assert_eq!((settings.frame_interval_ms, settings.heartbeat_s), (33, 15));
    assert_eq!((settings.snapshot_events, settings.workspace_poll_ms), (10_000, 2_000));
    assert_eq!(settings.limits, Limits::default());
}

#[test]
fn a_flag_beats_a_variable_beats_the_file() {
    let toml = "heartbeat_s = 1\nsnapshot_events = 1\nframe_interval_ms = 1\n[limits]\noptions = 1\nagents = 1";
    let variables = [
        ("REMORA_SNAPSHOT_EVENTS", "2"),
        ("REMORA_FRAME_INTERVAL_MS", "2"),
        ("REMORA_LIMITS__AGENTS", "2"),
        ("REMORA_LIMITS__OPTIONS", "2"),
    ];
    let settings = load(toml, &variables, &["--frame-interval-ms", "3", "--limit", "options=3"]).expect("valid");
    assert_eq!((settings.heartbeat_s, settings.snapshot_events, settings.frame_interval_ms), (1, 2, 3));
    assert_eq!((settings.limits.agents, settings.limits.options), (2, 3));
    assert_eq!(settings.limits.event_bytes, Limits::default().event_bytes);
}

#[test]
fn a_flag_that_says_the_default_still_wins() {
    assert_eq!(load("heartbeat_s = 1", &[], &["--heartbeat-s", "15"]).expect("valid").heartbeat_s, 15);
}

#[test]
fn lists_come_from_flags_files_and_one_variable() {
    let roots = |settings: Settings| settings.workspace_roots;
    let expected = [PathBuf::from("/a"), PathBuf::from("/b")];
    assert_eq!(roots(load("", &[], &["--workspace-root", "/a", "--workspace-root", "/b"]).expect("valid")), expected);
    assert_eq!(roots(load("workspace_roots = ['/a', '/b']", &[], &[]).expect("valid")), expected);
    let joined = std::env::join_paths(&expected).expect("valid").into_string().expect("valid");
    assert_eq!(roots(load("", &[("REMORA_WORKSPACE_ROOTS", &joined)], &[]).expect("valid")), expected);
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    for (toml, variables, key, place) in [
        ("frame_interval = 5", [].as_slice(), "`frame_interval`", "given.toml"),
        ("[limits]\nevent_size = 5", [].as_slice(), "`limits.event_size`", "given.toml"),
        ("", [("REMORA_LISTN", "x")].as_slice(), "`listn`", "REMORA_LISTN"),
        ("", [("REMORA_LIMITS__NONE", "1")].as_slice(), "`limits.none`", "REMORA_LIMITS__NONE"),
    ] {
        let error = load(toml, variables, &[]).expect_err("refused");
        assert!(error.contains("unknown setting") && error.contains(key) && error.contains(place), "{error}");
    }
    assert!(load("", &[], &["--limit", "nonsense=1"]).expect_err("refused").contains("`limits.nonsense`"));
}

#[test]
fn a_bad_value_is_named_with_its_place() {
    for (toml, variables, parts) in [
        ("listen = 'nowhere'", [].as_slice(), ["`listen`", "given.toml"]),
        ("heartbeat_s = -1", [].as_slice(), ["`heartbeat_s`", "given.toml"]),
        ("", [("REMORA_HEARTBEAT_S", "soon")].as_slice(), ["`heartbeat_s`", "REMORA_HEARTBEAT_S"]),
        ("heartbeat_s = 0", [].as_slice(), ["`heartbeat_s`", "at least 1"]),
        ("[limits]\noptions = 0", [].as_slice(), ["`limits.options`", "at least 1"]),
        ("log = 'a=b=c'", [].as_slice(), ["`log`", "log filter"]),
        ("bus = 'localhost'", [].as_slice(), ["`bus`", "nats://host:4222"]),
        ("bus = 'nats://u:p@localhost'", [].as_slice(), ["`bus`", "--bus-password-file"]),
        ("bus = 'nats://h'\nbus_replicas = 6", [].as_slice(), ["`bus_replicas`", "1 to 5"]),
        ("bus = 'nats://h'\nbus_prefix = 'a.b'", [].as_slice(), ["`bus_prefix`", "1 to 32"]),
        ("bus = 'nats://h'\nbus_user = 'u'", [].as_slice(), ["`bus_user`", "`bus_password_file`"]),
        ("bus = 'nats://h'\nbus_key_file = 'k'", [].as_slice(), ["`bus_key_file`", "`bus_cert_file`"]),
        (
            "bus = 'nats://h'\nbus_token_file = 't'\nbus_nkey_file = 'n'",
            [].as_slice(),
            ["`bus_nkey_file`", "`bus_token_file`"],
        ),
        ("[limits]\nbody_bytes = 9", [].as_slice(), ["`limits.event_bytes`", "`limits.body_bytes`"]),
        ("[limits]\narriving_bytes = 9", [].as_slice(), ["`limits.body_bytes`", "`limits.arriving_bytes`"]),
        ("[limits]\npublishing_bytes = 9", [].as_slice(), ["`limits.body_bytes`", "`limits.publishing_bytes`"]),
        ("[limits]\npublishing_events = 9", [].as_slice(), ["`limits.batch_events`", "`limits.publishing_events`"]),
    ] {
        let error = load(toml, variables, &[]).expect_err("refused");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn the_bus_is_known_by_flag_variable_and_file() {
    let flags = ["--bus", "nats://a,nats://b", "--bus-user", "u"];
    let settings = load("bus_prefix = 'team'", &[("REMORA_BUS_PASSWORD_FILE", "/p")], &flags).expect("valid");
    let bus = settings.bus().expect("usable").expect("named");
    assert_eq!(bus.servers.to_string(), "nats://a:4222,nats://b:4222");
    assert_eq!(bus.login, Login::Password { user: "u".to_owned(), file: "/p".into() });
    assert_eq!((bus.replicas, bus.names.journal_stream().as_str()), (1, "team-events"));
    assert_eq!(Settings::default().bus().expect("usable"), None);
}

#[test]
fn the_clients_variables_are_not_settings() {
    let variables = [("REMORA_URL", "http://x"), ("REMORA_TOKEN", "t"), ("REMORA_AGENT_ID", "a")];
    assert_eq!(load("", &variables, &[]).expect("valid"), Settings::default());
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let variables = [
        ("REMORA_TOKEN_FILE", ""),
        ("REMORA_LISTEN", ""),
        ("REMORA_HEARTBEAT_S", ""),
        ("REMORA_LIMITS__OPTIONS", ""),
        ("REMORA_BUS", ""),
        ("REMORA_WORKSPACE_ROOTS", ""),
    ];
    assert_eq!(load("", &variables, &[]).expect("valid"), Settings::default());
    let settings = load("heartbeat_s = 9\n[limits]\noptions = 7", &variables, &[]).expect("valid");
    assert_eq!((settings.heartbeat_s, settings.limits.options), (9, 7), "the file's word counts");
}

#[test]
fn a_named_file_must_exist() {
    let error = Settings::load(Some(Path::new("/nonexistent/remora.toml")), &Flags::default()).expect_err("refused");
    assert!(matches!(error, SettingsError::NoFile(_)));
}

#[test]
fn an_open_address_needs_tokens() {
    for (address, open) in [
        ("127.0.0.1:0", false),
        ("[::1]:0", false),
        ("[::ffff:127.0.0.1]:0", false),
        ("0.0.0.0:8000", true),
        ("[::]:8000", true),
        ("192.168.1.7:8000", true),
    ] {
        let settings = Settings { listen: address.parse().expect("valid"), ..Settings::default() };
        assert_eq!(matches!(settings.tokens(), Err(SettingsError::Open(_))), open, "{address}");
    }
}

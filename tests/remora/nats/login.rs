//! The ways into a NATS server, and what is said of those that are shut.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::support::{Daemon, NatsServer, Process, fixture, process::Finished};

/// The seed of an nkey, and its public half, as `nk -gen user -pubout` prints them.
const SEED: &str = "SUACA7QISZ5VTPACNVCSNY3I2MSPSUOV7L7XRDXXRUIEJGZGKQFIYDCDIM";
const PUBLIC: &str = "UADNGESRL3NAVKSEAAMPLNJOUD7TYI5WYWN7JOZ4UB2DX6WYJ7ZWXTXM";
/// Where nobody can listen who is not root, and nobody does.
const NOBODY: &str = "nats://127.0.0.1:1";
const JETSTREAM: &str = "jetstream { store_dir: \"$FOLDER/jetstream\" }";

/// Writes what only its owner may read.
pub(super) fn write_private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn server(config: &str) -> NatsServer {
    NatsServer::with(|folder| format!("{JETSTREAM}\n{config}").replace("$FOLDER", &folder.display().to_string())).await
}

/// Whether a daemon gets in.
async fn gets_in(url: &str, args: &[&str]) {
    let daemon = Daemon::setup().args(["--bus", url]).args(args).start().await;
    assert!(daemon.log().contains("message bus connected"), "{}", daemon.log());
}

/// A daemon that does not get in ends and says why.
async fn stays_out(url: &str, args: &[&str]) -> Finished {
    let home = tempfile::tempdir().unwrap();
    let mut command = Daemon::program(home.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--bus", url]).args(args);
    Process::spawn(command).wait().await.expect(1)
}

#[tokio::test]
async fn with_a_password_a_token_an_nkey_or_credentials() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        write_private(&file, &format!("{text}\n"));
        file.display().to_string()
    };
    let (right, wrong, seed) = (file("right", "s3cret-word"), file("wrong", "a-s3cret-guess"), file("seed", SEED));

    let password = server("authorization { users: [{ user: u, password: s3cret-word }] }").await;
    gets_in(&password.url(), &["--bus-user", "u", "--bus-password-file", &right]).await;
    for args in [&["--bus-user", "u", "--bus-password-file", wrong.as_str()][..], &[]] {
        let said = stays_out(&password.url(), args).await.complains(&["does not let us in", "`bus_user`", "127.0.0.1"]);
        assert!(!said.stderr.contains("s3cret"), "{}", said.stderr);
    }
    let token = server("authorization { token: s3cret-word }").await;
    gets_in(&token.url(), &["--bus-token-file", &right]).await;
    stays_out(&token.url(), &["--bus-token-file", &wrong]).await.complains(&["does not let us in"]);

    let nkey = server(&format!("authorization {{ users: [{{ nkey: {PUBLIC} }}] }}")).await;
    gets_in(&nkey.url(), &["--bus-nkey-file", &seed]).await;
    stays_out(&nkey.url(), &["--bus-nkey-file", &right]).await.complains(&[&right, "begins with SU"]);
    stays_out(&nkey.url(), &["--bus-creds-file", &right]).await.complains(&[&right, "credentials file"]);
    stays_out(&nkey.url(), &["--bus-nkey-file", "/nowhere"]).await.complains(&["/nowhere"]);

    let accounts = server(&fs::read_to_string(fixture("nats/accounts.conf")).unwrap()).await;
    let credentials = file("creds", &fs::read_to_string(fixture("nats/daemon.creds")).unwrap());
    gets_in(&accounts.url(), &["--bus-creds-file", &credentials]).await;
    stays_out(&accounts.url(), &["--bus-nkey-file", &seed]).await.complains(&["does not let us in"]);
}

/// An authority, a server's certificate and a client's, each with its key.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let certificates = Self(TempDir::new().unwrap());
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        fs::write(certificates.file("ca"), authority.pem()).unwrap();
        for name in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
            fs::write(certificates.file(name), certificate.pem()).unwrap();
            write_private(Path::new(&certificates.file(&format!("{name}-key"))), &key.serialize_pem());
        }
        certificates
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(format!("{name}.pem")).display().to_string()
    }
}

#[tokio::test]
async fn encrypted_and_with_a_certificate_of_ones_own() {
    let (known, strange) = (Certificates::new(), Certificates::new());
    let tls = |verify: bool| {
        let (cert, key, ca) = (known.file("server"), known.file("server-key"), known.file("ca"));
        // The server gives up on a handshake after two seconds, which a busy machine may need.
        format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, ca_file: {ca:?}, verify: {verify}, timeout: 60 }}")
    };
    let ca = ["--bus-ca-file", &known.file("ca")];
    let encrypted = server(&tls(false)).await;
    gets_in(&encrypted.url_with("tls"), &ca).await;
    gets_in(&encrypted.url(), &ca).await;
    // This machine does not know the authority, and neither does who trusts another one.
    stays_out(&encrypted.url_with("tls"), &[]).await.complains(&["no encrypted connection", "UnknownIssuer"]);
    let strangers = ["--bus-ca-file", &strange.file("ca")];
    stays_out(&encrypted.url_with("tls"), &strangers).await.complains(&["no encrypted connection", "`bus_ca_file`"]);

    let mutual = server(&tls(true)).await;
    let (cert, key) = (known.file("client"), known.file("client-key"));
    let own = ["--bus-cert-file", &cert, "--bus-key-file", &key];
    gets_in(&mutual.url_with("tls"), &[&ca[..], &own[..]].concat()).await;
    stays_out(&mutual.url_with("tls"), &ca).await.complains(&["127.0.0.1"]);
}

#[tokio::test]
async fn what_is_no_server_of_ours_is_told_from_one_that_is_not_there() {
    let plain = NatsServer::with(|_| String::new()).await;
    stays_out(&plain.url(), &[]).await.complains(&["has no jetstream", "-js", &plain.url()]);
    stays_out(NOBODY, &[]).await.complains(&["no nats server can be reached", NOBODY, "refused"]);
    stays_out("nats://no-such-host.invalid:4222", &[]).await.complains(&["no-such-host.invalid", "`bus`"]);
    let missing = ["--bus-ca-file", "/nowhere/ca.pem"];
    stays_out("tls://127.0.0.1:1", &missing).await.complains(&["/nowhere/ca.pem"]);
}

#[tokio::test]
async fn settings_are_looked_at_without_a_server() {
    let folder = TempDir::new().unwrap();
    let check = async |bus: &str, args: &[&str]| {
        let mut command = Daemon::program(folder.path());
        command.args(["serve", "--check-config", "--bus", bus]).args(args);
        Process::spawn(command).wait().await
    };
    let bus = "nats://127.0.0.1:1";
    let file = folder.path().join("password");
    write_private(&file, "s3cret-word");
    let file = file.display().to_string();
    let shown = check(bus, &["--bus-user", "u", "--bus-password-file", &file]).await.expect(0).stdout;
    for line in ["bus = \"nats://127.0.0.1:1\"  # flag", "bus_replicas = 1  # default", "# bus_ca_file is not set"] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check(bus, &["--bus-token-file", &file]).await.expect(2).complains(&["chmod 600", &file]);
    check(bus, &["--bus-nkey-file", &file, "--bus-creds-file", &file]).await.expect(2).complains(&["choose one way"]);
    check("nats://u:s3cret@h", &[]).await.expect(2).complains(&["`bus`", "--bus-password-file"]);
}

#[tokio::test]
async fn one_server_of_a_list_is_enough() {
    let there = NatsServer::start().await;
    gets_in(&format!("{NOBODY},{}", there.url()), &[]).await;
}

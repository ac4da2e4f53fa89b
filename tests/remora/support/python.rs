//! Python with packages of other people's: the clients that Remora must get on with.

use std::{fs, path::PathBuf, sync::OnceLock};

use tokio::process::Command;

/// Packages from PyPI, installed once for all tests. Where PyPI is not to be reached, the tests that need them fail.
pub(crate) struct Packages {
    names: &'static [&'static str],
    /// True where what they depend on is not wanted.
    alone: bool,
    folder: OnceLock<PathBuf>,
}

impl Packages {
    /// Packages with their versions, `name==1.2.3`. The first one names the folder.
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        Self { names, alone: false, folder: OnceLock::new() }
    }

    /// One package without what it depends on, for the files that it carries.
    pub(crate) const fn alone(name: &'static [&'static str; 1]) -> Self {
        Self { names: name, alone: true, folder: OnceLock::new() }
    }

    /// A file that one of them carries.
    pub(crate) fn file(&self, path: &str) -> String {
        let file = self.folder.get_or_init(|| self.install()).join(path);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Python that can import them.
    pub(crate) fn python(&self) -> Command {
        let mut command = Command::new("python3");
        command.arg("-u").env("PYTHONPATH", self.folder.get_or_init(|| self.install()));
        // The daemon is on this machine, whatever proxy stands between it and the world.
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command
    }

    fn install(&self) -> PathBuf {
        let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = parent.join(self.names[0].replace("==", "-"));
        if folder.is_dir() {
            return folder;
        }
        fs::create_dir_all(&parent).expect("a folder");
        // Renamed once it is whole: another test run may be at it as well.
        let unfinished = tempfile::tempdir_in(&parent).expect("a folder");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"];
        let mut command = std::process::Command::new("python3");
        command.args(pip).arg(unfinished.path()).args(self.alone.then_some("--no-deps")).args(self.names);
        let output = command.output().expect("python3 is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        let names = self.names.join(" ");
        assert!(output.status.success(), "{names} cannot be installed from PyPI, which this test needs: {said}");
        let unfinished = unfinished.keep();
        if fs::rename(&unfinished, &folder).is_err() {
            assert!(folder.is_dir(), "{} cannot be written", folder.display());
            fs::remove_dir_all(unfinished).expect("removed");
        }
        folder
    }
}

//! Which files an agent may name as its workspace.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use remora_actors::ports::WorkspaceError;

/// The folders below which workspace files may lie. Without any, no file is opened.
#[derive(Debug, Clone)]
pub struct Roots(Arc<[PathBuf]>);

/// A workspace root cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("workspace root {path} cannot be used: {why}; create the folder or correct --workspace-root")]
pub struct RootError {
    /// The folder.
    pub path: PathBuf,
    /// The reason.
    pub why: String,
}

impl Roots {
    /// Resolves the configured folders.
    ///
    /// # Errors
    /// One of them is missing or no folder.
    pub fn new(folders: &[PathBuf]) -> Result<Self, RootError> {
        let root = |path: &PathBuf| {
            let real = path.canonicalize().and_then(|real| real.read_dir().map(|_| real));
            real.map_err(|error| RootError { path: path.clone(), why: error.to_string() })
        };
        folders.iter().map(root).collect::<Result<_, _>>().map(Self)
    }

    /// The path that a name leads to with all symbolic links resolved; the file itself may be missing. A relative
    /// name is looked for below each root in turn.
    ///
    /// # Errors
    /// [`WorkspaceError::Refused`] where it leads outside.
    pub fn resolve(&self, name: &Path) -> Result<PathBuf, WorkspaceError> {
        let refused = |why: String| WorkspaceError::Refused { path: name.to_owned(), why };
        let Some(first) = self.0.first() else {
            return Err(refused(
                "no folder is open for workspace files; start remora with --workspace-root DIR".into(),
            ));
        };
        // Joining an absolute path yields that path.
        let root = self.0.iter().find(|root| root.join(name).exists()).unwrap_or(first);
        let real = resolve_links(&root.join(name)).map_err(|error| refused(error.to_string()))?;
        if self.0.iter().any(|root| real.starts_with(root)) {
            return Ok(real);
        }
        let roots: Vec<_> = self.0.iter().map(|root| root.display().to_string()).collect();
        Err(refused(format!(
            "it lies outside of the workspace roots ({}); move it there, or start remora with a --workspace-root \
             that holds it",
            roots.join(", ")
        )))
    }
}

/// Like [`Path::canonicalize`], but the last parts may be missing.
fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(resolve_links(parent)?.join(name)),
            _ => Err(error),
        },
        resolved => resolved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn only_what_lies_below_a_root() {
        let base = tempfile::tempdir().expect("tempdir");
        let base = base.path().canonicalize().expect("canonical");
        let (one, two, outside) = (base.join("one"), base.join("two"), base.join("one more"));
        for folder in [&one, &two, &outside] {
            fs::create_dir(folder).expect("create");
        }
        fs::write(outside.join("a.db"), "").expect("write");
        fs::write(two.join("b.db"), "").expect("write");
        symlink(outside.join("a.db"), one.join("leak.db")).expect("link");
        symlink(&outside, one.join("leak")).expect("link");
        symlink(two.join("b.db"), one.join("kin.db")).expect("link");
        symlink(one.join("loop"), one.join("loop")).expect("link");
        let roots = Roots::new(&[one.clone(), two.clone()]).expect("roots");

        for (name, real) in [
            (one.join("new.db"), one.join("new.db")),
            (one.join("sub/sub/new.db"), one.join("sub/sub/new.db")),
            (one.join("../two/b.db"), two.join("b.db")),
            (one.join("kin.db"), two.join("b.db")),
            (PathBuf::from("b.db"), two.join("b.db")),
            (PathBuf::from("new.db"), one.join("new.db")),
        ] {
            assert_eq!(roots.resolve(&name), Ok(real), "{}", name.display());
        }
        for name in [
            outside.join("a.db"),
            one.join("leak.db"),
            one.join("leak/a.db"),
            one.join("leak/new.db"),
            one.join("../one more/a.db"),
            one.join("sub/../../one more/a.db"),
            one.join("loop"),
            PathBuf::from("../one more/a.db"),
            PathBuf::from("/"),
            PathBuf::new().join(".."),
        ] {
            let refused = roots.resolve(&name);
            assert!(matches!(refused, Err(WorkspaceError::Refused { .. })), "{}: {refused:?}", name.display());
        }
        let refused = roots.resolve(&outside).expect_err("outside").to_string();
        assert!(refused.contains("--workspace-root"), "{refused}");
    }

    #[test]
    fn says_what_to_do_about_missing_roots() {
        let none = Roots::new(&[]).expect("no roots").resolve(Path::new("/a.db")).expect_err("refused").to_string();
        assert!(none.contains("--workspace-root DIR"), "{none}");
        let missing = Roots::new(&["/nowhere/at all".into()]).expect_err("missing").to_string();
        assert!(missing.contains("/nowhere/at all"), "{missing}");
    }
}

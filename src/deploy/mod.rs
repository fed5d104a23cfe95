//! Images made ready for a guest: found, checked, and only from where jobs may read.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::model::{Cause, Code, Digest, Source, Who};

/// Where the files of a job may come from.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder that relative paths start from; they never leave it.
    pub bundle: PathBuf,
    /// Folders that absolute paths must lie below.
    pub roots: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("{} is not there or cannot be read", path.display())]
    Missing { path: PathBuf, source: io::Error },
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is not a folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{} lies outside the job's bundle and the folders jobs may read", path.display())]
    Forbidden { path: PathBuf },
    #[error("{} has the SHA-256 sum {found}, the job names {expected}", path.display())]
    WrongSum { path: PathBuf, found: Digest, expected: Digest },
}

impl DeployError {
    /// Why a job that met this could not go on.
    pub fn cause(&self) -> Cause {
        let (who, code) = match self {
            Self::Missing { .. } | Self::NotAFile { .. } | Self::NotAFolder { .. } => {
                (Who::Author, Code::BadFile)
            }
            Self::WrongSum { .. } => (Who::Author, Code::BadFile),
            Self::Forbidden { .. } => (Who::Author, Code::ForbiddenPath),
        };
        Cause::new(who, code, self.to_string())
    }
}

impl Places {
    /// The file a job names, with links followed, found to lie where it may and to have the sum it
    /// should. Blocks as long as it takes to read the file when it has a sum.
    pub fn file(&self, source: &Source) -> Result<PathBuf, DeployError> {
        let path = self.locate(&source.path)?;
        if !path.is_file() {
            return Err(DeployError::NotAFile { path });
        }
        let Some(expected) = source.sha256 else { return Ok(path) };
        let found =
            sum(&path).map_err(|source| DeployError::Missing { path: path.clone(), source })?;
        if found == expected {
            Ok(path)
        } else {
            Err(DeployError::WrongSum { path, found, expected })
        }
    }

    /// The folder a job names.
    pub fn folder(&self, path: &Path) -> Result<PathBuf, DeployError> {
        let path = self.locate(path)?;
        if path.is_dir() { Ok(path) } else { Err(DeployError::NotAFolder { path }) }
    }

    fn locate(&self, path: &Path) -> Result<PathBuf, DeployError> {
        let missing = |source| DeployError::Missing { path: path.into(), source };
        let real = self.bundle.join(path).canonicalize().map_err(missing)?;
        let below = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
        let allowed =
            if path.is_absolute() { self.roots.iter().any(below) } else { below(&self.bundle) };
        if allowed { Ok(real) } else { Err(DeployError::Forbidden { path: path.into() }) }
    }
}

fn sum(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn files_come_only_from_the_bundle_and_the_roots() {
        let folder = tempfile::tempdir().unwrap();
        let [bundle, root, secret] =
            ["bundle", "root", "secret"].map(|name| folder.path().join(name));
        for place in [&bundle, &root, &secret] {
            fs::create_dir(place).unwrap();
            fs::write(place.join("disk"), "abc").unwrap();
        }
        symlink(&secret, bundle.join("way-out")).unwrap();
        let places = Places { bundle, roots: vec![root.clone()] };
        let file = |path: &Path| places.file(&Source { path: path.into(), sha256: None });

        assert!(file(Path::new("disk")).is_ok());
        assert!(file(&root.join("disk")).is_ok());
        for outside in [
            Path::new("../secret/disk"),
            Path::new("way-out/disk"),
            &secret.join("disk"),
            &root.join("../secret/disk"),
        ] {
            assert!(
                matches!(file(outside), Err(DeployError::Forbidden { .. })),
                "{}",
                outside.display()
            );
        }
        assert!(matches!(file(Path::new("none")), Err(DeployError::Missing { .. })));
        assert!(matches!(file(Path::new(".")), Err(DeployError::NotAFile { .. })));
    }

    #[test]
    fn a_wrong_sum_is_named_with_both() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("disk"), "abc").unwrap();
        let places = Places { bundle: folder.path().into(), roots: vec![] };
        let of = |text: &[u8]| Source { path: "disk".into(), sha256: Some(Digest::of(text)) };
        assert!(places.file(&of(b"abc")).is_ok());
        let error = places.file(&of(b"abd")).unwrap_err();
        assert!(error.to_string().contains(&Digest::of(b"abc").to_string()), "{error}");
        assert_eq!(error.cause().code, Code::BadFile);
    }
}

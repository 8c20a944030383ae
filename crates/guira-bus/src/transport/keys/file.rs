//! Keys in files: the secret one readable by its owner only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{KEY_BYTES, KEY_CHARACTERS, KeyError, KeyPair, PublicKey, SecretKey, parse};

/// The file of the secret key in a folder of keys.
pub const SECRET_FILE: &str = "secret.key";
/// The file of the public key in a folder of keys.
pub const PUBLIC_FILE: &str = "public.key";
/// The folder of public keys that a broker lets in, beside its own.
pub const ALLOWED_FOLDER: &str = "allowed";

const SECRET_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o700;
const OTHERS: u32 = 0o077;

fn file_error(path: &Path) -> impl Fn(io::Error) -> KeyError {
    move |source| KeyError::File {
        path: path.to_owned(),
        source,
    }
}

pub(super) fn save(pair: &KeyPair, folder: &Path) -> Result<(), KeyError> {
    make_folder(folder)?;
    let (secret, public) = (folder.join(SECRET_FILE), folder.join(PUBLIC_FILE));
    // Looked for first, so that no secret is written beside a public key of another pair.
    if let Some(path) = [&secret, &public]
        .into_iter()
        .find(|path| fs::symlink_metadata(path).is_ok())
    {
        return Err(KeyError::Exists { path: path.clone() });
    }
    write(&secret, &pair.secret.text(), SECRET_MODE)?;
    write(&public, &pair.public.to_string(), PUBLIC_MODE)?;
    make_folder(&folder.join(ALLOWED_FOLDER))
}

fn make_folder(folder: &Path) -> Result<(), KeyError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(file_error(folder))
}

/// Creates the file; it is never there with wider permissions, or overwritten.
fn write(path: &Path, key: &str, mode: u32) -> Result<(), KeyError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists {
                path: path.to_owned(),
            },
            _ => file_error(path)(source),
        })?;
    file.write_all(format!("{key}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(file_error(path))
}

pub(super) fn load(folder: &Path) -> Result<KeyPair, KeyError> {
    let path: PathBuf = folder.join(SECRET_FILE);
    let file = File::open(&path).map_err(file_error(&path))?;
    let mode = file.metadata().map_err(file_error(&path))?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(KeyError::Loose { path, mode });
    }
    let secret = SecretKey(read_key_of(file, &path)?);
    let public = PublicKey::load(&folder.join(PUBLIC_FILE))?;
    Ok(KeyPair { public, secret })
}

/// The one key in the file at `path`.
pub(super) fn read_key(path: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let file = File::open(path).map_err(file_error(path))?;
    read_key_of(file, path)
}

fn read_key_of(file: File, path: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    // White space around it is allowed, a large file is not read.
    const MAX_BYTES: u64 = 4 * KEY_CHARACTERS as u64;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(file_error(path))?;
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| parse(text.trim()))
        .ok_or_else(|| KeyError::Malformed {
            path: path.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn saved() -> (tempfile::TempDir, KeyPair) {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate().unwrap();
        pair.save(&folder.path().join("keys")).unwrap();
        (folder, pair)
    }

    #[test]
    fn what_is_saved_is_loaded_and_only_its_owner_may_read_the_secret() {
        let (folder, pair) = saved();
        let keys = folder.path().join("keys");
        let loaded = KeyPair::load(&keys).unwrap();
        assert_eq!(loaded.public(), pair.public());
        assert_eq!(loaded.secret.0, pair.secret.0);
        let mode = |name: &str| fs::metadata(keys.join(name)).unwrap().mode() & 0o777;
        assert_eq!(mode(SECRET_FILE), 0o600);
        assert_eq!(fs::metadata(&keys).unwrap().mode() & 0o777, 0o700);
        assert_eq!(mode(ALLOWED_FOLDER), 0o700);
    }

    #[test]
    fn keys_are_never_overwritten() {
        let (folder, pair) = saved();
        let keys = folder.path().join("keys");
        let error = KeyPair::generate().unwrap().save(&keys).unwrap_err();
        assert!(error.to_string().contains("secret.key exists"), "{error}");
        fs::remove_file(keys.join(SECRET_FILE)).unwrap();
        let error = KeyPair::generate().unwrap().save(&keys).unwrap_err();
        assert!(error.to_string().contains("public.key exists"), "{error}");
        assert!(!keys.join(SECRET_FILE).exists());
        assert_eq!(PublicKey::load(&keys.join(PUBLIC_FILE)).unwrap(), pair.public());
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let (folder, _) = saved();
        let keys = folder.path().join("keys");
        fs::set_permissions(keys.join(SECRET_FILE), fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyPair::load(&keys).unwrap_err();
        assert!(matches!(error, KeyError::Loose { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn files_without_a_key_are_named() {
        let (folder, _) = saved();
        let keys = folder.path().join("keys");
        for content in [&b""[..], b"short", &[0xff; 40], &[b'0'; 1 << 16]] {
            fs::write(keys.join(PUBLIC_FILE), content).unwrap();
            let error = KeyPair::load(&keys).unwrap_err();
            assert!(error.to_string().contains("public.key holds no key"), "{error}");
        }
        let missing = KeyPair::load(folder.path()).unwrap_err();
        assert!(missing.to_string().contains("secret.key"), "{missing}");
    }
}

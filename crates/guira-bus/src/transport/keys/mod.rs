//! Keys of brokers and agents: CURVE key pairs in files, and folders of public keys that are allowed.

mod allowed;
mod error;
mod file;

pub use allowed::AllowedKeys;
pub(super) use allowed::Reread;
pub use error::KeyError;
pub use file::{ALLOWED_FOLDER, PUBLIC_FILE, SECRET_FILE};

use std::fmt;
use std::path::Path;
use std::str::FromStr;

const KEY_BYTES: usize = 32;
/// A key as text, in Z85: five characters for four bytes.
const KEY_CHARACTERS: usize = KEY_BYTES / 4 * 5;

/// What others may know of a key pair. Shown and parsed as 40 characters of Z85.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

/// What nobody else may know of a key pair; not shown.
#[derive(Clone)]
pub struct SecretKey([u8; KEY_BYTES]);

/// Who somebody is on the bus, and the proof of it.
///
/// ```
/// use guira_bus::transport::keys::KeyPair;
///
/// let folder = tempfile::tempdir()?;
/// let made = KeyPair::generate()?;
/// made.save(folder.path())?;
/// let read = KeyPair::load(folder.path())?;
/// assert_eq!(read.public(), made.public());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyPair {
    public: PublicKey,
    secret: SecretKey,
}

impl KeyPair {
    /// A new pair, from the system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoCurve`] with a libzmq that was built without it.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = zmq::CurveKeyPair::new().map_err(|error| KeyError::NoCurve {
            reason: error.message().to_owned(),
        })?;
        Ok(Self {
            public: PublicKey(pair.public_key),
            secret: SecretKey(pair.secret_key),
        })
    }

    /// Writes [`SECRET_FILE`], which only its owner may read, and [`PUBLIC_FILE`] into `folder`,
    /// and makes an empty [`ALLOWED_FOLDER`] there. The folder is made if there is none.
    ///
    /// # Errors
    ///
    /// [`KeyError::Exists`] if either is there: keys are never overwritten. [`KeyError::File`]
    /// where the system refuses.
    pub fn save(&self, folder: &Path) -> Result<(), KeyError> {
        file::save(self, folder)
    }

    /// Reads what [`KeyPair::save`] wrote.
    ///
    /// # Errors
    ///
    /// [`KeyError::Loose`] if others than its owner may read or change the secret key,
    /// [`KeyError::Malformed`] if a file holds no key, [`KeyError::File`] if one cannot be read.
    pub fn load(folder: &Path) -> Result<Self, KeyError> {
        file::load(folder)
    }

    /// What others may know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(super) fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl PublicKey {
    /// Reads a file that holds one key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] if it holds no key, [`KeyError::File`] if it cannot be read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        file::read_key(path).map(Self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl SecretKey {
    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn text(&self) -> String {
        text(&self.0)
    }
}

fn text(key: &[u8; KEY_BYTES]) -> String {
    zmq::z85_encode(key).expect("a key is a multiple of four bytes long")
}

fn parse(text: &str) -> Option<[u8; KEY_BYTES]> {
    if text.len() != KEY_CHARACTERS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let key: [u8; KEY_BYTES] = zmq::z85_decode(text).ok()?.try_into().ok()?;
    // The decoder says nothing of characters and numbers that are out of range.
    (self::text(&key) == text).then_some(key)
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse(text).map(Self).ok_or(KeyError::NoKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_shown_as_it_is_parsed() {
        let key = KeyPair::generate().unwrap().public();
        assert_eq!(key.to_string().len(), KEY_CHARACTERS);
        assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = KeyPair::generate().unwrap().public().to_string();
        for text in [
            "",
            &key[1..],
            &format!("{key}0"),
            &"~".repeat(40),
            &"\u{e9}".repeat(20),
            &"#".repeat(40),
        ] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_key_is_not_shown() {
        let pair = KeyPair::generate().unwrap();
        let shown = format!("{pair:?}");
        assert!(shown.contains(&pair.public.to_string()));
        assert!(!shown.contains(&pair.secret.text()));
    }
}

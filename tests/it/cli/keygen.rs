//! Keys for the bus: made once, kept apart from those who may not read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Workplace;

#[test]
fn keys_are_made_and_it_is_said_what_goes_where() {
    let workplace = Workplace::empty();
    let made = workplace.run("keygen keys").done();
    let key = fs::read_to_string(workplace.file("keys/public.key")).expect("it was made");
    assert_eq!(key.trim().len(), 40, "{key:?}");
    for part in [
        key.trim(),
        "keys/secret.key",
        "keys/public.key",
        "allowed/NAME.key",
    ] {
        assert!(made.text().contains(part), "no {part:?} in {made:?}");
    }
    let secret = workplace.file("keys/secret.key");
    let mode = fs::metadata(&secret).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = fs::read_to_string(secret).expect("ours");
    assert!(!made.text().contains(secret.trim()), "the secret was printed");
    assert!(workplace.file("keys/allowed").is_dir());
}

#[test]
fn keys_are_never_overwritten() {
    let workplace = Workplace::empty();
    let object = workplace.run("keygen a/b --json").done().json();
    let key = fs::read_to_string(workplace.file("a/b/public.key")).expect("it was made");
    assert_eq!(object["public_key"].as_str(), Some(key.trim()));
    assert_eq!(object["secret_file"].as_str(), Some("a/b/secret.key"));

    workplace.run("keygen a/b").refused(4, "a/b/secret.key exists");
    let after = fs::read_to_string(workplace.file("a/b/public.key")).expect("still there");
    assert_eq!(after, key);
    let other = workplace.run("keygen c --json").done().json();
    assert_ne!(other["public_key"], object["public_key"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let workplace = Workplace::empty();
    fs::write(workplace.file("taken"), "").expect("writable");
    workplace.run("keygen taken/keys").refused(4, "taken/keys");
}

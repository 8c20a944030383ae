use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::{Lifetime, Ttl};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir_in("/dev/shm").expect("room"))
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.path().join(FILE_NAME);
        std::fs::write(&path, text).expect("room");
        path
    }

    fn segment(&self) -> PathBuf {
        self.0.path().join("app.guira")
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn message(result: Result<Settings, Error>) -> String {
    result.expect_err("it is wrong").to_string()
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_program() {
    let folder = Folder::new();
    let file = folder.file(
        "path = '/nowhere/else'\nsize = '32M'\nindex_entries = 1000\nmode = '0640'\n\
         [cache.users]\nttl = '5m'\nstale_after = '1m'\n[cache.\"with space\"]\nmismatch = 'error'\n",
    );
    let segment = folder.segment();
    let variables = variables(&[
        ("GUIRA_PATH", segment.to_str().expect("text")),
        ("GUIRA_SIZE", "16M"),
        ("GUIRA_POPULATE", "true"),
        ("HOME", "/"),
    ]);
    let settings = Settings::of_variables(variables, &file).expect("right");
    assert_eq!(settings.path(), Some(segment.as_path()));
    let guira = settings.open().expect("there is room");
    assert_eq!(guira.stats().size_bytes, 16 << 20);
    assert!(guira.stats().index_slots < 4_000, "{}", guira.stats().index_slots);

    let users = guira
        .cache_builder::<u64, u64>("users")
        .lifetime(Duration::from_secs(7))
        .open();
    users.put(&1, &1, Lifetime::default()).expect("room");
    let minute = Duration::from_secs(60);
    assert!(
        users
            .ttl(&1)
            .expect("no error")
            .is_some_and(|ttl| { matches!(ttl, Ttl::Fresh(left) if left <= minute && left > minute / 2) })
    );
    let other = guira.cache::<u64, u64>("other");
    other.put(&1, &1, Lifetime::default()).expect("room");
    assert_eq!(other.ttl(&1).expect("no error"), Some(Ttl::Never));
}

#[test]
fn the_environment_may_name_the_file() {
    let folder = Folder::new();
    let file = folder.file("path = '/here'\n");
    let named = variables(&[("GUIRA_CONFIG", file.to_str().expect("text"))]);
    let settings = Settings::of_variables(named, Path::new("/no/such/file")).expect("right");
    assert_eq!(settings.path(), Some(Path::new("/here")));
    let missing = variables(&[("GUIRA_CONFIG", "/no/such/file")]);
    let error = message(Settings::of_variables(missing, &file));
    assert!(error.contains("/no/such/file"), "{error}");
    let neither = Settings::of_variables([], Path::new("/no/such/file")).expect("nothing is wrong");
    let error = neither.open().expect_err("no path").to_string();
    assert!(error.contains("GUIRA_PATH"), "{error}");
}

#[test]
fn unknown_and_wrong_settings_of_the_file_are_refused_by_name() {
    let folder = Folder::new();
    for (text, names) in [
        ("sise = '64M'", "sise: there is no such setting"),
        ("size = '64X'", "size: \"64X\""),
        ("size = [1]", "size: a text"),
        ("mode = '0999'", "mode: "),
        ("allow_group = 'maybe'", "allow_group: "),
        ("index_entries = -1", "index_entries: "),
        ("path = 3", "path: a text is meant"),
        ("path = ''", "path: it is empty"),
        ("[cash.users]\nttl = 1", "cash: there is no such section"),
        ("[size]\nttl = 1", "size: a text"),
        ("cache = 1", "cache: "),
        ("[cache]\nusers = 1", "cache.users: "),
        ("[cache.users]\nttl = '5'", "cache.users.ttl: "),
        ("[cache.users]\nttl = 5", "is a number without a known unit"),
        ("[cache.users]\nrefresh_after = '5s'", "is stale_after here"),
        ("[cache.users]\nttl = '0s'", "cache.users.ttl: "),
        ("[cache.users]\nttl_spread = 1.5", "cache.users.ttl_spread: "),
        (
            "[cache.users]\ntll = '5m'",
            "cache.users.tll: there is no such setting; there are ttl",
        ),
        ("[cache.users]\nmismatch = 'panic'", "cache.users.mismatch: "),
        ("[cache.users]\nwhen_suspect = 'hope'", "neither revalidate nor"),
        ("[cache.users]\nannounce_puts = 2", "cache.users.announce_puts: "),
        ("[cache.users]\ncluster = 'shop'", "neither true nor false"),
        ("path = '/x'\nsize = ", "line 2: "),
    ] {
        let path = folder.file(text);
        let error = message(Settings::read(&path));
        assert!(error.contains(names), "{text}: {error}");
        assert!(error.starts_with(&path.display().to_string()), "{error}");
    }
}

#[test]
fn unknown_and_wrong_variables_are_refused_by_name() {
    let unknown = "there is no such setting; there are GUIRA_CONFIG, GUIRA_PATH, ";
    let of_cache = "settings of caches have no variables; ";
    for (variable, value, problem) in [
        ("GUIRA_SISE", "64M", unknown),
        ("GUIRA_SIZE", "big", "\"big\" is not a whole number"),
        ("GUIRA_PATH", "", "it is empty"),
        ("GUIRA_", "x", unknown),
        ("GUIRA_CACHED", "x", unknown),
        ("GUIRA_CACHE", "x", of_cache),
        ("GUIRA_CACHE_USERS_TTL", "5m", of_cache),
    ] {
        let pairs = variables(&[(variable, value)]);
        let error = message(Settings::of_variables(pairs, Path::new("/no/such/file")));
        assert!(
            error.starts_with(&format!("environment: {variable}: {problem}")),
            "{error}"
        );
    }
}

#[test]
fn every_setting_can_be_set_and_is_in_the_table_above() {
    let table = include_str!("mod.rs");
    for (name, value) in [
        ("path", "/x"),
        ("size", "8M"),
        ("index_entries", "10"),
        ("max_processes", "10"),
        ("max_threads", "10"),
        ("mode", "0o660"),
        ("allow_group", "yes"),
        ("checked_values", "1"),
        ("verify_values", "on"),
        ("salvage", "no"),
        ("populate", "0"),
        ("huge_pages", "off"),
        ("outlive_truncation", "false"),
        ("cluster", "shop"),
        ("brokers", "tcp://10.0.0.7:7227"),
        ("broker_keys", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"),
        ("broker_here", "ipc:///run/guira"),
        ("keys", "/etc/guira"),
        ("bound", "500ms"),
        ("start_within", "0s"),
        ("agent_elsewhere", "no"),
        ("host_name", "web-1"),
        ("processor", "0"),
    ] {
        Settings::default().set_by_name(name, value).expect(name);
        let variable = format!("GUIRA_{}", name.to_uppercase());
        assert!(table.contains(&format!("| `{name}` | `{variable}` |")), "{name}");
    }
    let mut of_cache = CacheSettings::default();
    for (name, value) in [
        ("ttl", "never"),
        ("stale_after", "1s"),
        ("ttl_spread", "0.5"),
        ("sliding", "1h"),
        ("mismatch", "miss"),
        ("when_suspect", "serve_stale"),
        ("announce_puts", "true"),
        ("cluster", "true"),
        ("fetch", "true"),
        ("fetch", "false"),
        ("fetch", "50ms"),
    ] {
        of_cache.set_by_name(name, value).expect(name);
        assert!(table.contains(&format!("| `cache.NAME.{name}` |")), "{name}");
    }
}

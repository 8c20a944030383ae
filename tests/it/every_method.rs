//! Every public method of the engine takes part in the oracle: a new one without an operation that
//! calls it fails here. Both sides are read as text, by the indentation that rustfmt gives.

use std::path::Path;

/// How the oracle calls the methods of a type: in which file (any, if empty), and on what.
const CALLED: &[(&str, &str, &[&str])] = &[
    ("Segment", "", &["segment.", "Segment::"]),
    ("SegmentBuilder", "world.rs", &[").", "builder.", "second."]),
    ("PutOptions", "writing.rs", &["."]),
    ("Expiry", "lifetime.rs", &["hard.", "Expiry::"]),
    ("ValueRef", "reading.rs", &["value."]),
    ("FlightWait", "flying.rs", &["wait."]),
    ("FlightLead", "flying.rs", &["guard."]),
    ("FillToken", "computing.rs", &["token."]),
    ("FillToken", "agreeing.rs", &["token."]),
    ("Journal", "telling.rs", &["journal."]),
    ("Journal", "agreeing.rs", &["journal."]),
    ("AgentRole", "agreeing.rs", &["role."]),
    ("Lease", "agreeing.rs", &["lease."]),
    ("AskedLease", "agreeing.rs", &["asked."]),
    ("RecordKind", "telling.rs", &["kind.", "RecordKind::"]),
    ("Stats", "", &["stats."]),
    ("Verified", "looking.rs", &["verified."]),
    ("Entries", "looking.rs", &["all_entries()."]),
    ("StoredEntries", "looking.rs", &["stored."]),
];

/// A source file's name and text.
struct Source {
    name: String,
    text: String,
}

fn sources_under(folder: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.append(&mut sources_under(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(Source {
                name: path.file_name().expect("a name").to_string_lossy().into_owned(),
                text: std::fs::read_to_string(&path).expect("a source"),
            });
        }
    }
    found
}

/// Type and name of each public method.
fn public_methods(source: &str) -> Vec<(String, String)> {
    let mut of_type = String::new();
    let mut is_hidden = false;
    let mut methods = Vec::new();
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            let rest = match rest.split_once("> ") {
                Some((_, rest)) if line.starts_with("impl<") => rest,
                _ => rest,
            };
            let name = rest.trim_start().split([' ', '<']).next();
            of_type = name.unwrap_or_default().to_owned();
        }
        is_hidden |= line.trim() == "#[doc(hidden)]";
        let Some(rest) = line.strip_prefix("    pub ") else {
            continue;
        };
        let rest = rest.trim_start_matches("const ").trim_start_matches("unsafe ");
        if let Some(name) = rest.strip_prefix("fn ")
            && !std::mem::take(&mut is_hidden)
        {
            let end = name.find(['(', '<']).expect("a function has parameters");
            methods.push((of_type.clone(), name[..end].to_owned()));
        }
    }
    methods
}

/// The oracle's sources without white space, a handle of any namespace being `segment`.
fn oracle() -> Vec<Source> {
    let mut sources = sources_under(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/oracle"));
    for source in &mut sources {
        source.text.retain(|letter| !letter.is_whitespace());
        for space in ["0", "space", "place.space", "to.space", "from.space"] {
            let handle = format!("self.segment({space})");
            source.text = source.text.replace(&handle, "segment");
        }
    }
    sources
}

fn engine() -> Vec<Source> {
    sources_under(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/guira-segment/src"))
}

#[test]
fn every_public_method_is_called_by_the_oracle() {
    let oracle = oracle();
    let mut count = 0;
    let mut missing = Vec::new();
    for (of_type, method) in engine().iter().flat_map(|source| public_methods(&source.text)) {
        count += 1;
        let is_called = CALLED
            .iter()
            .filter(|(name, ..)| *name == of_type)
            .any(|(_, file, receivers)| {
                oracle
                    .iter()
                    .filter(|source| file.is_empty() || source.name == *file)
                    .any(|source| {
                        let call = |on: &&str| source.text.contains(&format!("{on}{method}("));
                        receivers.iter().any(call)
                    })
            });
        if !is_called {
            missing.push(format!("{of_type}::{method}"));
        }
    }
    assert!(count > 60, "only {count} methods were found");
    assert!(missing.is_empty(), "no operation of the oracle calls {missing:?}");
}

#[test]
fn every_figure_is_compared_by_the_oracle() {
    let engine = engine();
    let stats = engine
        .iter()
        .find(|source| source.name == "stats.rs")
        .expect("the figures have a module");
    let fields: Vec<&str> = stats
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("    pub "))
        .filter_map(|line| line.split_once(": ").map(|(name, _)| name))
        .filter(|name| !name.starts_with("fn "))
        .collect();
    assert!(fields.len() > 35, "only {fields:?}");
    let oracle = oracle();
    let is_compared = |field: &&str| {
        let uses = [format!("stats.{field}"), format!("blocks.{field}")];
        oracle
            .iter()
            .any(|source| uses.iter().any(|used| source.text.contains(used.as_str())))
    };
    let missing: Vec<&&str> = fields.iter().filter(|field| !is_compared(field)).collect();
    assert!(missing.is_empty(), "the oracle never looks at {missing:?}");
}

#[test]
fn methods_are_found_with_their_types() {
    let source = "impl<'s> Flight<'s> {\n    pub const fn a(self) {}\n    fn b() {}\n}\nimpl Segment {\n    \
                  pub fn c<R>(&self) {}\n    #[doc(hidden)]\n    #[must_use]\n    pub fn d(&self) {}\n}\n";
    let found = public_methods(source);
    let expected = [("Flight", "a"), ("Segment", "c")];
    assert_eq!(
        found,
        expected.map(|(name, method)| (name.to_owned(), method.to_owned()))
    );
}

//! The names of the models and of the mutants that each is to catch, as the source has them: known before
//! anything is built.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use crate::error::XtaskError;

/// Where the models are.
const MODELS: &str = "crates/guira-segment/src/models";
/// Where the mutants are named.
const MUTANTS: &str = "crates/guira-shm/src/mutant.rs";
/// How a model begins that must hold.
const HOLDS: [&str; 2] = ["holds(", "holds_at_each_change("];
/// How one begins that must catch a mutant.
const CATCHES: [&str; 2] = ["catches(", "catches_at_some_change("];

/// Every model by name, with the names of its mutants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names(BTreeMap<String, Vec<String>>);

impl Names {
    /// Reads them off the source.
    pub(super) fn read(root: &Path) -> Result<Self, XtaskError> {
        let mutants = read(&root.join(MUTANTS))?;
        let folder = root.join(MODELS);
        let unreadable = |source| XtaskError::Read {
            path: folder.clone(),
            source,
        };
        let mut names = Self(BTreeMap::new());
        for file in fs::read_dir(&folder).map_err(unreadable)? {
            names.add(&read(&file.map_err(unreadable)?.path())?, &mutants);
        }
        for mutants in names.0.values_mut() {
            mutants.sort_unstable();
        }
        Ok(names)
    }

    fn add(&mut self, models: &str, mutants: &str) {
        for name in HOLDS.iter().flat_map(|call| models.split(call).skip(1)) {
            if let Some((name, _)) = literal(name) {
                self.0.entry(name.to_owned()).or_default();
            }
        }
        for call in CATCHES.iter().flat_map(|call| models.split(call).skip(1)) {
            if let Some((model, rest)) = literal(call)
                && let Some(mutant) = mutant_after(rest, mutants)
            {
                self.0.entry(model.to_owned()).or_default().push(mutant);
            }
        }
    }

    /// Whether `part` is in the name of something that would be run.
    pub(super) fn has(&self, part: &str, only_mutants: bool) -> bool {
        self.0.iter().any(|(model, mutants)| {
            let is_mutant_meant = mutants.iter().any(|mutant| mutant.contains(part));
            let is_model_meant = model.contains(part) && !(only_mutants && mutants.is_empty());
            is_mutant_meant || is_model_meant
        })
    }
}

/// A line for each model.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<26} the mutants it must catch", "model")?;
        for (model, mutants) in &self.0 {
            write!(
                f,
                "\n{}",
                format!("{model:<26} {}", mutants.join(", ")).trim_end()
            )?;
        }
        Ok(())
    }
}

/// The string literal that `text` begins with, and what follows.
fn literal(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

/// The name of the mutant that is the next argument.
fn mutant_after(text: &str, mutants: &str) -> Option<String> {
    let variant = text
        .trim_start_matches([',', ' ', '\n'])
        .strip_prefix("Mutant::")?;
    let (variant, _) = variant.split_once(',')?;
    let declared = format!(" {variant} = ");
    let (_, name) = mutants.split_once(&declared)?;
    Some(literal(name)?.0.to_owned())
}

fn read(path: &Path) -> Result<String, XtaskError> {
    fs::read_to_string(path).map_err(|source| XtaskError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &str =
        "mutants! {\n    /// One.\n    NoFence = \"no-fence\",\n    NoBump = \"no-bump\",\n}\n";
    const SOURCE: &str = r#"
        fn holds(name: &str) {}
        holds("put-read", 2, model);
        holds_at_each_change("put-dies", 1, dying);
        catches(
            "put-read",
            Mutant::NoBump,
            2,
        );
        catches("put-read", Mutant::NoFence, 2, model);
    "#;

    fn names() -> Names {
        let mut names = Names(BTreeMap::new());
        names.add(SOURCE, DECLARED);
        names
    }

    #[test]
    fn models_and_their_mutants_are_read_off_the_source() {
        let [one, two] = ["no-bump", "no-fence"].map(str::to_owned);
        let expected = [
            ("put-read".to_owned(), vec![one, two]),
            ("put-dies".to_owned(), Vec::new()),
        ];
        assert_eq!(names(), Names(expected.into()));
    }

    #[test]
    fn a_part_of_a_name_is_enough_and_another_word_is_not() {
        let names = names();
        assert!(names.has("dies", false) && names.has("fence", true));
        assert!(!names.has("dies", true), "it has no mutant");
        assert!(!names.has("nosuch", false));
    }

    #[test]
    fn the_page_of_models_has_a_row_for_each_with_its_mutants() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let page = read(&root.join("docs/models.md")).unwrap();
        for (model, mutants) in Names::read(root).unwrap().0 {
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| {model} |")));
            let row = row.unwrap_or_else(|| panic!("{model} has no row"));
            for mutant in mutants {
                assert!(row.contains(&mutant), "{model} catches {mutant}");
            }
        }
    }
}

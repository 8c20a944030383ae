//! The integer constants of the layout modules, and their values.

use super::super::Violation;
use super::super::source::{Source, is_word_byte, words};
use super::expression;

const MARKER: &str = "/// layout:";
const INTEGER_TYPES: &[&str] = &["usize", "u8", "u16", "u32", "u64", "u128"];
/// Constants that refer to each other deeper than this refer to themselves.
const MAX_DEPTH: usize = 64;

/// `const NAME: <integer> = expression;`
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) marked: bool,
    expression: String,
}

/// All integer constants of the layout, file by file in order.
#[derive(Debug, Default)]
pub(super) struct Constants {
    all: Vec<Constant>,
    stray_markers: Vec<Violation>,
}

impl Constants {
    pub(super) fn read<'a>(sources: impl Iterator<Item = &'a Source>) -> Self {
        let mut constants = Self::default();
        for source in sources {
            constants.read_file(source);
        }
        constants
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Constant> {
        self.all.iter()
    }

    /// Markers that stand above something else than an integer constant.
    pub(super) fn stray_markers(&self) -> Vec<Violation> {
        self.stray_markers.clone()
    }

    /// The number that `constant` stands for, or why it cannot be told.
    pub(super) fn value(&self, constant: &Constant) -> Result<u128, String> {
        self.value_at_depth(constant, 0)
    }

    fn value_at_depth(&self, constant: &Constant, depth: usize) -> Result<u128, String> {
        if depth > MAX_DEPTH {
            return Err(format!("{} refers to itself", constant.name));
        }
        expression::evaluate(&constant.expression, &|path| {
            self.value_at_depth(self.resolve(path, constant)?, depth + 1)
        })
    }

    /// The constant that `path` names where `from` is declared: same file first, then the module
    /// that the path names, then the only one of that name.
    fn resolve(&self, path: &[&str], from: &Constant) -> Result<&Constant, String> {
        let (name, modules) = path.split_last().ok_or("an empty path")?;
        let named: Vec<_> = self.all.iter().filter(|other| other.name == *name).collect();
        let in_module = |module: &str, other: &Constant| other.path.ends_with(&format!("/{module}.rs"));
        let chosen = match modules.last() {
            None | Some(&("self" | "Self")) => named.iter().find(|other| other.path == from.path),
            Some(module) => named.iter().find(|other| in_module(module, other)),
        };
        match (chosen, &named[..]) {
            (Some(chosen), _) => Ok(chosen),
            (None, [only]) => Ok(only),
            (None, []) => Err(format!("{name} is no integer constant of the layout")),
            (None, _) => Err(format!("{name} is declared more than once: name its module")),
        }
    }

    fn read_file(&mut self, source: &Source) {
        let mut used_markers = Vec::new();
        for offset in words(source.code(), "const") {
            let Some((name, expression)) = declaration(&source.code()[offset + "const".len()..]) else {
                continue;
            };
            let line = source.line_of(offset);
            let marker = marker_above(source.text(), line);
            used_markers.extend(marker);
            self.all.push(Constant {
                path: source.path().to_owned(),
                line,
                name: name.to_owned(),
                marked: marker.is_some(),
                expression: expression.to_owned(),
            });
        }
        for (index, line) in source.comments().lines().enumerate() {
            if line.trim_start().starts_with(MARKER) && !used_markers.contains(&(index + 1)) {
                self.stray_markers.push(super::violation(
                    source.path(),
                    index + 1,
                    format!("`{MARKER}` marks no integer constant: put it right above one, once"),
                ));
            }
        }
    }
}

/// Splits ` NAME: usize = 1 + 2; ..` into the name and the expression, if the type is an integer.
fn declaration(after_const: &str) -> Option<(&str, &str)> {
    let (head, rest) = after_const.split_once('=')?;
    let (name, type_name) = head.split_once(':')?;
    let (name, type_name) = (name.trim(), type_name.trim());
    let (expression, _) = rest.split_once(';')?;
    (INTEGER_TYPES.contains(&type_name) && !name.is_empty() && name.bytes().all(is_word_byte))
        .then(|| (name, expression.trim()))
}

/// The line (from 1) of the marker in the doc comment and attributes right above `line`.
fn marker_above(text: &str, line: usize) -> Option<usize> {
    let lines: Vec<_> = text.lines().take(line - 1).map(str::trim_start).collect();
    lines
        .iter()
        .enumerate()
        .rev()
        .take_while(|(_, line)| line.starts_with("///") || line.starts_with("#["))
        .find(|(_, line)| line.starts_with(MARKER))
        .map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(files: &[(&str, &str)]) -> Vec<Result<u128, String>> {
        let sources: Vec<_> = files
            .iter()
            .map(|(path, text)| Source::new(format!("layout/{path}"), *text))
            .collect();
        let constants = Constants::read(sources.iter());
        constants
            .iter()
            .map(|constant| constants.value(constant))
            .collect()
    }

    #[test]
    fn constants_refer_to_each_other_in_any_order_and_visibility() {
        let text = "pub const A: usize = B * 2;\npub(crate) const B: u64 = 3;\nconst S: &str = \"x\"; pub const fn f() {}";
        assert_eq!(values(&[("a.rs", text)]), [Ok(6), Ok(3)]);
    }

    #[test]
    fn a_name_is_looked_for_here_then_in_its_module_then_anywhere() {
        let a = "const SIZE: usize = 1; const X: usize = SIZE; const Y: usize = super::b::SIZE; const Z: usize = ONLY;";
        let b = "const SIZE: usize = 2; const ONLY: usize = 9;";
        assert_eq!(
            values(&[("a.rs", a), ("b.rs", b)]),
            [Ok(1), Ok(1), Ok(2), Ok(9), Ok(2), Ok(9)]
        );
    }

    #[test]
    fn what_cannot_be_told_says_why() {
        let found = values(&[(
            "a.rs",
            "const A: usize = B; const B: usize = A; const C: usize = D;",
        )]);
        assert!(found[0].as_ref().unwrap_err().contains("refers to itself"));
        assert_eq!(found[2], Err("D is no integer constant of the layout".into()));
    }

    #[test]
    fn a_marker_may_stand_anywhere_in_the_doc_comment() {
        let text = "/// layout: x\n/// More.\n#[rustfmt::skip]\npub const A: usize = 1;\n\npub const B: usize = 2;\n";
        let source = Source::new("layout/a.rs", text);
        let constants = Constants::read([&source].into_iter());
        let marked: Vec<_> = constants.iter().map(|constant| constant.marked).collect();
        assert_eq!(marked, [true, false]);
        assert!(constants.stray_markers().is_empty());
    }
}

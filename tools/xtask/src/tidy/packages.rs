//! The packages of the workspace as their manifests declare them, read through `cargo metadata`.

use std::path::Path;

use serde::Deserialize;

use crate::cargo::{cargo, output_of};
use crate::error::XtaskError;

/// The members of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    pub(crate) members: Vec<Package>,
}

/// One member; its paths are relative to the workspace root, with `/`.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: String,
    pub(crate) manifest: String,
    /// The root file of every target: library, binaries, tests, examples, build script.
    pub(crate) roots: Vec<String>,
    /// Every dependency on a path, of any kind.
    pub(crate) path_dependencies: Vec<PathDependency>,
}

/// A dependency on a package in this tree.
#[derive(Debug)]
pub(crate) struct PathDependency {
    pub(crate) name: String,
    /// The key in the manifest, where it is not the name.
    pub(crate) rename: Option<String>,
}

impl Packages {
    /// Asks cargo for the members of the workspace at `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, XtaskError> {
        let arguments = ["metadata", "--no-deps", "--format-version", "1"];
        let printed = output_of(cargo(root, &arguments))?;
        Self::parse(&printed).map_err(|source| XtaskError::Metadata { source })
    }

    fn parse(metadata: &str) -> Result<Self, serde_json::Error> {
        let metadata: Metadata = serde_json::from_str(metadata)?;
        let prefix = format!("{}/", metadata.workspace_root);
        let relative = |path: &str| path.strip_prefix(&prefix).unwrap_or(path).to_owned();
        let members = metadata
            .packages
            .into_iter()
            .map(|package| {
                let manifest = relative(&package.manifest_path);
                let folder = manifest.strip_suffix("/Cargo.toml").unwrap_or("").to_owned();
                Package {
                    name: package.name,
                    folder,
                    manifest,
                    roots: package
                        .targets
                        .iter()
                        .map(|target| relative(&target.src_path))
                        .collect(),
                    path_dependencies: package
                        .dependencies
                        .into_iter()
                        .filter(|dependency| dependency.path.is_some())
                        .map(|dependency| PathDependency {
                            name: dependency.name,
                            rename: dependency.rename,
                        })
                        .collect(),
                }
            })
            .collect();
        Ok(Self { members })
    }
}

// The parts of cargo's answer that are read here.

#[derive(Deserialize)]
struct Metadata {
    workspace_root: String,
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: String,
    targets: Vec<MetadataTarget>,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    src_path: String,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    rename: Option<String>,
    path: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_and_only_path_dependencies_are_kept() {
        let packages = Packages::parse(
            r#"{"workspace_root":"/w","packages":[{"name":"a","manifest_path":"/w/crates/a/Cargo.toml",
                "targets":[{"src_path":"/w/crates/a/src/lib.rs"}],
                "dependencies":[{"name":"b","rename":"c","path":"/w/crates/b"},{"name":"serde","rename":null}]}]}"#,
        )
        .unwrap();
        let [member] = &packages.members[..] else {
            panic!("one member expected: {packages:?}");
        };
        assert_eq!(member.folder, "crates/a");
        assert_eq!(member.manifest, "crates/a/Cargo.toml");
        assert_eq!(member.roots, ["crates/a/src/lib.rs"]);
        assert_eq!(member.path_dependencies.len(), 1);
        assert_eq!(member.path_dependencies[0].rename.as_deref(), Some("c"));
    }

    #[test]
    fn another_answer_is_an_error() {
        assert!(Packages::parse("{}").is_err());
    }
}

//! The settings of the segment, by name; the same for the file and the environment.

use std::path::PathBuf;

use super::{CONFIG_VARIABLE, PREFIX, Settings, cluster, setting_error};
use crate::error::Error;
use crate::units;

/// What the project's own tests and tools read, which is no setting.
const NO_SETTINGS: &[&str] = &[
    "GUIRA_TEST_",
    "GUIRA_MODEL_",
    "GUIRA_CANARY",
    "GUIRA_COLOUR",
    "GUIRA_TRACES",
];

type Set = fn(&mut Settings, &str) -> Result<(), String>;

/// Every setting but those of caches and of the cluster.
const SETTINGS: &[(&str, Set)] = &[
    ("path", |settings, text| {
        if text.is_empty() {
            return Err("it is empty; name the segment's file".to_owned());
        }
        settings.path = Some(PathBuf::from(text));
        Ok(())
    }),
    ("size", |settings, text| {
        let bytes = units::size(text).map_err(|error| refused(text, error))?;
        settings.set(|builder| builder.size(bytes));
        Ok(())
    }),
    ("files", |settings, text| {
        if text.is_empty() {
            return Err("it is empty; name the directory of large values".to_owned());
        }
        settings.files = Some(PathBuf::from(text));
        Ok(())
    }),
    ("files_limit", |settings, text| {
        let bytes = units::size(text).map_err(|error| refused(text, error))?;
        settings.files_limit_bytes = Some(bytes);
        Ok(())
    }),
    ("index_entries", |settings, text| {
        let entries = whole(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.index_entries(entries)));
        Ok(())
    }),
    ("max_processes", |settings, text| {
        let processes = whole(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.max_processes(processes)));
        Ok(())
    }),
    ("max_threads", |settings, text| {
        let threads = whole(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.max_threads(threads)));
        Ok(())
    }),
    ("mode", |settings, text| {
        let mode = u32::from_str_radix(text.trim_start_matches("0o"), 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .ok_or_else(|| refused(text, "no permission bits; write them octal, such as \"0660\""))?;
        settings.set(|builder| builder.segment_settings(|segment| segment.mode(mode)));
        Ok(())
    }),
    ("allow_group", |settings, text| {
        let allow = truth(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.allow_group(allow)));
        Ok(())
    }),
    ("checked_values", |settings, text| {
        let checked = truth(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.checked_values(checked)));
        Ok(())
    }),
    ("verify_values", |settings, text| {
        let verify = truth(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.verify_values(verify)));
        Ok(())
    }),
    ("salvage", |settings, text| {
        let salvage = truth(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.salvage(salvage)));
        Ok(())
    }),
    ("populate", |settings, text| {
        let populate = truth(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.populate(populate)));
        Ok(())
    }),
    ("huge_pages", |settings, text| {
        let huge = truth(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.huge_pages(huge)));
        Ok(())
    }),
    ("outlive_truncation", |settings, text| {
        let outlive = truth(text)?;
        settings.set(|builder| builder.segment_settings(|segment| segment.outlive_truncation(outlive)));
        Ok(())
    }),
];

impl Settings {
    fn set(&mut self, set: impl FnOnce(crate::GuiraBuilder) -> crate::GuiraBuilder) {
        self.builder = set(std::mem::take(&mut self.builder));
    }

    /// Sets what is called `name`; says what is wrong.
    pub(super) fn set_by_name(&mut self, name: &str, text: &str) -> Result<(), String> {
        if cluster::NAMES.contains(&name) {
            return self.cluster.set_by_name(name, text);
        }
        match SETTINGS.iter().find(|(known, _)| *known == name) {
            Some((_, set)) => set(self, text),
            None => Err(unknown(names())),
        }
    }

    pub(super) fn is_setting(name: &str) -> bool {
        names().any(|known| known == name)
    }

    pub(super) fn add_variable(&mut self, variable: &str, value: &str) -> Result<(), Error> {
        if variable == CONFIG_VARIABLE || NO_SETTINGS.iter().any(|other| variable.starts_with(other)) {
            return Ok(());
        }
        let setting = variable
            .strip_prefix(PREFIX)
            .unwrap_or(variable)
            .to_ascii_lowercase();
        let set = if Self::is_setting(&setting) {
            self.set_by_name(&setting, value)
        } else {
            Err(unknown_variable(&setting))
        };
        set.map_err(|problem| setting_error("environment", variable, problem))
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let of_segment = SETTINGS.iter().map(|(known, _)| *known);
    of_segment.chain(cluster::NAMES.iter().copied())
}

fn unknown_variable(setting: &str) -> String {
    if setting == "cache" || setting.starts_with("cache_") {
        return "settings of caches have no variables; write them in guira.toml, below [cache.NAME]"
            .to_owned();
    }
    let known = std::iter::once(CONFIG_VARIABLE.to_owned())
        .chain(names().map(|known| format!("{PREFIX}{}", known.to_ascii_uppercase())));
    let known: Vec<String> = known.collect();
    format!(
        "there is no such setting; there are {}; give a variable of your own another beginning than {PREFIX}",
        known.join(", ")
    )
}

pub(super) fn unknown<'n>(known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.collect();
    format!("there is no such setting; there are {}", known.join(", "))
}

pub(super) fn refused(text: &str, why: impl std::fmt::Display) -> String {
    format!("{text:?} is {why}")
}

pub(super) fn whole<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| refused(text, "no whole number"))
}

pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(refused(text, "neither true nor false")),
    }
}

//! `guira.toml`.

use std::path::Path;

use toml::{Table, Value};

use super::cluster::ClusterSettings;
use super::{Settings, setting_error};
use crate::error::Error;

impl Settings {
    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), Error> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| setting_error(place.as_str(), "the file", error.to_string()))?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| {
                text.get(..span.start).unwrap_or("").matches('\n').count() + 1
            });
            setting_error(place.as_str(), format!("line {line}"), error.message())
        })?;
        self.add_table(&place, &table)
    }

    fn add_table(&mut self, place: &str, table: &Table) -> Result<(), Error> {
        for (name, value) in table {
            match (name.as_str(), value) {
                ("cache", Value::Table(caches)) => self.add_caches(place, caches)?,
                ("cache", _) => {
                    let problem = "a section for each cache is meant, such as [cache.users]";
                    return Err(setting_error(place, "cache", problem));
                }
                // What is no text is no path: `path = 3` would make a file called 3.
                ("path", value) if !value.is_str() => {
                    let problem = "a text is meant, such as \"/dev/shm/app.guira\"";
                    return Err(setting_error(place, "path", problem));
                }
                (other, Value::Table(_)) if !Self::is_setting(other) => {
                    let problem = "there is no such section; those of caches are called [cache.NAME]";
                    return Err(setting_error(place, other, problem));
                }
                _ => as_text_or_list(name, value)
                    .and_then(|text| self.set_by_name(name, &text))
                    .map_err(|problem| setting_error(place, name.as_str(), problem))?,
            }
        }
        Ok(())
    }

    fn add_caches(&mut self, place: &str, caches: &Table) -> Result<(), Error> {
        for (cache, settings) in caches {
            let Value::Table(settings) = settings else {
                let problem = format!("a section is meant: [cache.{cache}], and the settings below it");
                return Err(setting_error(place, format!("cache.{cache}"), problem));
            };
            let of_cache = self.caches.entry(cache.as_str().into()).or_default();
            for (name, value) in settings {
                as_text(value)
                    .and_then(|text| of_cache.set_by_name(name, &text))
                    .map_err(|problem| setting_error(place, format!("cache.{cache}.{name}"), problem))?;
            }
        }
        Ok(())
    }
}

/// A list, where one is meant, as it would stand in the environment.
fn as_text_or_list(name: &str, value: &Value) -> Result<String, String> {
    let Value::Array(parts) = value else {
        return as_text(value);
    };
    if !ClusterSettings::is_list(name) {
        return as_text(value);
    }
    let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
    let parts = parts.filter(|parts| parts.iter().all(|part| !part.contains(',')));
    Ok(parts.ok_or("a list of texts without commas is meant")?.join(","))
}

/// As it would stand in the environment.
fn as_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Err("a text, a number, true or false is meant".to_owned())
        }
    }
}

//! What the bus says while it works, as lines: text for people, JSON objects for programs.

use std::fmt::{self, Write as _};
use std::sync::mpsc::SyncSender;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Takes events of this project's crates and sends each as a line. Whoever speaks does not wait: what finds
/// no room is not said.
#[derive(Debug)]
pub(crate) struct LogLines {
    lines: SyncSender<String>,
    is_json: bool,
}

impl LogLines {
    /// For the whole process; without effect where something takes its events already.
    pub(crate) fn install(lines: SyncSender<String>, is_json: bool) {
        // A program that runs this as a library has a place for them.
        let _ = tracing::subscriber::set_global_default(Self { lines, is_json });
    }
}

impl Subscriber for LogLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO && metadata.target().starts_with("guira")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let now_ms = now_ms();
        let line = if self.is_json {
            fields.json(level, now_ms)
        } else {
            fields.text(level, now_ms)
        };
        let _ = self.lines.try_send(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Milliseconds of the wall clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time of day, by UTC: `23:59:59`.
pub(crate) fn show_time_of_day(now_ms: u64) -> String {
    let seconds = now_ms / 1_000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn json(self, level: Level, now_ms: u64) -> String {
        let mut object = Map::new();
        object.insert("time_ms".to_owned(), json!(now_ms));
        object.insert("level".to_owned(), json!(level.as_str().to_ascii_lowercase()));
        object.insert("message".to_owned(), json!(self.message));
        for (name, value) in self.others {
            object.insert(name.to_owned(), value);
        }
        Value::Object(object).to_string()
    }

    fn text(self, level: Level, now_ms: u64) -> String {
        let mut line = show_time_of_day(now_ms);
        if level <= Level::WARN {
            let _ = write!(line, " {}:", level.as_str().to_ascii_lowercase());
        }
        let _ = write!(line, " {}", self.message);
        let mut between = " (";
        for (name, value) in &self.others {
            let shown = match value {
                // How often it was left unsaid is said where it was.
                Value::Number(count) if *name == "unsaid" && count.as_u64() == Some(0) => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let _ = write!(line, "{between}{name} {shown}");
            between = ", ";
        }
        if between == ", " {
            line.push(')');
        }
        // What a peer calls itself is not to draw on the terminal.
        line.chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect()
    }

    fn take(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
        } else {
            self.others.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn said(is_json: bool, say: impl FnOnce()) -> Vec<String> {
        let (lines, said) = sync_channel(8);
        tracing::subscriber::with_default(LogLines { lines, is_json }, say);
        said.try_iter().collect()
    }

    #[test]
    fn a_line_has_its_message_and_its_fields() {
        let said = said(false, || {
            tracing::warn!(host = %"web-1", unsaid = 0_u64, "refused: {}", "a\u{1b}[2J");
            tracing::info!("nothing more");
            tracing::debug!("not for people");
            tracing::info!(target: "zmq", "not ours");
        });
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].ends_with(" warn: refused: a [2J (host web-1)"),
            "{said:?}"
        );
        assert!(said[1].ends_with(" nothing more"), "{said:?}");
    }

    #[test]
    fn an_object_has_its_fields_by_name() {
        let said = said(
            true,
            || tracing::info!(host = %"a \"b\"", tickets = 7_u64, "lost"),
        );
        let object: Value = serde_json::from_str(&said[0]).expect("JSON");
        assert_eq!(object["level"], "info");
        assert_eq!(object["message"], "lost");
        assert_eq!(object["host"], "a \"b\"");
        assert_eq!(object["tickets"], 7);
        assert!(object["time_ms"].as_u64().is_some_and(|time_ms| time_ms > 0));
    }

    #[test]
    fn a_day_ends_a_second_before_the_next() {
        assert_eq!(show_time_of_day(86_399_999), "23:59:59");
        assert_eq!(show_time_of_day(86_400_000), "00:00:00");
    }
}

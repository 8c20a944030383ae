//! What repeats is logged once in a period, for all processes, and what was swallowed is told.

use std::fmt::Debug;
use std::io::BufRead;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guira::Guira;
use guira::repeats::SwallowRepeats;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::children::{Host, SEGMENT, Worker};
use crate::kinds::{SECOND, guira_with_clock};
use crate::worker::say;

/// Where events arrive, as lines: level, target's last part, fields.
struct Sink<F>(F);

impl<S: Subscriber, F: Fn(String) + 'static> Layer<S> for Sink<F> {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let target = metadata.target().rsplit("::").next().unwrap_or_default();
        let mut line = Line(format!("{} {target}", metadata.level()));
        event.record(&mut line);
        (self.0)(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

type Lines = Arc<Mutex<Vec<String>>>;

fn sink<S: Subscriber>() -> (Lines, impl Layer<S>) {
    let lines = Lines::default();
    let to = Arc::clone(&lines);
    (lines, Sink(move |line| to.lock().expect("no panic").push(line)))
}

fn drain(lines: &Lines) -> Vec<String> {
    std::mem::take(&mut *lines.lock().expect("no panic"))
}

fn swallowing(guira: &Guira) -> SwallowRepeats {
    SwallowRepeats::new(guira, 10 * SECOND)
        .expect("a good period")
        .also_by(&["host"])
}

#[test]
fn the_same_event_is_logged_once_in_a_period_and_the_next_tells_of_the_swallowed() {
    let (guira, clock_ms) = guira_with_clock();
    let (lines, sink) = sink();
    let subscriber = tracing_subscriber::registry().with(sink).with(swallowing(&guira));
    let log = || tracing::warn!(host = "db1", "no answer");
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5 {
            log();
        }
        assert_eq!(drain(&lines), [r#"WARN repeats message=no answer host="db1""#]);
        clock_ms.fetch_add(9_999, Ordering::Relaxed);
        log();
        assert_eq!(drain(&lines), [""; 0]);
        clock_ms.fetch_add(1, Ordering::Relaxed);
        for _ in 0..3 {
            log();
        }
        assert_eq!(
            drain(&lines),
            [
                r#"WARN repeats message=no answer host="db1""#,
                "WARN repeats message=the event above was swallowed 5 times since it was last logged \
                 swallowed=5 of=\"it::repeats\"",
            ]
        );
        clock_ms.fetch_add(10_000, Ordering::Relaxed);
        log();
        assert!(drain(&lines)[1].contains("swallowed=2"));
        clock_ms.fetch_add(10_000, Ordering::Relaxed);
        log();
        assert_eq!(drain(&lines).len(), 1);
    });
}

#[test]
fn events_differ_by_level_message_and_the_fields_that_were_named() {
    let (guira, _clock) = guira_with_clock();
    let (lines, sink) = sink();
    let subscriber = tracing_subscriber::registry().with(sink).with(swallowing(&guira));
    tracing::subscriber::with_default(subscriber, || {
        for took_ms in 0..3 {
            tracing::warn!(host = "db1", took_ms, "no answer");
            tracing::warn!(host = "db2", took_ms, "no answer");
            tracing::error!(host = "db1", took_ms, "no answer");
            tracing::warn!(host = "db1", took_ms, "no connection");
            tracing::warn!(target: "elsewhere", host = "db1", took_ms, "no answer");
        }
    });
    assert_eq!(drain(&lines).len(), 5);
}

#[test]
fn layers_with_filters_of_their_own_hear_what_they_would_have() {
    let (guira, clock_ms) = guira_with_clock();
    let (all, all_sink) = sink();
    let (errors, errors_sink) = sink();
    let subscriber = tracing_subscriber::registry()
        .with(all_sink)
        .with(errors_sink.with_filter(LevelFilter::ERROR))
        .with(swallowing(&guira));
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..2 {
            for _ in 0..3 {
                tracing::info!("plums");
                tracing::error!("sloes");
            }
            clock_ms.fetch_add(10_000, Ordering::Relaxed);
        }
    });
    let errors = drain(&errors);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors.iter().all(|line| line.starts_with("ERROR")), "{errors:?}");
    assert_eq!(drain(&all).len(), 6);
}

#[test]
fn a_segment_that_is_lost_swallows_nothing() {
    let host = Host::new();
    let guira = Guira::of_segment(host.segment.clone());
    let (lines, sink) = sink();
    let subscriber = tracing_subscriber::registry().with(sink).with(swallowing(&guira));
    tracing::subscriber::with_default(subscriber, || {
        let log = || tracing::warn!("plums");
        log();
        log();
        assert_eq!(drain(&lines).len(), 1);
        std::fs::File::options()
            .write(true)
            .open(&host.path)
            .and_then(|file| file.set_len(0))
            .expect("it is ours");
        log();
        log();
        assert_eq!(drain(&lines).len(), 2);
    });
}

#[test]
fn a_period_of_no_time_is_refused() {
    let (guira, _clock) = guira_with_clock();
    assert!(SwallowRepeats::new(&guira, Duration::ZERO).is_err());
}

#[test]
fn child() {
    let Ok(path) = std::env::var(SEGMENT) else {
        return;
    };
    let guira = Guira::builder().open_existing(path).expect("the test made it");
    let repeats = SwallowRepeats::new(&guira, Duration::from_secs(3_600)).expect("a good period");
    let subscriber = tracing_subscriber::registry()
        .with(Sink(|line: String| say(&line)))
        .with(repeats);
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    say("open");
    for times in std::io::stdin().lock().lines().map_while(Result::ok) {
        for _ in 0..times.parse().expect("a number") {
            tracing::warn!("no answer");
        }
        say("done");
    }
}

#[test]
fn of_several_processes_one_logs() {
    const TIMES: u64 = 200;
    let host = Host::new();
    let mut workers: Vec<Worker> = (0..4)
        .map(|_| Worker::start_as("repeats::child", &host.path))
        .collect();
    workers
        .iter_mut()
        .for_each(|worker| worker.tell(&TIMES.to_string()));
    let mut logged = 0;
    for worker in &mut workers {
        loop {
            match &*worker.answer() {
                "done" => break,
                "WARN repeats message=no answer" => logged += 1,
                answer => panic!("{answer}"),
            }
        }
    }
    assert_eq!(logged, 1);
    // Each of the others was counted.
    let repeats = host.segment.namespace("guira.repeats").expect("a row");
    let entry = repeats.entries().next().expect("one event");
    let swallowed = repeats.get(&entry.key).expect("it is fresh");
    assert_eq!(&*swallowed, (4 * TIMES - 1).to_string().as_bytes());
}

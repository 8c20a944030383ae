//! Asking each broker for its state.

use std::time::{Duration, Instant};

use guira_bus::transport::{AgentEvent, AgentSockets, Channel, LinkChange};
use guira_bus::wire::{BrokerStatus, ToAgent, ToBroker, decode, encode};

use super::brokers::Brokers;
use crate::error::CliError;

/// A question is repeated after this time: it, or its answer, may be lost.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What a broker answered, or why it did not.
pub(super) type Answer = Result<BrokerStatus, String>;

/// Asks all brokers and waits for their answers, `timeout` at most; in the order of the brokers.
pub(super) fn ask(brokers: &Brokers, timeout: Duration) -> Result<Vec<Answer>, CliError> {
    let cluster = brokers.cluster();
    let mut sockets = AgentSockets::connect(&brokers.options()?)?;
    let mut answers: Vec<Answer> = (0..sockets.broker_count())
        .map(|_| Err(format!("no answer within {timeout:?}")))
        .collect();
    let mut asked_at: Vec<Option<Instant>> = vec![None; answers.len()];
    let began = Instant::now();
    let mut events = Vec::new();
    while answers.iter().any(Result::is_err) && began.elapsed() < timeout {
        for (broker, asked_at) in asked_at.iter_mut().enumerate() {
            let is_due = asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY);
            if is_due && answers[broker].is_err() && sockets.is_connected(broker, Channel::Control) {
                let _ = sockets.send(broker, encode(cluster, &ToBroker::Status));
                *asked_at = Some(Instant::now());
            }
        }
        sockets.poll(
            ASK_EVERY.min(timeout.saturating_sub(began.elapsed())),
            &mut events,
        )?;
        for event in events.drain(..) {
            match event {
                AgentEvent::Control { broker, frame } => match decode(cluster, &frame) {
                    Ok(ToAgent::Status(status)) => answers[broker] = Ok(status),
                    Ok(_) => {}
                    Err(error) => tell(&mut answers[broker], error.to_string()),
                },
                AgentEvent::Link {
                    broker,
                    change: LinkChange::Connected,
                    ..
                } => tell(&mut answers[broker], brokers.unanswered()),
                AgentEvent::Link { broker, change, .. } => tell(&mut answers[broker], change.to_string()),
                AgentEvent::Stream { .. } => {}
            }
        }
    }
    Ok(answers)
}

/// The last thing that was heard says best why there is no answer.
fn tell(answer: &mut Answer, why: String) {
    if let Err(before) = answer {
        *before = why;
    }
}

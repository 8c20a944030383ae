//! What an agent says: a line for each change, with the time and the cause.

use std::io::Write;
use std::time::Duration;

use guira::coherence::{BrokerLink, CoherenceStatus, LastHeard};
use serde_json::json;

use super::AgentArgs;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::log_lines::{now_ms, show_time_of_day};
use crate::output::write_json;

/// What is said when it changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    is_trusted: bool,
    role: Role,
    failure: Option<String>,
    overflows: u64,
    brokers: Vec<Broker>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Agent,
    /// Another process is the agent.
    StandsBy,
    /// No process is.
    Nobody,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Broker {
    address: String,
    is_followed: bool,
    last: String,
}

impl Broker {
    fn of(link: &BrokerLink) -> Self {
        Self {
            address: link.address.clone(),
            is_followed: link.is_followed() && is_well(link),
            last: match &link.last {
                last @ LastHeard::Unanswered { .. } => format!("{last}, by --cluster"),
                last => last.to_string(),
            },
        }
    }
}

/// What was heard last of a stream that is followed may be that it broke.
const fn is_well(link: &BrokerLink) -> bool {
    !matches!(link.last, LastHeard::Failing(_) | LastHeard::Refused(_))
}

impl State {
    pub(super) fn of(status: &CoherenceStatus) -> Self {
        Self {
            is_trusted: status.is_trusted,
            role: match (status.is_agent, status.has_agent) {
                (true, _) => Role::Agent,
                (false, true) => Role::StandsBy,
                (false, false) => Role::Nobody,
            },
            failure: status.failure.clone(),
            overflows: status.counts.overflows,
            brokers: status.brokers.iter().map(Broker::of).collect(),
        }
    }

    /// Whether hits are trusted, and why they are not or who sees to it.
    fn is_as_trusted_as(&self, other: &Self) -> bool {
        (self.is_trusted, self.role, &self.failure) == (other.is_trusted, other.role, &other.failure)
    }
}

/// Why hits are not trusted.
fn cause(status: &CoherenceStatus, bound: Duration) -> String {
    if let Some(failure) = &status.failure {
        return format!("this process cannot be the agent: {failure}");
    }
    if !status.is_agent {
        return match status.agent_process {
            Some(process) => format!("process {process} is the agent, and is not trusted: see what it says"),
            None => "no process is the agent yet".to_owned(),
        };
    }
    let unheard: Vec<String> = status
        .brokers
        .iter()
        .filter_map(|link| unheard(link, bound))
        .collect();
    if unheard.is_empty() {
        return "what the brokers have logged is not applied here yet".to_owned();
    }
    unheard.join("; ")
}

/// So old what is known of a broker may be.
const NOTED_WITHIN: Duration = Duration::from_millis(100);

/// What keeps a broker from being heard; `None` if it is heard.
fn unheard(link: &BrokerLink, bound: Duration) -> Option<String> {
    let Broker { address, last, .. } = Broker::of(link);
    match link.confirmed_ago() {
        Some(ago) if ago + NOTED_WITHIN <= bound && link.is_followed() && is_well(link) => None,
        Some(ago) if link.is_followed() && is_well(link) => Some(format!(
            "broker {address} has confirmed nothing for {}",
            show_duration(ago)
        )),
        Some(ago) => Some(format!(
            "broker {address} has confirmed nothing for {}: {last}",
            show_duration(ago)
        )),
        None => Some(format!("broker {address}: {last}")),
    }
}

/// What is true now and was not before.
pub(super) fn write_change(
    out: &mut dyn Write,
    args: &AgentArgs,
    before: Option<&State>,
    status: &CoherenceStatus,
) -> Result<(), CliError> {
    let now = State::of(status);
    let cause = (!now.is_trusted).then(|| cause(status, args.bound));
    if args.json {
        let brokers: Vec<_> = now
            .brokers
            .iter()
            .map(|broker| json!({"address": broker.address, "followed": broker.is_followed, "last": broker.last}))
            .collect();
        write_json(
            out,
            &json!({
                "time_ms": now_ms(),
                "trusted": now.is_trusted,
                "cause": cause,
                "agent": now.role == Role::Agent,
                "stands_by": now.role == Role::StandsBy,
                "overflows": now.overflows,
                "brokers": brokers,
            }),
        )?;
        return out.flush().map_err(CliError::Output);
    }
    // What leads to the rest comes first.
    for broker in &now.brokers {
        if before.is_some_and(|before| before.brokers.contains(broker)) {
            continue;
        }
        let what = if broker.is_followed {
            "followed"
        } else {
            &broker.last
        };
        write_line(out, args, &format!("broker {}: {what}", broker.address))?;
    }
    if before.is_some_and(|before| before.overflows != now.overflows) {
        let line =
            "the journal overran what was not accepted: every host starts over; make the segment larger";
        write_line(out, args, line)?;
    }
    if !before.is_some_and(|before| before.is_as_trusted_as(&now)) {
        let was_trusted = before.is_some_and(|before| before.is_trusted);
        write_line(out, args, &trust_line(&now, cause, was_trusted, args.bound))?;
    }
    out.flush().map_err(CliError::Output)
}

fn trust_line(now: &State, cause: Option<String>, was_trusted: bool, bound: Duration) -> String {
    match cause {
        Some(cause) if was_trusted => format!("lost trust, hits are suspect: {cause}"),
        Some(cause) => format!("not coherent yet: {cause}"),
        None => {
            let role = match now.role {
                Role::Agent | Role::Nobody => "",
                Role::StandsBy => ", standing by: another process is the agent",
            };
            format!("coherent within {}{role}", show_duration(bound))
        }
    }
}

/// The path leads to another file now.
pub(super) fn write_replaced(out: &mut dyn Write, args: &AgentArgs) -> Result<(), CliError> {
    if args.json {
        write_json(out, &json!({"time_ms": now_ms(), "replaced": args.path}))?;
        return out.flush().map_err(CliError::Output);
    }
    write_line(out, args, "another file has this name now: follows it")?;
    out.flush().map_err(CliError::Output)
}

fn write_line(out: &mut dyn Write, args: &AgentArgs, what: &str) -> Result<(), CliError> {
    let time = show_time_of_day(now_ms());
    // What a broker says of itself is not to draw on the terminal.
    let what: String = what.chars().filter(|letter| !letter.is_control()).collect();
    writeln!(out, "{time} {}: {what}", args.path.display()).map_err(CliError::Output)
}

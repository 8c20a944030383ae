//! Agent and broker as state machines: events and the time go in, frames come out.
//!
//! There is no socket, no thread and no clock here, so the simulator drives exactly the code that runs in
//! production. Times are microseconds of a boot-time clock, each host's its own; nothing compares the clocks
//! of two hosts, only how long ago something was.
//!
//! # Who knows what
//!
//! * An **origin** numbers its records: tickets, without holes. A broker takes them only in order, so nothing
//!   is lost unseen between an agent and a broker.
//! * A **broker** numbers what it logs: positions, and each entry names the position before it in its topic. So
//!   nothing is lost unseen between a broker and an agent, whatever topics the agent asks for.
//! * With `n` brokers a **majority** is `n / 2 + 1`. A record is *accepted* when a majority has logged it.
//!
//! # Trust
//!
//! An agent notes its clock `t0` and asks a broker, who answers with its heads, sampled when the question
//! came. When the agent has applied them, the broker's *confirmed time* is `t0`. The agent may trust its
//! segment until `bound` after the time that a majority of brokers has confirmed.
//!
//! *No trusted hit is older than the bound after its invalidation was accepted:* the majority that logged the
//! record and the majority that confirmed meet in one broker, at least. If that broker logged the record
//! before it was asked, its head included it, and it was applied before trust was extended. Else it was asked
//! earlier than it logged, and `t0` is earlier than that.
//!
//! # A broker that begins anew
//!
//! has another epoch and an empty log; what its predecessor logged is not in it. An agent must not count its
//! answers before it has what was accepted since the agent's own last trust. So:
//!
//! * Every origin that says hello publishes again what was accepted within its *reach*, and is *complete* when
//!   that is logged.
//! * An agent continues in a new epoch only if (a) its last trust is younger than the broker's reach and than
//!   three quarters of the time after which silent hosts are forgotten, and (b) every origin that it knows is
//!   complete. It then reads the log from before the last time that *this* broker confirmed: a majority's confirmation says nothing
//!   of what this broker alone had logged, and may be part of another majority tomorrow. Else, or if the log
//!   does not reach back so far, it raises the floor - everything filled before is a miss - and begins at the head.
//! * So that (b) holds for origins that are new themselves, a broker counts a new origin's records as accepted
//!   only when every host it knows, or was told of by others within the time of forgetting, has that origin on
//!   its list. A host that was forgotten meanwhile fails (a).
//! * A life that is younger than the time of (a) is not *ripe*: it may not have met hosts that trust by what the
//!   last life said, and that go on in the next one. It counts an origin as accepted at once only if a life before
//!   did so within that time: then those hosts have it on their lists. Others wait until it is ripe.
//! * And the list of a life that never became ripe proves nothing of who is not on it: an origin that was known to the
//!   life before may come back in the life after, and is accepted there at once. So (b) goes by lists that were ripe, or
//!   continue one that was, of brokers that confirmed within the time of (a). When a list becomes ripe, every origin
//!   that it leaves out has been away for that time, and is new to all.
//!
//! * A host that was forgotten and comes back to the same life of the broker goes on where it left the stream. Who
//!   came meanwhile is accepted without its list, so no answer counts for its trust before it holds the list with
//!   which it was added again, or a newer one: the answer names that version.
//!
//! The same rule serves an agent that comes back and finds that the log was trimmed.
//!
//! # What a broker is not told
//!
//! An origin leaves out, for a broker that begins anew, what is older than its reach, and, for one that was away,
//! what its journal overran meanwhile. Both only of what is *settled*:
//!
//! * Settled is accepted, so it was logged by a majority to which the broker does not belong by this. Whoever is
//!   trusted met one of those in that life, or entered a later life of it by the rule above. That this broker
//!   confirms proves nothing of what it was not told, and is not needed for it.
//! * A broker says of all tickets below its next that they are settled when its log is. For what it was not told
//!   that is true already.
//! * Its log has not got what it was not told, so its reach begins anew: nobody continues in it from before.
//!
//! What was overrun and is not settled is *lost*: every host starts over. That is so, too, for what a broker that
//! begins anew is owed when the journal overran it before it was settled.
//!
//! # Applied everywhere
//!
//! A position is *settled* when every host either reported it applied, or got its last answer so long ago
//! that its trust has run out. What was logged longer ago than the bound is settled in any case: whoever was
//! answered since had to apply it first. A broker that began anew waits the longest bound that there may be
//! before it says so: there may be a host that trusts what the last life confirmed, of which nobody knows.
//! The bound is shorter than the time after which a host is forgotten, so who was forgotten trusts nothing.

mod agent;
mod broker;
mod host;
pub mod mutant;
#[cfg(test)]
mod tests;

pub use agent::{
    AgentCore, AgentEvent, AgentSettings, EntryInto, Flow, LeaseOutcome, LeaseWish, LinkState, LinkStatus,
};
pub use broker::{BrokerAction, BrokerCore, BrokerNews, BrokerSettings, Peer};
pub use host::{Host, Mark};

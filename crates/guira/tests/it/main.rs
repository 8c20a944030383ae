//! Integration tests of typed caches: one binary, a module for each subject.

#![forbid(unsafe_code)]

mod announced_puts;
mod awaiting;
mod cached;
mod children;
mod cluster_tasks;
mod codecs;
mod coherence;
mod coherence_events;
mod coherence_faults;
mod coherent_reads;
mod computing;
mod conformance;
mod counters;
mod dependencies;
mod dog_pile;
mod dumps;
mod entangled;
mod fetching;
mod kinds;
mod leaving;
mod lockouts;
mod many_keys;
mod memo_forms;
mod memoizing;
mod processes;
mod refreshing;
mod repeats;
mod settings_of_caches;
mod sliding;
mod spilling;
mod stores;
mod threads;
mod tiers;
mod worker;
mod write_guards;

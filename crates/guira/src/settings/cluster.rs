//! The settings of coherence: they belong together, so they are gathered first.

use std::time::Duration;

use super::names::{refused, truth, whole};
use crate::coherence::Coherence;
use crate::units;

/// What file and environment say of the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct ClusterSettings {
    cluster: Option<String>,
    brokers: Vec<String>,
    broker_keys: Vec<String>,
    broker_here: Option<String>,
    keys: Option<String>,
    bound: Option<Duration>,
    start_within: Option<Duration>,
    agent_elsewhere: Option<bool>,
    host_name: Option<String>,
    processor: Option<usize>,
    /// Whether any of them was set.
    is_any: bool,
}

/// What sets them, by name.
pub(super) const NAMES: &[&str] = &[
    "cluster",
    "brokers",
    "broker_keys",
    "broker_here",
    "keys",
    "bound",
    "start_within",
    "agent_elsewhere",
    "host_name",
    "processor",
];

/// What is wrong with a setting: its name, and how.
type Wrong = (&'static str, &'static str);

impl ClusterSettings {
    /// Whether a setting is a list: in the environment its parts stand between commas.
    pub(super) fn is_list(name: &str) -> bool {
        matches!(name, "brokers" | "broker_keys")
    }

    /// Sets what is called `name`, one of [`NAMES`]; says what is wrong.
    pub(super) fn set_by_name(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            "brokers" => self.brokers = parts(text)?,
            "broker_keys" => self.broker_keys = parts(text)?,
            "bound" => self.bound = Some(duration(text)?),
            "start_within" => self.start_within = Some(duration(text)?),
            "agent_elsewhere" => self.agent_elsewhere = Some(truth(text)?),
            "cluster" => self.cluster = Some(some(text)?),
            "broker_here" => self.broker_here = Some(some(text)?),
            "processor" => self.processor = Some(whole(text)?),
            "keys" => self.keys = Some(some(text)?),
            _ => self.host_name = Some(some(text)?),
        }
        self.is_any = true;
        Ok(())
    }

    /// What they come to; `None` if nothing is said of a cluster.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn coherence(&self) -> Result<Option<Coherence>, Wrong> {
        let Some(cluster) = &self.cluster else {
            return if self.is_any {
                Err((
                    "cluster",
                    "it is missing, and other settings of coherence are there; name the cluster",
                ))
            } else {
                Ok(None)
            };
        };
        let mut coherence = self.with_brokers(Coherence::of_cluster(cluster))?;
        if let Some(directory) = &self.keys {
            coherence = coherence.keys(directory);
        }
        if let Some(bound) = self.bound {
            coherence = coherence.bound(bound);
        }
        if let Some(timeout) = self.start_within {
            coherence = coherence.start_within(timeout);
        }
        if self.agent_elsewhere == Some(true) {
            coherence = coherence.agent_elsewhere();
        }
        if let Some(name) = &self.host_name {
            coherence = coherence.host_name(name);
        }
        if let Some(number) = self.processor {
            coherence = coherence.processor(number);
        }
        Ok(Some(coherence))
    }

    fn with_brokers(&self, coherence: Coherence) -> Result<Coherence, Wrong> {
        let Self {
            brokers, broker_keys, ..
        } = self;
        match &self.broker_here {
            Some(address) if brokers.is_empty() => Ok(coherence.broker_here(address)),
            Some(_) => Err((
                "broker_here",
                "brokers are named, too; a broker in the process itself is the only one",
            )),
            None if brokers.is_empty() => Err((
                "brokers",
                "none is named; give the addresses of the cluster's brokers",
            )),
            None if broker_keys.is_empty() => Ok(brokers
                .iter()
                .fold(coherence, |coherence, address| coherence.broker(address))),
            None if broker_keys.len() == brokers.len() => Ok(brokers
                .iter()
                .zip(broker_keys)
                .fold(coherence, |coherence, (address, key)| {
                    coherence.broker_with_key(address, key)
                })),
            None => Err((
                "broker_keys",
                "give one for each broker, in the same order, or none",
            )),
        }
    }
}

fn some(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(text.to_owned())
}

fn parts(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|part| some(part.trim())).collect()
}

fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(|error| refused(text, error))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::{FILE_NAME, Settings};
    use crate::error::Error;

    const KEY: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

    fn of(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<(String, String)> = pairs.iter().map(owned).collect();
        Settings::of_variables(variables, Path::new("/no/such/file"))
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir_in("/dev/shm").expect("room");
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, text).expect("room");
        (folder, path)
    }

    #[test]
    fn file_and_environment_say_the_same_of_a_cluster() {
        let (_folder, path) = file(&format!(
            "cluster = 'shop'\nbrokers = ['tcp://10.0.0.7:7227', 'tcp://10.0.0.8:7227']\n\
             broker_keys = ['{KEY}', '{KEY}']\nkeys = '/etc/guira'\nbound = '200ms'\n\
             start_within = '0s'\nagent_elsewhere = true\nhost_name = 'web-1'\nprocessor = 3\n"
        ));
        let of_file = Settings::read(&path).expect("right");
        let of_file = of_file.cluster.coherence().expect("right").expect("a cluster");
        let of_environment = of(&[
            ("GUIRA_CLUSTER", "shop"),
            ("GUIRA_BROKERS", "tcp://10.0.0.7:7227, tcp://10.0.0.8:7227"),
            ("GUIRA_BROKER_KEYS", &format!("{KEY},{KEY}")),
            ("GUIRA_KEYS", "/etc/guira"),
            ("GUIRA_BOUND", "200ms"),
            ("GUIRA_START_WITHIN", "0s"),
            ("GUIRA_AGENT_ELSEWHERE", "yes"),
            ("GUIRA_HOST_NAME", "web-1"),
            ("GUIRA_PROCESSOR", "3"),
        ])
        .expect("right");
        let of_environment = of_environment.cluster.coherence();
        let of_environment = of_environment.expect("right").expect("a cluster");
        assert_eq!(format!("{of_file:?}"), format!("{of_environment:?}"));
        assert_eq!(of_file.cluster(), "shop");
        let text = format!("{of_file:?}");
        for part in [
            "200ms",
            "is_agent_here: false",
            "web-1",
            "processor: Some(3)",
            "/etc/guira",
            KEY,
            "10.0.0.8",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        let brokers = ("GUIRA_BROKERS", "tcp://10.0.0.7:7227");
        let cluster = ("GUIRA_CLUSTER", "shop");
        let path = ("GUIRA_PATH", "/dev/shm/never-made.guira");
        for (pairs, says) in [
            (vec![path, brokers], "cluster: it is missing"),
            (vec![path, ("GUIRA_BOUND", "200ms")], "cluster: it is missing"),
            (vec![path, cluster], "brokers: none is named"),
            (
                vec![path, cluster, brokers, ("GUIRA_BROKER_HERE", "ipc:///x")],
                "broker_here: brokers",
            ),
            (
                vec![path, cluster, brokers, ("GUIRA_BROKER_KEYS", "a,b")],
                "broker_keys: give one",
            ),
        ] {
            let settings = of(&pairs).expect("each is right");
            let error = settings.open().expect_err("not together").to_string();
            assert!(error.contains(says), "{error}");
            assert!(!Path::new(path.1).exists());
        }
        for (name, value, says) in [
            ("GUIRA_BOUND", "soon", "GUIRA_BOUND: "),
            (
                "GUIRA_BROKERS",
                "tcp://a:1,,tcp://b:1",
                "GUIRA_BROKERS: it is empty",
            ),
            ("GUIRA_CLUSTER", "", "GUIRA_CLUSTER: it is empty"),
            ("GUIRA_AGENT_ELSEWHERE", "perhaps", "neither true nor false"),
            ("GUIRA_PROCESSOR", "-1", "GUIRA_PROCESSOR: "),
        ] {
            let error = of(&[(name, value)]).expect_err("wrong").to_string();
            assert!(error.contains(says), "{error}");
        }
        let (_folder, path) = file("brokers = [1]");
        let error = Settings::read(&path).expect_err("wrong").to_string();
        assert!(error.contains("brokers: a list of texts"), "{error}");
    }
}

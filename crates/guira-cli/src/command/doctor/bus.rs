//! What agents and brokers of the bus need: their library, its encryption, and enough open files.

use nix::sys::resource::{Resource, getrlimit};

use super::Check;

/// What a host costs a broker: a connection for what is for it alone, and one for the stream.
const FILES_FOR_HOST: u64 = 2;
/// A broker's own: sockets that listen, threads, what a process has anyway.
const FILES_OF_BROKER: u64 = 64;
/// Fewer hosts are worth a word.
const FEW_HOSTS: u64 = 200;

/// Everything about the bus.
pub(crate) fn checks() -> Vec<Check> {
    vec![library(), hosts()]
}

fn library() -> Check {
    let name = "bus library";
    let (major, minor, patch) = guira_bus::transport::library_version();
    if guira_bus::transport::has_curve() {
        Check::ok(name, format!("libzmq {major}.{minor}.{patch} with CURVE"))
    } else {
        Check::warn(
            name,
            format!("libzmq {major}.{minor}.{patch} without CURVE: no keys, so no broker for other machines"),
            "build guira with the libzmq that it brings along",
        )
    }
}

fn hosts() -> Check {
    let name = "broker";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Err(error) => Check::warn(
            name,
            format!("the limit of open files is unknown: {error}"),
            "check ulimit -n",
        ),
        Ok((soft, _)) => {
            let hosts = hosts_within(soft);
            let found = format!("one started here could serve {hosts} hosts: at most {soft} open files");
            if hosts < FEW_HOSTS {
                Check::warn(
                    name,
                    found,
                    "before starting a broker for more, raise it: ulimit -n 65536 (systemd: LimitNOFILE=)",
                )
            } else {
                Check::ok(name, found)
            }
        }
    }
}

/// For how many hosts so many open files are enough.
const fn hosts_within(files: u64) -> u64 {
    files.saturating_sub(FILES_OF_BROKER) / FILES_FOR_HOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_costs_a_broker_two_files() {
        assert_eq!(hosts_within(1_024), 480);
        assert_eq!(hosts_within(0), 0);
    }
}

//! `guira keygen`: keys for a broker or an agent of the bus.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use guira_bus::transport::keys::{ALLOWED_FOLDER, KeyPair, PUBLIC_FILE, SECRET_FILE};
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;

/// Make keys for a broker or an agent; what exists is never overwritten
#[derive(Clone, Debug, Args)]
pub struct KeygenArgs {
    /// The folder, made if it is missing; one for each machine
    pub dir: PathBuf,
    /// Print what was made as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &KeygenArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let pair = KeyPair::generate()?;
    pair.save(&args.dir)?;
    let [secret, public, allowed] =
        [SECRET_FILE, PUBLIC_FILE, ALLOWED_FOLDER].map(|name| args.dir.join(name));
    if args.json {
        write_json(
            out,
            &json!({
                "public_key": pair.public().to_string(),
                "public_file": public.to_string_lossy(),
                "secret_file": secret.to_string_lossy(),
                "allowed_folder": allowed.to_string_lossy(),
            }),
        )?;
    } else {
        write!(
            out,
            "public key {}\n\n\
             {}  stays on this machine; only its owner may read it\n\
             {}  may be known to all\n\
             {}/    whom a broker with these keys lets in\n\n\
             An agent's {PUBLIC_FILE} goes to each broker, as {ALLOWED_FOLDER}/NAME.key in the broker's \
             folder of keys;\na broker's {PUBLIC_FILE} goes to each agent, which is told it with the \
             broker's address.\n",
            pair.public(),
            secret.display(),
            public.display(),
            allowed.display(),
        )
        .map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}

//! The arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Carries customers' messages between LINE and Genesys Cloud over Apache Kafka: each one once, in order.
#[derive(Debug, Parser)]
#[command(
    name = "naru",
    version,
    propagate_version = true,
    after_help = "Try it now, without any account: naru dev"
)]
pub(crate) struct Cli {
    /// The configuration file [default: naru.toml; with `dev`: a built-in account].
    #[arg(long, global = true, value_name = "FILE", env = "NARU_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try everything in one process, with stand-ins of LINE and Genesys Cloud; nothing is kept.
    Dev(DevArguments),
    /// Receive webhooks and write them to Kafka.
    Ingress,
    /// Dedupe, reorder and map what was received.
    Processors,
    /// Send what was mapped to LINE and Genesys Cloud.
    Egress,
    /// Check the configuration, or print an example.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Create the topics.
    Topics {
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Make and look after the key ring, with which raw records are sealed.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Reveal what was masked, on record; forget a person.
    Vault {
        #[command(subcommand)]
        command: VaultCommand,
    },
    /// Mask the personal data in lines of standard input; tells what was found, as JSON.
    Mask(MaskArguments),
    /// Ask the service on this host whether it is ready; exit code 0 if it is.
    Health,
    /// Run the stand-ins of LINE and Genesys Cloud alone.
    Standins(StandinArguments),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List every mistake with its place; exit code 2 if there is one.
    Check,
    /// Print a configuration with every key, its meaning and its default.
    Example,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key ring of one key. A file that is there is never changed.
    Init {
        /// The ring's file.
        file: PathBuf,
        /// Where there is a ring already, check it and leave it as it is.
        #[arg(long)]
        if_missing: bool,
    },
    /// Print the names of the keys, oldest first; the last one seals.
    List {
        /// The ring's file.
        file: PathBuf,
    },
    /// Add a key, which seals from the next start of each service on; all others still open.
    Rotate {
        /// The ring's file.
        file: PathBuf,
    },
    /// Print a key's secret in base64, for a copy that is kept elsewhere.
    Export {
        /// The ring's file.
        file: PathBuf,
        /// The name of the key.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum VaultCommand {
    /// Print what a token stands for; who, when and why goes to `audit.reveals` first.
    ///
    /// Exit code 3: no such token; 4: the person is forgotten; 5: its time is over; 6: the key ring does not open it.
    Reveal(RevealArguments),
    /// Print tokens and kinds of a person, without values.
    List {
        /// The person's GUID, as Genesys shows it.
        #[arg(long, value_parser = guid)]
        person: String,
    },
    /// Destroy a person's keys, for ever: nothing kept opens any more, and nothing is kept from now on.
    Forget {
        /// The person's GUID, as Genesys shows it.
        #[arg(long, value_parser = guid)]
        person: String,
        #[command(flatten)]
        who: Who,
        /// Why; it goes on record.
        #[arg(long, default_value = "asked to forget")]
        reason: String,
    },
    /// Wrap all data keys with the newest key of the ring. Give the new ring to all processors first.
    Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct RevealArguments {
    /// The person's GUID, as Genesys shows it.
    #[arg(long, value_parser = guid)]
    pub(crate) person: String,
    /// The token, as the message's metadata or `naru vault list` shows it.
    #[arg(long)]
    pub(crate) token: String,
    /// Why; it goes on record.
    #[arg(long)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) who: Who,
}

#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Who asks [default: the system's user]; it goes on record beside the system's user and host.
    #[arg(long, value_name = "NAME")]
    pub(crate) operator: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create the topics that are missing; those that exist are compared, never changed.
    Create,
}

#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// Address of the webhooks and of the stand-ins' ledgers.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Send N demo messages, wait for all of them, print the account and end: 0 only if each arrived once, in order.
    #[arg(long, value_name = "N")]
    pub(crate) messages: Option<u32>,
    /// Print only what must be seen.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StandinArguments {
    /// Address of the stand-ins.
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
    /// Where they send their webhooks.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) ingress: String,
}

#[derive(Debug, Args)]
pub(crate) struct MaskArguments {
    /// Print only the masked text.
    #[arg(long)]
    pub(crate) text: bool,
    /// Rules of your own, which change the built-in ones or add to them.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
}

/// A GUID as the vault writes it.
fn guid(text: &str) -> Result<String, String> {
    let guid = uuid::Uuid::parse_str(text)
        .map_err(|_| "not a GUID, such as 6f4a0c1e-0000-8000-8000-000000000001")?;
    Ok(guid.hyphenated().to_string())
}

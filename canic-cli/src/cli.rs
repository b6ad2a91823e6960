//! The command line: its options and commands.

use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    commands::{
        author, check, costs, fund, lists, local, logs, medic, members, metrics, pool, provision,
        release, retire, rollout, status, tree,
    },
    connection, dashboard,
    failure::Failure,
    fleet::Fleet,
    output::{self, Out, Style},
};

/// A fleet of Internet Computer canisters: look at it, change it, mend it.
///
/// Exit codes: 0 done · 1 refused or failed · 2 wrong command line · 3 `medic --ci` has findings ·
/// 4 no network · 5 identity, file or root's id missing · 6 not allowed · 7 no root, or one of
/// another version · 8 the release's interface breaks callers · 9 not confirmed.
#[derive(Parser)]
#[command(name = "canic", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    connection: connection::Options,
    /// Prints JSON; failures, too, on standard error
    #[arg(long, global = true, help_heading = connection::ALL)]
    pub(crate) json: bool,
    /// Says on standard error how many calls were made
    #[arg(long, short, global = true, help_heading = connection::ALL)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the fleet on one page
    Status(status::Args),
    /// Shows the members below their parents
    Tree(tree::Args),
    /// Lists members
    Members(members::Args),
    /// Tells what the fleet costs a day, and how long its cycles last
    Costs(costs::Args),
    /// Lists the canisters of the pool
    Pool(pool::Args),
    /// Lists operations: without an option those that are open
    Ops(lists::OpsArgs),
    /// Shows an operation
    Op(lists::OpArgs),
    /// Lists the releases of a role, or of all roles
    Releases(lists::ReleasesArgs),
    /// Prints the log of root or of a member
    Logs(logs::Args),
    /// Prints the metrics of root or of a member
    Metrics(metrics::Args),
    /// Releases a module for a role: compares interfaces, uploads, and rolls it out
    Release(release::Args),
    /// Begins, shows and controls rollouts
    #[command(subcommand)]
    Rollout(rollout::Rollout),
    /// Provisions a member, or a batch of them
    Provision(provision::Args),
    /// Retires a member, or tries the teardown of a quarantined canister again
    Retire(retire::RetireArgs),
    /// Puts a member and its subtree below another parent
    Move(retire::MoveArgs),
    /// Grants a member cycles of root, within the limits of a day
    Fund(fund::Args),
    /// Takes a canister into the pool, or adopts it as a member
    Import(retire::ImportArgs),
    /// Forgets the records of ended operations
    Prune(retire::PruneArgs),
    /// Tells what is wrong with the fleet, and the command that mends it
    Medic(medic::Args),
    /// Tells more about a code of `canic medic`
    Explain(medic::ExplainArgs),
    /// Shows the fleet on a page in your browser
    Dashboard(dashboard::Args),
    /// Makes a fleet of root and worker, with a test, that builds and deploys as it is
    New(author::NewArgs),
    /// Compares the attributes of this workspace's crates, and its modules with what is deployed
    Check(check::Args),
    /// Builds this workspace's modules in the order in which they embed each other
    Build(author::BuildArgs),
    /// Runs a local network with the fleet of this workspace on it
    Local(local::Args),
    /// Prints the completions of a shell
    Completions {
        /// The shell that reads the script
        shell: Shell,
    },
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// The command failed.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let out = Out {
            json: self.json,
            style: Style::of_stdout(),
        };
        let fleet = || async { Ok::<_, Failure>(Fleet::new(self.connection.connect().await?)) };
        match self.command {
            Command::Status(args) => status::run(&fleet().await?, &args, &out).await,
            Command::Tree(args) => tree::run(&fleet().await?, &args, &out).await,
            Command::Members(args) => members::run(&fleet().await?, &args, &out).await,
            Command::Costs(args) => costs::run(&fleet().await?, &args, &out).await,
            Command::Pool(args) => pool::run(&fleet().await?, &args, &out).await,
            Command::Ops(args) => lists::operations(&fleet().await?, &args, &out).await,
            Command::Op(args) => lists::operation(&fleet().await?, &args, &out).await,
            Command::Releases(args) => lists::releases(&fleet().await?, &args, &out).await,
            Command::Logs(args) => logs::run(&fleet().await?, &args, &out).await,
            Command::Metrics(args) => metrics::run(&fleet().await?, &args, &out).await,
            Command::Release(args) => release::run(Arc::new(fleet().await?), &args, &out).await,
            Command::Rollout(args) => rollout::run(&fleet().await?, &args, &out).await,
            Command::Provision(args) => provision::run(&fleet().await?, &args, &out).await,
            Command::Retire(args) => retire::retire(&fleet().await?, &args, &out).await,
            Command::Move(args) => retire::reparent(&fleet().await?, &args, &out).await,
            Command::Fund(args) => fund::run(&fleet().await?, &args, &out).await,
            Command::Import(args) => retire::import(&fleet().await?, &args, &out).await,
            Command::Prune(args) => retire::prune(&fleet().await?, &args, &out).await,
            Command::Medic(args) => medic::run(Arc::new(fleet().await?), &args, &out).await,
            Command::Explain(args) => medic::explain(&args, &out),
            Command::Dashboard(args) => dashboard::run(Arc::new(fleet().await?), &args, &out).await,
            Command::New(args) => author::new(&args, &out),
            Command::Check(args) => check::run(&self.connection, &args, &out).await,
            Command::Build(args) => author::build(&args, &out),
            Command::Local(args) => local::run(&self.connection, &args, &out).await,
            Command::Completions { shell } => completions(shell),
        }
    }
}

fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "canic", &mut script);
    output::write(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_every_command_is_documented() {
        let page = include_str!("../../docs/operating.md");
        let (_, table) = page.split_once("## JSON").expect("a chapter");
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let columns: Vec<&str> = rows.filter_map(|row| row.split('|').nth(1)).collect();
        // Shells read its script.
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let is_row = |names: &&str| {
                let mut names = names.split([',', ' ']).map(|name| name.trim_matches('`'));
                names.any(|one| one == name)
            };
            assert!(
                name == "completions" || columns.iter().any(is_row),
                "docs/operating.md lacks the fields of `{name}`"
            );
        }
    }
}

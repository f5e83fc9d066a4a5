//! `io completions`, and the hidden `io markdown-help`.

use std::fmt::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{cli::Cli, failure::Result, output::Output};

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Load them with, for instance: source <(io completions bash).
    pub shell: Shell,
}

pub fn run(args: &CompletionsArgs, out: &Output) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "io", &mut script);
    out.text(&String::from_utf8_lossy(&script))
}

/// Every command with its arguments: docs/cli.md.
pub fn markdown(out: &Output) -> Result<()> {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut text = String::from(
        "# The io command\n\nMade by `io markdown-help > docs/cli.md`. Global options are listed once, at the top.\n\n",
    );
    section(&mut command, "io", 2, true, &mut text);
    out.text(&text)
}

fn section(command: &mut clap::Command, path: &str, level: usize, root: bool, text: &mut String) {
    let _ = writeln!(text, "{} {path}\n", "#".repeat(level.min(4)));
    if let Some(about) = command.get_about() {
        let _ = writeln!(text, "{about}\n");
    }
    let mut shown = command.clone();
    if !root {
        // Said once.
        shown = shown.mut_args(|arg| {
            if arg.is_global_set() {
                arg.hide(true)
            } else {
                arg
            }
        });
    }
    let help = shown.render_help().to_string();
    let help = help
        .split_once("Usage:")
        .map_or(help.as_str(), |(_, rest)| rest);
    let _ = writeln!(text, "```text\nUsage:{}\n```\n", help.trim_end());
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        if let Some(sub) = command.find_subcommand_mut(&name) {
            section(sub, &format!("{path} {name}"), level + 1, false, text);
        }
    }
}

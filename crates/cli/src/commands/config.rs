//! `io config`.

use clap::Subcommand;
use serde_json::json;

use crate::{
    context::Context,
    failure::{Failure, Result},
    settings::{self, public_part},
};

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// The settings in force, and where each comes from.
    Show,
    /// Change a setting in ~/.config/io/config.toml: url, ws_url, keypair, oracles (separated by commas) or output.
    Set {
        /// The setting's name.
        key: String,
        /// Its new value.
        value: String,
    },
    /// The path of the user's configuration file.
    Path,
}

pub fn run(command: &ConfigCommand, ctx: &Context) -> Result<()> {
    let user_file = ctx.around.user_file().ok_or_else(|| {
        Failure::failed("there is no home folder for a configuration")
            .hint("Set HOME or XDG_CONFIG_HOME.")
    })?;
    match command {
        ConfigCommand::Show => {
            let settings = &ctx.settings;
            let oracles = settings.oracles.value.join(", ");
            let format = ctx.out.format.name();
            let format_source = settings
                .output
                .as_ref()
                .map_or("default", |output| output.source.as_str());
            let rows: Vec<(&str, String, &str)> = vec![
                (
                    "cluster",
                    settings.cluster.clone(),
                    &settings.rpc_url.source,
                ),
                (
                    "url",
                    public_part(&settings.rpc_url.value),
                    &settings.rpc_url.source,
                ),
                (
                    "ws_url",
                    public_part(&settings.ws_url.value),
                    &settings.ws_url.source,
                ),
                (
                    "keypair",
                    settings.keypair.value.display().to_string(),
                    &settings.keypair.source,
                ),
                ("oracles", oracles, &settings.oracles.source),
                ("output", format.to_owned(), format_source),
            ];
            let items: Vec<_> = rows
                .iter()
                .map(
                    |(name, value, source)| json!({"name": name, "value": value, "source": source}),
                )
                .collect();
            let cells: Vec<_> = rows
                .iter()
                .map(|(name, value, source)| {
                    vec![(*name).to_owned(), value.clone(), (*source).to_owned()]
                })
                .collect();
            ctx.out
                .list(&items, &["SETTING", "VALUE", "FROM"], &cells, "")
        }
        ConfigCommand::Set { key, value } => {
            // A value that no command could use later is refused now.
            if key == "output" {
                crate::parse_format(value)?;
            }
            settings::set(&user_file, key, value)?;
            let value =
                json!({"name": key, "value": value, "file": user_file.display().to_string()});
            ctx.out.record(
                &value,
                &[
                    ("set", key.clone()),
                    ("in", user_file.display().to_string()),
                ],
            )
        }
        ConfigCommand::Path => {
            let path = user_file.display().to_string();
            if ctx.out.for_people() {
                ctx.out.text(&format!("{path}\n"))
            } else {
                ctx.out.document(&json!({"path": path}))
            }
        }
    }
}

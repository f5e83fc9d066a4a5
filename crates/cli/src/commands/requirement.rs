//! What a job asks of a device; shared by quotes, submissions and explanations.

use clap::Args;
use io_api::types::Requirement;
use io_client::io_network::constants::ANY_CLASS;

use crate::failure::{Failure, Result};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Requirements")]
pub struct RequirementArgs {
    /// Device class, by its number: `io network show` lists them.
    #[arg(long, value_name = "ID")]
    pub class: Option<u16>,
    /// Least class multiplier, like 1.25.
    #[arg(long, value_name = "X")]
    pub min_multiplier: Option<String>,
    /// Least device memory, MiB.
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    pub min_memory: u32,
    /// Where the device must be: a two-letter country code.
    #[arg(long, value_name = "CC")]
    pub region: Option<String>,
    /// Least reputation, percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=100))]
    pub min_reputation: u16,
}

impl RequirementArgs {
    pub fn wire(&self) -> Result<Requirement> {
        let min_multiplier_e2 = match &self.min_multiplier {
            None => 0,
            Some(text) => {
                let unit = crate::amount::Unit {
                    symbol: "a multiplier".into(),
                    decimals: 2,
                };
                u32::try_from(unit.parse("--min-multiplier", text)?)
                    .map_err(|_| Failure::usage(format!("--min-multiplier is {text}: too large")))?
            }
        };
        if self.class == Some(ANY_CLASS) {
            return Err(Failure::usage(format!(
                "--class is {ANY_CLASS}, which means any class: leave it out"
            )));
        }
        Ok(Requirement {
            class: self.class,
            min_multiplier_e2,
            min_memory_mib: self.min_memory,
            region: self
                .region
                .as_deref()
                .map(region)
                .transpose()?
                .map(|(name, _)| name),
            min_reputation_bps: self.min_reputation * 100,
        })
    }

    /// The region as on chain.
    pub fn region_code(&self) -> Result<u16> {
        Ok(self
            .region
            .as_deref()
            .map(region)
            .transpose()?
            .map_or(0, |(_, code)| code))
    }
}

/// "de" → ("DE", 0x4445).
fn region(text: &str) -> Result<(String, u16)> {
    let upper = text.to_ascii_uppercase();
    match upper.as_bytes() {
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => {
            let code = u16::from_be_bytes([*a, *b]);
            Ok((upper, code))
        }
        _ => Err(Failure::usage(format!("--region is '{text}'"))
            .hint("Expected a two-letter country code, like DE.")),
    }
}

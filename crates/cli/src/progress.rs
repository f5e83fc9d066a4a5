//! Progress, on stderr and only on a terminal.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use io_api::types::JobView;

use crate::{commands::job, context::Context};

const TICK: Duration = Duration::from_millis(120);

/// Whether anybody would see it.
pub fn visible(ctx: &Context) -> bool {
    !ctx.quiet && std::io::stderr().is_terminal()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A job's life on one line.
pub struct Meter {
    bar: ProgressBar,
    visible: bool,
    state: String,
}

impl Meter {
    pub fn new(ctx: &Context) -> Self {
        let visible = visible(ctx);
        let bar = if visible {
            ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        bar.set_style(style("{spinner} {msg} {elapsed}"));
        if visible {
            bar.enable_steady_tick(TICK);
        }
        Self {
            bar,
            visible,
            state: String::new(),
        }
    }

    pub fn visible(&self) -> bool {
        self.visible
    }

    pub fn state(&mut self, state: &str) {
        self.state = state.to_owned();
        self.bar.set_message(self.state.clone());
    }

    pub fn note(&self, text: &str) {
        self.bar.set_message(format!("{}: {text}", self.state));
    }

    pub fn view(&self, view: &JobView) {
        match &view.progress {
            Some(progress) if view.state == "running" && progress.total > 0 => {
                self.bar
                    .set_style(style("{spinner} {msg} [{bar:30}] {pos}/{len} {elapsed}"));
                self.bar.set_length(progress.total);
                self.bar.set_position(progress.done);
                self.bar.set_message(progress.phase.clone());
            }
            _ => {
                self.bar.set_style(style("{spinner} {msg} {elapsed}"));
                self.bar.set_message(job::words(view));
            }
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Bytes on their way.
pub fn bytes(ctx: &Context, what: &str, total: u64) -> ProgressBar {
    if !visible(ctx) {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    bar.set_style(style(
        "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}",
    ));
    bar.set_message(what.to_owned());
    bar
}

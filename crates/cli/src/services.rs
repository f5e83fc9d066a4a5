//! What long-running services share: how they are told to stop, and how they tell that they are ready.

use std::{path::Path, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Result, file_failure};

/// How often the parent's presence is looked at.
const PARENT_POLL: Duration = Duration::from_millis(200);

/// Cancels `stop` on SIGINT, SIGTERM and SIGHUP, and when `parent` is no longer the parent.
///
/// Not PR_SET_PDEATHSIG: that fires when the parent's *thread* ends.
pub fn stop_on_signals(stop: &CancellationToken, parent: Option<u32>) -> Result<()> {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind)
            .map_err(|error| Failure::failed(format!("listening for signals: {error}")))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                stop.cancel();
            }
        });
    }
    if let Some(parent) = parent {
        let stop = stop.clone();
        tokio::spawn(async move {
            while std::os::unix::process::parent_id() == parent {
                tokio::time::sleep(PARENT_POLL).await;
            }
            stop.cancel();
        });
    }
    Ok(())
}

/// Writes a line, complete or not at all.
pub fn write_ready(path: &Path, line: &str) -> Result<()> {
    let partial = path.with_extension("part");
    std::fs::write(&partial, format!("{line}\n"))
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|error| file_failure("the ready file", path, &error))
}

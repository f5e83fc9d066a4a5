//! `GET /v1/events`: server-sent events.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures_util::stream;
use io_api::types::HelloEvent;
use io_client::Pubkey;
use tokio::{sync::broadcast::error::RecvError, time::sleep};

use crate::{
    api::limits::Held,
    live::{Reader, frame},
    oracle::Oracle,
};

/// Streams open at once, of one address and of all.
pub const STREAMS_EACH: usize = 64;
pub const STREAMS: usize = 1_024;
/// A comment after so much silence shows both sides that the other is there.
const SILENCE: Duration = Duration::from_secs(10);
/// Pause that a browser makes before it connects again, milliseconds.
const RETRY_MS: u64 = 2_000;

/// Counts a stream as long as it is open.
pub struct Open {
    held: Arc<Held<IpAddr>>,
    by: IpAddr,
}

impl Open {
    /// `None` when there are too many.
    pub fn new(held: &Arc<Held<IpAddr>>, by: IpAddr) -> Option<Self> {
        held.take(by).then(|| Self {
            held: held.clone(),
            by,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.held.give_back(self.by);
    }
}

struct Stream {
    oracle: Arc<Oracle>,
    reader: Reader,
    heartbeats: Option<Pubkey>,
    first: Option<String>,
    _open: Open,
}

impl Stream {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let shutdown = self.oracle.shutdown.clone();
            tokio::select! {
                () = shutdown.cancelled() => return None,
                change = self.reader.changes.recv() => match change {
                    Ok(news) => return Some(news.frame.clone()),
                    // Too slow: it comes back and says where it was.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                passing = self.reader.passing.recv() => match passing {
                    Ok(news) if news.provider.is_some() && news.provider != self.heartbeats => {}
                    Ok(news) => return Some(news.frame.clone()),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                () = sleep(SILENCE) => return Some(":\n\n".into()),
            }
        }
    }
}

/// `heartbeats` names the provider whose devices' heartbeats are wanted.
pub fn answer(
    oracle: Arc<Oracle>,
    open: Open,
    headers: &HeaderMap,
    heartbeats: Option<Pubkey>,
) -> Response {
    let place = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let at = oracle.live.place();
    let reader = oracle.live.read(place);
    // A reader that was never here begins at the present; `resumed: false` tells it to read everything anew.
    let hello = HelloEvent {
        resumed: reader.resumed,
        oracle: oracle.key.to_string(),
    };
    let mut first = format!("retry: {RETRY_MS}\n");
    if !reader.resumed {
        first += &format!("id: {at}\n");
    }
    first += &frame(None, "hello", &hello);
    for news in &reader.missed {
        first += &news.frame;
    }
    let stream = Stream {
        oracle,
        reader,
        heartbeats,
        first: Some(first),
        _open: open,
    };
    let body = Body::from_stream(stream::unfold(stream, |mut stream| async move {
        let bytes = stream.next().await?;
        Some((Ok::<_, std::io::Error>(bytes), stream))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    // Proxies that gather answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

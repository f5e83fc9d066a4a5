//! Serving connections: limited in number, and in patience with those that do not send or do not read.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};
use tower::ServiceExt;

use crate::{api::limits::Held, oracle::Oracle};

/// Largest head of a request, bytes.
const MAX_HEAD: usize = 32 * 1024;
/// What a client still sends after an answer that ends the connection is read and thrown away, so much and so long: closing
/// with unread bytes resets the connection, and the client may lose the answer that says why.
const LINGER_BYTES: usize = 256 << 20;
const LINGER: Duration = Duration::from_secs(15);
const LINGER_PIECE: usize = 64 << 10;
/// Pause after the system refuses a connection (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is connected.
#[derive(Clone, Copy, Debug)]
pub struct From(pub IpAddr);

/// Accepts connections until shutdown.
pub async fn serve(oracle: Arc<Oracle>, listener: TcpListener, router: Router) {
    let held = Arc::new(Held::new(
        oracle.config.max_connections_per_address,
        oracle.config.max_connections,
    ));
    let patience = Duration::from_secs(oracle.config.io_timeout_seconds);
    loop {
        let accepted = tokio::select! {
            () = oracle.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok((stream, from)) => (stream, asker(from.ip())),
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if !held.take(from) {
            oracle.metrics.limited.inc();
            continue;
        }
        let _ = stream.set_nodelay(true);
        let (router, guard) = (
            router.clone(),
            GiveBack {
                held: held.clone(),
                from,
            },
        );
        let shutdown = oracle.shutdown.clone();
        oracle.tasks.spawn(async move {
            let _guard = guard;
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(From(from));
                let router = router.clone();
                async move {
                    let answer: Result<_, Infallible> =
                        router.oneshot(request.map(Body::new)).await;
                    answer
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(patience)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(Impatient::new(stream, patience)), service)
                .with_upgrades();
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    match tokio::time::timeout(Duration::from_secs(2), connection).await {
                        Ok(ended) => ended,
                        Err(_) => return,
                    }
                }
            };
            if let Err(error) = ended {
                tracing::trace!(%from, %error, "connection");
            }
        });
    }
}

/// Whom limits count as one: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer gets.
fn asker(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

struct GiveBack {
    held: Arc<Held<IpAddr>>,
    from: IpAddr,
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        self.held.give_back(self.from);
    }
}

/// A stream that fails when the other side does not read for too long.
struct Impatient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    stall: Pin<Box<Sleep>>,
    stalled: bool,
    /// Bytes thrown away since our side was closed; `None` while it is open.
    lingered: Option<usize>,
}

impl Impatient {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stall: Box::pin(sleep(patience)),
            stalled: false,
            lingered: None,
        }
    }

    /// Reads and throws away until the other side has ended too, within limits.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; LINGER_PIECE];
        while let Some(read) = self.lingered.filter(|read| *read < LINGER_BYTES) {
            let mut buf = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.lingered = Some(read + buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.stall.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = false;
            return polled;
        }
        if !self.stalled {
            self.stalled = true;
            self.stall.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.stall.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the other side does not read",
        )))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingered.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.lingered = Some(0);
            let patience = self.patience.min(LINGER);
            self.stall.as_mut().reset(Instant::now() + patience);
        }
        self.linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customers_addresses_count_as_one() {
        let of = |text: &str| asker(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(of("10.1.2.3"), "10.1.2.3");
    }
}

//! The web app: its files, what it has to know, and which other origins may ask this API.

use std::path::{Path, PathBuf};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use io_api::text;
use serde::Serialize;

use crate::{Config, api::error::Refusal, oracle::Oracle};

/// Largest file of the app, bytes.
const MAX_FILE: u64 = 16 << 20;
/// Folders between the app's root and a file, and the file itself.
const MAX_SEGMENTS: usize = 4;
const INDEX: &str = "index.html";
/// The page of the path `/`, and the one of a face for all pages of it that have none of their own.
const HOME: &str = "home";
const ANY_PAGE: &str = "any.html";
/// Files below this are named by their contents, and never change.
const IMMUTABLE: &str = "assets";
/// How long a browser may remember what another origin may do, seconds.
const PREFLIGHT_SECONDS: &str = "600";
const METHODS: &str = "GET, PUT, POST";
const ALLOWED_HEADERS: &str = "content-type, range, x-io-auth, last-event-id";
const EXPOSED_HEADERS: &str = "content-length, content-range, etag, retry-after";

/// `GET /v1/app`: what the web app has to know before it can ask anything else.
#[derive(Serialize, utoipa::ToSchema)]
pub struct AppConfig {
    /// JSON-RPC of the chain, for browsers; absent where the operator names none.
    rpc_url: Option<String>,
    /// The chain's WebSocket, for workers that are set up; absent where the operator names none.
    ws_url: Option<String>,
    /// Genesis hash of the cluster, and the program, in base58.
    cluster: String,
    program: String,
    io_mint: String,
    /// This oracle's key.
    oracle: String,
    /// Addresses of the other oracles.
    peers: Vec<String>,
    /// A chain on this very machine, whose tokens are worth nothing.
    local: bool,
}

pub fn config(oracle: &Oracle) -> AppConfig {
    AppConfig {
        rpc_url: oracle.config.app_rpc_url.clone(),
        ws_url: oracle.config.app_ws_url.clone(),
        cluster: text::key(&oracle.deployment.cluster),
        program: text::key(&oracle.deployment.program),
        io_mint: oracle.io_mint.to_string(),
        oracle: oracle.key.to_string(),
        peers: oracle.config.peers.clone(),
        local: oracle.config.local_chain,
    }
}

/// `scheme://host:port` of an address; `None` when it is none, or holds what a header must not.
pub fn origin_of(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))?;
    let host = rest.split(['/', '?', '#']).next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain))
        .then(|| &url[..url.len() - rest.len() + host.len()])
}

/// The app may talk to this oracle, its peers and the chain, and runs nothing but its own files.
fn security_policy(config: &Config) -> String {
    let mut connect = String::from("'self'");
    for url in config.app_rpc_url.iter().chain(&config.peers) {
        if let Some(origin) = origin_of(url) {
            connect.push(' ');
            connect.push_str(origin);
        }
    }
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
         worker-src 'self'; manifest-src 'self'; connect-src {connect}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// The origin that asks, when it is another one that may.
pub fn allowed_origin(config: &Config, path: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    (path.starts_with("/v1/") && config.allowed_origins.iter().any(|allowed| allowed == text))
        .then(|| origin.clone())
}

pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a browser that asks what it may.
pub fn preflight() -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Lets the page of another origin read the answer.
pub fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED_HEADERS),
    );
}

/// The file that a path names: plain names only, so that no path leads out of the folder.
fn file_of(dir: &Path, path: &str) -> Option<PathBuf> {
    let mut file = dir.to_owned();
    let path = path.trim_start_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    let plain = |segment: &&str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if segments.len() > MAX_SEGMENTS || !segments.iter().all(plain) {
        return None;
    }
    file.extend(segments);
    Some(file)
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

async fn read(file: &Path) -> Option<Vec<u8>> {
    let metadata = tokio::fs::metadata(file).await.ok()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return None;
    }
    tokio::fs::read(file).await.ok()
}

/// The file as it is, or as it was compressed when the app was built.
async fn read_for(
    file: &Path,
    accepted: Option<&HeaderValue>,
) -> Option<(Vec<u8>, Option<&'static str>)> {
    let accepted = accepted
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let takes = |encoding: &str| {
        accepted.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts.next() == Some(encoding) && parts.next() != Some("q=0")
        })
    };
    for (encoding, suffix) in [("br", ".br"), ("gzip", ".gz")] {
        if takes(encoding) {
            let mut name = file.as_os_str().to_owned();
            name.push(suffix);
            if let Some(bytes) = read(Path::new(&name)).await {
                return Some((bytes, Some(encoding)));
            }
        }
    }
    Some((read(file).await?, None))
}

/// What shows a page of the app: its own file, or its face's, which name at once what that face loads; or the index, which shows any.
async fn page_of(
    dir: &Path,
    path: &str,
    accepted: Option<&HeaderValue>,
) -> Option<(PathBuf, (Vec<u8>, Option<&'static str>))> {
    let page = match path.trim_matches('/') {
        "" => HOME,
        page => page,
    };
    let face = page.split('/').next().unwrap_or_default();
    for name in [
        format!("{page}.html"),
        format!("{face}/{ANY_PAGE}"),
        INDEX.to_owned(),
    ] {
        if let Some(file) = file_of(dir, &name)
            && let Some(read) = read_for(&file, accepted).await
        {
            return Some((file, read));
        }
    }
    None
}

/// A file of the app. Every path that names no file is a page of the app.
pub async fn serve(config: &Config, dir: &Path, path: &str, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT_ENCODING);
    let not_found = || {
        Refusal::not_found("the web app has no such file: is it built from the same sources?")
            .into_response()
    };
    let found = match file_of(dir, path) {
        Some(file) => read_for(&file, accepted).await.map(|read| (file, read)),
        None => None,
    };
    let is_page = path
        .rsplit('/')
        .next()
        .is_some_and(|last| !last.contains('.'));
    let (file, (bytes, encoding)) = match found {
        Some(found) => found,
        None if is_page => match page_of(dir, path, accepted).await {
            Some(found) => found,
            None => return not_found(),
        },
        None => return not_found(),
    };
    let hash = blake3::hash(&bytes).to_hex();
    let tag = format!("\"{}\"", &hash[..32]);
    let immutable = path.trim_start_matches('/').split('/').next() == Some(IMMUTABLE);
    let cache = if immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let same = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(bytes))
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, content_type(&file)),
        (header::CACHE_CONTROL, cache),
        (header::VARY, "accept-encoding"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin-allow-popups",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let made = [
        (header::ETAG, tag),
        (header::CONTENT_SECURITY_POLICY, security_policy(config)),
    ];
    for (name, value) in made {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            app_rpc_url: Some("https://rpc.example.com/path?key=1".into()),
            peers: vec!["http://127.0.0.1:1".into(), "bad; script-src *".into()],
            allowed_origins: vec!["https://app.example.com".into()],
            ..Config::default()
        }
    }

    async fn ask(
        dir: &Path,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        let (parts, body) = serve(&config(), dir, path, &headers).await.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, body.to_vec())
    }

    #[tokio::test]
    async fn files_are_served_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("dist");
        std::fs::create_dir_all(dir.join("assets")).unwrap();
        std::fs::write(outer.path().join("secret.txt"), "secret").unwrap();
        std::fs::write(dir.join(".hidden"), "secret").unwrap();
        std::fs::write(dir.join("index.html"), "index").unwrap();
        std::fs::create_dir_all(dir.join("worker")).unwrap();
        std::fs::write(dir.join("worker.html"), "worker").unwrap();
        std::fs::write(dir.join("worker/any.html"), "any of worker").unwrap();
        std::fs::write(dir.join("assets/a-1.js"), "js").unwrap();
        std::fs::write(dir.join("assets/a-1.js.br"), "brotli").unwrap();

        for page in ["/", "/cloud", "/cloud/jobs/abc", "/explorer/"] {
            let (status, headers, body) = ask(&dir, page, &[]).await;
            assert_eq!(
                (status, body.as_slice()),
                (StatusCode::OK, b"index".as_slice()),
                "{page}"
            );
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(
                policy.contains("connect-src 'self' https://rpc.example.com http://127.0.0.1:1;"),
                "{policy}"
            );
        }
        for (page, expected) in [
            ("/worker", "worker"),
            ("/worker/", "worker"),
            ("/worker/stake", "any of worker"),
            ("/worker/a/b/c/d/e", "any of worker"),
            ("/workers", "index"),
        ] {
            let (status, headers, body) = ask(&dir, page, &[]).await;
            assert_eq!(
                (status, body.as_slice()),
                (StatusCode::OK, expected.as_bytes()),
                "{page}"
            );
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        }
        std::fs::write(dir.join("home.html"), "home").unwrap();
        assert_eq!(ask(&dir, "/", &[]).await.2, b"home");
        let (_, headers, body) = ask(&dir, "/assets/a-1.js", &[]).await;
        assert_eq!(body, b"js");
        assert_eq!(
            headers[header::CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
        assert!(
            headers[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let tag = headers[header::ETAG].to_str().unwrap();
        let (status, _, body) = ask(&dir, "/assets/a-1.js", &[(header::IF_NONE_MATCH, tag)]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        let (_, headers, body) = ask(
            &dir,
            "/assets/a-1.js",
            &[(header::ACCEPT_ENCODING, "gzip, br;q=0.9")],
        )
        .await;
        assert_eq!(body, b"brotli");
        assert_eq!(headers[header::CONTENT_ENCODING], "br");

        for path in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/.hidden",
            "/assets/../../secret.txt",
            "/assets//a-1.js",
            "/a/b/c/d/e.js",
            "/nothing.js",
        ] {
            assert_eq!(
                ask(&dir, path, &[]).await.0,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }

    /// What is asked for as a page is looked for under names made from the path: none of them lies beside the folder.
    #[tokio::test]
    async fn no_page_leads_out_of_the_folder() {
        // A name that is not hidden: a path that names it is refused for nothing else.
        let outer = tempfile::Builder::new().prefix("app").tempdir().unwrap();
        let dir = outer.path().join("dist");
        std::fs::create_dir_all(dir.join("worker")).unwrap();
        std::fs::write(dir.join("index.html"), "index").unwrap();
        std::fs::write(dir.join("worker/any.html"), "any of worker").unwrap();
        // The same names that a page is looked for under.
        std::fs::create_dir_all(outer.path().join("secret")).unwrap();
        for secret in ["secret.html", "any.html", "index.html", "secret/any.html"] {
            std::fs::write(outer.path().join(secret), "secret").unwrap();
        }
        let absolute = outer.path().join("secret").display().to_string();
        let slashes = format!("/{absolute}");
        let encoded = absolute.replace('/', "%2f");
        for page in [
            "/../secret",
            "/..",
            "/../",
            "/%2e%2e/secret",
            "/%2E%2E/secret",
            "/..%2fsecret",
            "/..%5csecret",
            "/..\\secret",
            "/./../secret",
            "//../secret",
            "/x/../../secret",
            "/worker/../../secret",
            "/secret",
            &absolute,
            &slashes,
            &encoded,
        ] {
            let (status, _, body) = ask(&dir, page, &[]).await;
            // A last part with a dot is a file's name, and there is none.
            let expected = match page.rsplit('/').next().unwrap().contains('.') {
                true => (StatusCode::NOT_FOUND, None),
                false if page.starts_with("/worker/") => (StatusCode::OK, Some("any of worker")),
                false => (StatusCode::OK, Some("index")),
            };
            let body = String::from_utf8(body).unwrap();
            assert_eq!(status, expected.0, "{page}");
            if let Some(expected) = expected.1 {
                assert_eq!(body, expected, "{page}");
            }
            assert!(!body.contains("secret"), "{page}: {body}");
        }
    }

    #[test]
    fn only_named_origins_share_and_only_the_api() {
        let asks = |path: &str, origin: &str| {
            let headers =
                HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_str(origin).unwrap())]);
            allowed_origin(&config(), path, &headers).is_some()
        };
        assert!(asks("/v1/jobs", "https://app.example.com"));
        for (path, origin) in [
            ("/metrics", "https://app.example.com"),
            ("/v1/jobs", "https://app.example.com.evil.org"),
            ("/v1/jobs", "http://app.example.com"),
            ("/v1/jobs", "null"),
        ] {
            assert!(!asks(path, origin), "{path} {origin}");
        }
    }

    #[test]
    fn an_origin_is_the_beginning_of_an_address() {
        assert_eq!(
            origin_of("http://127.0.0.1:8899"),
            Some("http://127.0.0.1:8899")
        );
        assert_eq!(origin_of("https://a.b/c?d"), Some("https://a.b"));
        for bad in [
            "",
            "ftp://a",
            "http://",
            "https://a b",
            "https://a;b",
            "a.b",
            "https://*",
        ] {
            assert_eq!(origin_of(bad), None, "{bad}");
        }
    }
}

//! Refusals: an [`ApiError`] with its status.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use io_api::{auth::AuthError, types::ApiError};

use crate::blobs::StoreError;

/// An answer that is not a success.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub error: ApiError,
}

impl Refusal {
    pub fn new(
        status: StatusCode,
        code: &str,
        message: impl Into<String>,
        hint: Option<&str>,
    ) -> Self {
        let error = ApiError {
            code: code.to_owned(),
            message: message.into(),
            hint: hint.map(str::to_owned),
        };
        Self { status, error }
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message, None)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message, None)
    }

    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message, None)
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, None)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            message,
            Some("try again in a few seconds"),
        )
    }

    pub fn conflict(message: impl Into<String>, hint: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message, Some(hint))
    }

    pub fn rate_limited() -> Self {
        let hint = Some("wait a second, and send fewer at once");
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "too many requests",
            hint,
        )
    }

    /// What went wrong inside is logged, not told.
    pub fn internal(error: &anyhow::Error) -> Self {
        tracing::error!(error = %format!("{error:#}"), "a request failed");
        let message = "this oracle failed to answer; its log says why";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            message,
            Some("try again, or ask another oracle"),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // Strings only: it always serialises.
        let body = serde_json::to_vec(&self.error).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::unauthorized(error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound(_) => Self::not_found(message),
            StoreError::TooLarge { .. } | StoreError::BeyondSize { .. } => Self::too_large(message),
            StoreError::UploaderFull { .. } | StoreError::Full { .. } => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "too_large",
                message,
                Some("upload to another oracle, or later"),
            ),
            StoreError::TooManyPartials(_) => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                message,
                Some("finish uploads that were begun"),
            ),
            StoreError::WrongOffset { .. } => {
                Self::conflict(message, "go on at the offset that /status says")
            }
            StoreError::OtherSize { .. } => {
                Self::conflict(message, "go on with that size, or begin again at offset 0")
            }
            StoreError::EmptyPart => Self::bad(message),
            StoreError::WrongHash { .. } => {
                let hint = Some(
                    "the upload was thrown away: check the file and its hash, and begin again",
                );
                Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "bad_request",
                    message,
                    hint,
                )
            }
            StoreError::Damaged(_) => Self::unavailable(message),
            StoreError::Io(error) => Self::internal(&error),
        }
    }
}

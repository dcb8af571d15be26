//! The strict bank: TLS with a test authority, certificates demanded, signatures checked.
//!
//! Pages stay open to any browser, as at real banks; what a third party calls wants a certificate of
//! the authority and requests signed as each façade's flavour demands.

mod authority;
mod gate;
mod listener;
mod signature;

use std::io;
use std::sync::Arc;

use axum::middleware;
use tokio::net::TcpListener;

pub use self::authority::{Life, TestAuthority};

use crate::bank::Bank;
use crate::router;
use crate::tls::gate::Gate;
use crate::tls::listener::{Presented, TlsListener};

/// Serves a bank strictly until `end` comes to pass. The bank's `base_url` must be `https`.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve_strictly(
    listener: TcpListener,
    bank: Arc<Bank>,
    authority: Arc<TestAuthority>,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let tls = TlsListener::new(listener, &authority, &bank)?;
    let gate = Arc::new(Gate {
        bank: Arc::clone(&bank),
        authority,
    });
    let app = router(bank)
        .layer(middleware::from_fn_with_state(gate, gate::pass))
        .into_make_service_with_connect_info::<Presented>();
    axum::serve(tls, app).with_graceful_shutdown(end).await
}

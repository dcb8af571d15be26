//! Randomness for ids, states and tokens.

use passerelle_domain::private::Private;
use ring::rand::{SecureRandom, SystemRandom};

/// Fresh bytes from the operating system.
///
/// The system's source fails only where there is none at all. A process in that condition must not
/// go on, because whatever it made next (a `state`, a token, an id) could be guessed; so it ends at
/// once instead of unwinding, and the platform starts another.
#[must_use]
pub fn entropy<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// 256 bits in 64 unreserved characters: a `state`, a PKCE verifier, a cookie.
#[must_use]
pub fn fresh_secret() -> Private {
    let digits: String = entropy::<32>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Private::new(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(entropy::<16>(), entropy::<16>());
        assert_ne!(fresh_secret(), fresh_secret());
        assert_eq!(fresh_secret().expose().len(), 64);
    }
}

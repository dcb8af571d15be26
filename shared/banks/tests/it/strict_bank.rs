//! The sandbox bank behind TLS, demanding certificates and signatures, and the keys to it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use passerelle_banks::{
    AispCertificates, AuthorisationRequest, BankError, BankSettings, Banks, Connector, Onboarded,
    OpenToken,
};
use passerelle_domain::Date;
use passerelle_domain::call_budget::{AttendedPsu, PsuPresence};
use passerelle_domain::keys::{Hash, Kept, KeyHolder, KeyHolderError};
use passerelle_domain::private::Private;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use sandbox_bank::{Bank, Life, TestAuthority, serve_strictly};
use url::Url;

use crate::sandbox::{TestClock, context, decide_with};

pub const CLIENT_ID: &str = "PSDFR-ACPR-12345";

/// In force on the day the tests play.
pub const IN_FORCE: Life = Life {
    from: Date::constant(2026, 1, 1),
    until: Date::constant(2027, 6, 1),
};

/// Over since that morning.
pub const OVER: Life = Life {
    from: Date::constant(2026, 1, 1),
    until: Date::constant(2026, 11, 22),
};

/// Secrets by name, and a key that signs without being given away.
#[derive(Debug, Default)]
pub struct Safe {
    pub secrets: Mutex<BTreeMap<String, String>>,
    /// PEM of the key that is held.
    pub held: Option<String>,
}

impl Safe {
    pub fn put(&self, name: &str, pem: String) {
        self.secrets.lock().unwrap().insert(name.to_owned(), pem);
    }
}

impl KeyHolder for Safe {
    fn secret<'a>(&'a self, name: &'a str) -> Kept<'a, Private> {
        Box::pin(async move {
            let secrets = self.secrets.lock().unwrap();
            secrets
                .get(name)
                .map(Private::new)
                .ok_or_else(|| KeyHolderError::passing("the safe is closed"))
        })
    }

    fn sign<'a>(&'a self, key: &'a str, hash: Hash, message: &'a [u8]) -> Kept<'a, Vec<u8>> {
        Box::pin(async move {
            assert_eq!(key, "held-key");
            let pem = self.held.as_deref().unwrap();
            let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
            let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
            let padding = match hash {
                Hash::Sha256 => &RSA_PKCS1_SHA256,
                Hash::Sha512 => &RSA_PKCS1_SHA512,
            };
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                .unwrap();
            Ok(signature)
        })
    }
}

/// A strict bank and what opens it.
pub struct StrictBank {
    pub clock: TestClock,
    pub authority: Arc<TestAuthority>,
    pub base: Url,
}

impl StrictBank {
    pub async fn open() -> Self {
        let clock = TestClock::new();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let base: Url = format!("https://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let bank_clock = clock.clone();
        let bank = Bank::new(sandbox_bank::BankSettings {
            base_url: base.clone(),
            seed: 7,
            clock: Arc::new(move || bank_clock.now()),
            personae: None,
            state: None,
        })
        .unwrap();
        let authority = Arc::new(TestAuthority::new().unwrap());
        let served = serve_strictly(
            listener,
            Arc::new(bank),
            Arc::clone(&authority),
            std::future::pending(),
        );
        tokio::spawn(served);
        Self {
            clock,
            authority,
            base,
        }
    }

    /// A safe with a QWAC and a QSealC of the bank's authority.
    pub fn safe(&self) -> Safe {
        let safe = Safe::default();
        safe.put("qwac", self.authority.qwac(CLIENT_ID, IN_FORCE).unwrap());
        safe.put("qseal", self.authority.qseal(CLIENT_ID, IN_FORCE).unwrap());
        safe
    }

    /// Both certificates, out of a safe.
    pub fn certificates(&self, safe: Safe) -> AispCertificates {
        self.certificates_of(Arc::new(safe))
    }

    pub fn certificates_of(&self, safe: Arc<Safe>) -> AispCertificates {
        let clock = self.clock.clone();
        AispCertificates {
            qwac: Some("qwac".to_owned()),
            qseal: Some("qseal".to_owned()),
            qseal_key: None,
            qseal_url: Some("https://aisp.example/qseal.cer".parse().unwrap()),
            holder: safe,
            clock: Arc::new(move || clock.now()),
        }
    }

    pub fn connector(
        &self,
        institution: &str,
        certificates: AispCertificates,
    ) -> Arc<dyn Connector> {
        self.connector_trusting(institution, certificates, Some(self.authority.pem()))
    }

    pub fn connector_trusting(
        &self,
        institution: &str,
        certificates: AispCertificates,
        authority: Option<String>,
    ) -> Arc<dyn Connector> {
        connector_at(&self.base, institution, certificates, authority)
    }

    pub fn psu(&self) -> AttendedPsu {
        AttendedPsu {
            ip_address: "192.0.2.7".parse().unwrap(),
            user_agent: Some("Mozilla/5.0".to_owned()),
            until: self.clock.now(),
        }
    }

    pub fn attended(&self) -> PsuPresence {
        PsuPresence::Attended(self.psu())
    }

    pub fn request(&self) -> AuthorisationRequest {
        AuthorisationRequest {
            state: Private::new("state-0123456789"),
            code_verifier: Private::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            redirect_uri: "https://insurer.example/v1/callback/a1?x=1"
                .parse()
                .unwrap(),
            psu: self.psu(),
            valid_until: Date::constant(2027, 2, 20),
            context: context(),
            now: self.clock.now(),
        }
    }

    /// A client that trusts the authority and shows a certificate, or none.
    pub fn client(&self, qwac: Option<&str>) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only([root]);
        if let Some(pem) = qwac {
            client = client.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
        }
        client.build().unwrap()
    }

    /// The whole way to tokens. The person's browser shows no certificate.
    pub async fn connect(&self, connector: &dyn Connector) -> Result<OpenToken, BankError> {
        let started = connector.start_authorisation(&self.request()).await?;
        let browser = self.client(None);
        let back = decide_with(&browser, started.way.href, "camille.martin", "approve").await;
        connector
            .exchange_code(
                &started.secrets,
                Some(&back.code.unwrap()),
                back.issuer.as_deref(),
                &context(),
                self.clock.now(),
            )
            .await
    }

    /// The same where the consent itself is the access: nothing comes back but the person.
    pub async fn connect_without_code(&self, connector: &dyn Connector) -> OpenToken {
        let started = connector
            .start_authorisation(&self.request())
            .await
            .unwrap();
        let browser = self.client(None);
        decide_with(&browser, started.way.href, "camille.martin", "approve").await;
        let now = self.clock.now();
        connector
            .exchange_code(&started.secrets, None, None, &context(), now)
            .await
            .unwrap()
    }
}

/// The way to one institution of the bank at an address.
pub fn connector_at(
    base: &Url,
    institution: &str,
    certificates: AispCertificates,
    authority: Option<String>,
) -> Arc<dyn Connector> {
    let banks = Banks::new(BankSettings {
        sandbox_bank_url: Some(base.clone()),
        sandbox_bank_authority: authority,
        aggregator: None,
        aggregator_secret: None,
        onboarded: Onboarded::default(),
        client_id: CLIENT_ID.to_owned(),
        certificates,
    })
    .unwrap();
    banks.connector(&institution.parse().unwrap()).unwrap()
}

//! A third party of the strict bank: shows its certificate, seals its calls, and sends them over a
//! connection of its own.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sandbox_bank::{Bank, BankSettings, Life, TestAuthority, serve_strictly};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::visitor::Answer;

const LIFE: Life = Life {
    from: Date::constant(2026, 1, 1),
    until: Date::constant(2028, 1, 1),
};

/// A strict bank, open.
pub struct StrictBank {
    address: SocketAddr,
    authority: Arc<TestAuthority>,
    now: Arc<AtomicI64>,
}

/// What its authority gave a third party.
pub struct ThirdParty {
    pub client_id: &'static str,
    pub qwac: String,
    pub qseal: String,
}

impl StrictBank {
    pub async fn open() -> Self {
        let start: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let now = Arc::new(AtomicI64::new(start.as_second()));
        let clock = Arc::clone(&now);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let bank = Bank::new(BankSettings {
            base_url: format!("https://{address}").parse().unwrap(),
            seed: 1,
            clock: Arc::new(move || Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap()),
            personae: None,
            state: None,
        })
        .unwrap();
        let authority = Arc::new(TestAuthority::new().unwrap());
        tokio::spawn(serve_strictly(
            listener,
            Arc::new(bank),
            Arc::clone(&authority),
            std::future::pending(),
        ));
        Self {
            address,
            authority,
            now,
        }
    }

    pub fn third_party(&self, client_id: &'static str) -> ThirdParty {
        ThirdParty {
            client_id,
            qwac: self.authority.qwac(client_id, LIFE).unwrap(),
            qseal: self.authority.qseal(client_id, LIFE).unwrap(),
        }
    }

    fn date(&self) -> String {
        let now = Timestamp::from_second(self.now.load(Ordering::SeqCst)).unwrap();
        now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Sends one call with the certificate of a third party, or as a browser.
    pub async fn send(
        &self,
        shown: Option<&ThirdParty>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let path = path.trim_start_matches(&format!("https://{}", self.address));
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        write!(text, "\r\n{body}").unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = Ipv4Addr::LOCALHOST.to_string().try_into().unwrap();
        let connector = TlsConnector::from(Arc::new(self.config(shown)));
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        // The bank may close without a farewell once everything was said.
        let _ = stream.read_to_end(&mut read).await;
        answer(&String::from_utf8(read).unwrap())
    }

    fn config(&self, shown: Option<&ThirdParty>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let authority = self.authority.pem();
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let Some(party) = shown else {
            return config.with_no_client_auth();
        };
        let certificate = CertificateDer::from_pem_slice(party.qwac.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(party.qwac.as_bytes()).unwrap();
        config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    }

    /// A call of account data, signed as the façade's flavour demands.
    pub async fn call(
        &self,
        party: &ThirdParty,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let seal = CertificateDer::from_pem_slice(party.qseal.as_bytes()).unwrap();
        let digested = format!(
            "SHA-256={}",
            STANDARD.encode(digest(&SHA256, body.as_bytes()))
        );
        let (date, host) = (self.date(), self.address.to_string());
        let certificate = STANDARD.encode(&seal);
        let target = format!("{} {path}", method.to_lowercase());
        let fingerprint = hex::encode(digest(&SHA256, &seal));
        let mut headers = vec![
            ("x-request-id", "99391c7e-ad88-49ec-a2ad-99ddcb1f7721"),
            ("digest", &digested),
            ("date", &date),
        ];
        headers.extend_from_slice(more);
        let (key_id, signed): (String, &[&str]) = if path.starts_with("/stet/v1.4") {
            (
                "https://aisp.example/qseal.cer".to_owned(),
                &["host", "date", "x-request-id"],
            )
        } else if path.starts_with("/stet") {
            (
                format!("https://aisp.example/qseal.cer_{fingerprint}"),
                &["(request-target)", "digest", "date", "content-length"],
            )
        } else {
            headers.push(("tpp-signature-certificate", &certificate));
            let serial =
                hex::encode_upper(webpki::EndEntityCert::try_from(&seal).unwrap().serial());
            let serial = serial.trim_start_matches("00");
            (
                format!("SN={serial},CA=CN=Sandbox"),
                match more.iter().any(|(name, _)| *name == "tpp-redirect-uri") {
                    true => &["digest", "x-request-id", "tpp-redirect-uri"],
                    false => &["digest", "x-request-id"],
                },
            )
        };
        let length = body.len().to_string();
        let lines: Vec<String> = signed
            .iter()
            .map(|name| {
                let value = match *name {
                    "(request-target)" => &target,
                    "host" => &host,
                    "content-length" => &length,
                    name => headers.iter().find(|(known, _)| *known == name).unwrap().1,
                };
                format!("{name}: {value}")
            })
            .collect();
        let signature = format!(
            "keyId=\"{key_id}\",algorithm=\"rsa-sha256\",headers=\"{}\",signature=\"{}\"",
            signed.join(" "),
            STANDARD.encode(sign(&party.qseal, lines.join("\n").as_bytes()))
        );
        headers.push(("signature", &signature));
        self.send(Some(party), method, path, &headers, body).await
    }
}

fn sign(pem: &str, message: &[u8]) -> Vec<u8> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .unwrap();
    signature
}

fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    Answer {
        status,
        location: location.unwrap_or_default().to_owned(),
        text: body.to_owned(),
    }
}

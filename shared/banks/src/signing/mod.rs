//! Signed requests: HTTP signatures in the draft-cavage form PSD2 banks ask for, made with the QSealC.
//!
//! What is signed is each bank's own choice (`signature_profiles.toml`). The body is serialised once:
//! the bytes that are digested are the bytes that are sent.

mod profile;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use passerelle_domain::keys::Hash;
use reqwest::Request;
use reqwest::header::{CONTENT_LENGTH, DATE, HOST, HeaderMap, HeaderName, HeaderValue};

pub(crate) use self::profile::SignatureProfile;

use crate::error::BankError;
use crate::identity::Seal;

const DIGEST: HeaderName = HeaderName::from_static("digest");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const CERTIFICATE: HeaderName = HeaderName::from_static("tpp-signature-certificate");

/// The name by which a signature covers method, path and query.
const REQUEST_TARGET: &str = "(request-target)";

impl SignatureProfile {
    /// Adds what the bank wants to see and signs the request, which must be otherwise complete.
    ///
    /// # Errors
    /// [`BankError`] when the key does not sign, or a header that has to be signed is missing.
    pub(crate) async fn sign(
        &self,
        request: &mut Request,
        seal: &Seal,
        now: Timestamp,
    ) -> Result<(), BankError> {
        self.complete(request, seal, now)?;
        let names = self.signed_headers(request.headers());
        let text = signing_text(request, &names)?;
        let signature = seal.sign(self.hash, text.as_bytes()).await?;
        let value = format!(
            r#"keyId="{}",algorithm="{}",headers="{}",signature="{}""#,
            self.key_id(seal)?,
            self.algorithm(),
            names.join(" "),
            STANDARD.encode(signature),
        );
        request.headers_mut().insert(SIGNATURE, header(&value)?);
        Ok(())
    }

    /// Puts in what is to be signed and is not there yet.
    fn complete(
        &self,
        request: &mut Request,
        seal: &Seal,
        now: Timestamp,
    ) -> Result<(), BankError> {
        let body = request
            .body()
            .map(|body| body.as_bytes().unwrap_or_default());
        let digest = digest(self.digest, body.unwrap_or_default());
        let length = body.map(<[u8]>::len);
        let host = host(request)?;
        let always = |name: HeaderName| self.always.iter().any(|listed| name == listed.as_str());
        let when_present = |name: HeaderName| {
            self.when_present
                .iter()
                .any(|listed| name == listed.as_str())
        };
        let headers = request.headers_mut();
        if always(DIGEST) || (when_present(DIGEST) && length.is_some()) {
            headers.insert(DIGEST, header(&digest)?);
        }
        if always(DATE) {
            let date = DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&now)
                .map_err(|_| BankError::Settings("the clock shows no date HTTP knows"))?;
            headers.insert(DATE, header(&date)?);
        }
        if always(HOST) {
            headers.insert(HOST, header(&host)?);
        }
        if let Some(length) = length.filter(|_| when_present(CONTENT_LENGTH)) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if self.certificate_header {
            let certificate = STANDARD.encode(&seal.certificate().der);
            headers.insert(CERTIFICATE, header(&certificate)?);
        }
        Ok(())
    }

    /// The names a signature of these headers covers, in its order.
    fn signed_headers(&self, headers: &HeaderMap) -> Vec<String> {
        let mut names = self.always.clone();
        for listed in &self.when_present {
            match listed.strip_suffix('*') {
                Some(beginning) => {
                    let mut found: Vec<String> = headers
                        .keys()
                        .map(|name| name.as_str().to_owned())
                        .filter(|name| name.starts_with(beginning))
                        .collect();
                    found.sort_unstable();
                    names.extend(found);
                }
                None if headers.contains_key(listed) => names.push(listed.clone()),
                None => {}
            }
        }
        names
    }
}

/// RFC 3230: the algorithm and the digest of the body's exact bytes.
fn digest(hash: Hash, body: &[u8]) -> String {
    let name = match hash {
        Hash::Sha256 => "SHA-256",
        Hash::Sha512 => "SHA-512",
    };
    format!("{name}={}", STANDARD.encode(hash.of(body)))
}

/// The `Host` header as HTTP/1.1 sends it: the port only where it is not the scheme's own.
fn host(request: &Request) -> Result<String, BankError> {
    let url = request.url();
    let name = url
        .host_str()
        .ok_or(BankError::Settings("a bank's address has no host"))?;
    Ok(match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    })
}

/// `name: value` lines, joined by a line feed, none at the end.
fn signing_text(request: &Request, names: &[String]) -> Result<String, BankError> {
    let lines: Result<Vec<String>, BankError> = names
        .iter()
        .map(|name| {
            let value = if name == REQUEST_TARGET {
                target(request)
            } else {
                value_of(request.headers(), name)?
            };
            Ok(format!("{name}: {value}"))
        })
        .collect();
    Ok(lines?.join("\n"))
}

fn target(request: &Request) -> String {
    let url = request.url();
    let method = request.method().as_str().to_lowercase();
    match url.query() {
        Some(query) => format!("{method} {}?{query}", url.path()),
        None => format!("{method} {}", url.path()),
    }
}

fn value_of(headers: &HeaderMap, name: &str) -> Result<String, BankError> {
    let values: Result<Vec<&str>, _> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::to_str)
        .collect();
    let values =
        values.map_err(|_| BankError::Settings("a header to be signed is not plain text"))?;
    if values.is_empty() {
        return Err(BankError::Settings(
            "a header that has to be signed is missing",
        ));
    }
    Ok(values
        .iter()
        .map(|value| value.trim())
        .collect::<Vec<_>>()
        .join(", "))
}

fn header(text: &str) -> Result<HeaderValue, BankError> {
    HeaderValue::try_from(text)
        .map_err(|_| BankError::Settings("what a signature is made of fits no header"))
}

#[cfg(test)]
mod tests {
    use reqwest::{Method, Url};

    use super::*;

    fn request(method: Method, url: &str) -> Request {
        let mut request = Request::new(method, Url::parse(url).unwrap());
        let headers = request.headers_mut();
        headers.insert("x-request-id", HeaderValue::from_static("r-1"));
        headers.insert("psu-user-agent", HeaderValue::from_static("Mozilla"));
        headers.insert("psu-ip-address", HeaderValue::from_static("192.0.2.7"));
        headers.insert("authorization", HeaderValue::from_static("Bearer secret"));
        request
    }

    #[test]
    fn an_empty_body_has_the_digest_everybody_knows() {
        assert_eq!(
            digest(Hash::Sha256, b""),
            "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
        assert!(digest(Hash::Sha512, b"").starts_with("SHA-512=z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXc"));
    }

    #[test]
    fn the_text_is_lines_in_the_order_of_the_names() {
        let request = request(
            Method::GET,
            "https://bank.example/v1/accounts?withBalance=true",
        );
        let names = ["(request-target)", "x-request-id"].map(str::to_owned);
        assert_eq!(
            signing_text(&request, &names).unwrap(),
            "(request-target): get /v1/accounts?withBalance=true\nx-request-id: r-1"
        );
    }

    #[test]
    fn the_person_is_signed_for_in_alphabetical_order_and_the_token_never() {
        let profile = SignatureProfile::named("stet").unwrap();
        let request = request(Method::GET, "https://bank.example/v1/accounts");
        assert_eq!(
            profile.signed_headers(request.headers()).join(" "),
            "(request-target) date digest x-request-id psu-ip-address psu-user-agent"
        );
    }

    #[test]
    fn a_header_that_has_to_be_signed_cannot_be_forgotten() {
        let request = request(Method::GET, "https://bank.example/");
        assert!(signing_text(&request, &["date".to_owned()]).is_err());
    }

    #[test]
    fn the_host_names_its_port_only_where_it_is_unusual() {
        for (url, expected) in [
            ("https://bank.example/x", "bank.example"),
            ("https://bank.example:443/x", "bank.example"),
            ("https://bank.example:8443/x", "bank.example:8443"),
        ] {
            assert_eq!(host(&request(Method::GET, url)).unwrap(), expected);
        }
    }
}

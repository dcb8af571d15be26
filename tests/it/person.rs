//! A person with a browser: cookies, redirects, links and forms, and nothing the pages do not give.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, redirect};
use url::Url;

/// What the person sees.
#[derive(Debug, Clone)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub html: String,
}

impl Page {
    /// The address of the first link or form whose text or address holds `part`.
    pub fn link(&self, part: &str) -> Url {
        let found = ["href=\"", "action=\""].iter().find_map(|attribute| {
            let values = self.html.split(attribute).skip(1);
            values
                .filter_map(|rest| rest.split('"').next())
                .find(|value| value.contains(part))
        });
        let found = found.unwrap_or_else(|| panic!("no link with {part:?} on {}", self.html));
        self.url.join(&unescape(found)).expect("a link")
    }

    /// The values of every input of a name.
    pub fn inputs(&self, name: &str) -> Vec<String> {
        let start = format!("name=\"{name}\"");
        let inputs = self
            .html
            .split("<input")
            .skip(1)
            .filter_map(|rest| rest.split('>').next());
        inputs
            .filter(|input| input.contains(&start))
            .filter_map(|input| input.split("value=\"").nth(1)?.split('"').next())
            .map(unescape)
            .collect()
    }

    /// The hidden fields of the first form whose address holds `part`.
    fn hidden_fields(&self, part: &str) -> Vec<(String, String)> {
        let forms = self.html.split("<form").skip(1);
        let form = forms
            .filter_map(|rest| rest.split("</form>").next())
            .find(|form| {
                let action = form.split("action=\"").nth(1);
                action.is_some_and(|it| it.split('"').next().unwrap_or_default().contains(part))
            });
        let inputs = form.unwrap_or_default().split("<input").skip(1);
        let hidden = inputs.filter(|input| input.contains("type=\"hidden\""));
        let attribute = |input: &str, name: &str| {
            let value = input.split(&format!("{name}=\"")).nth(1)?;
            Some(unescape(value.split('"').next()?))
        };
        hidden
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)))
            .collect()
    }

    /// The one heading.
    pub fn heading(&self) -> String {
        let rest = self.html.split("<h1").nth(1).unwrap_or_default();
        let text = rest
            .split_once('>')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        unescape(text.split('<').next().unwrap_or_default().trim())
    }
}

fn unescape(text: &str) -> String {
    text.replace("&#38;", "&")
        .replace("&amp;", "&")
        .replace("&#x27;", "'")
        .replace("&#39;", "'")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
}

/// An HTTP client that follows nothing by itself.
pub fn client() -> Client {
    // The suite does it too, but it may run in another process. A second time is refused, no matter.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap()
}

/// A browser.
#[derive(Debug, Clone)]
pub struct Person {
    http: Client,
    cookies: BTreeMap<String, String>,
}

impl Person {
    pub fn new() -> Self {
        let http = client();
        Self {
            http,
            cookies: BTreeMap::new(),
        }
    }

    /// Opens an address and follows where it leads.
    pub async fn open(&mut self, url: impl AsRef<str>) -> Page {
        let url: Url = url.as_ref().parse().expect("an address");
        let answer = self.send(self.http.get(url.clone())).await;
        self.follow(url, answer).await
    }

    /// Opens an address and stops there, wherever it leads: as when the machine dies right after.
    pub async fn open_and_hold(&mut self, url: impl AsRef<str>) -> Option<Url> {
        let url: Url = url.as_ref().parse().expect("an address");
        let answer = self.send(self.http.get(url.clone())).await;
        let location = answer.headers().get(LOCATION)?.to_str().ok()?;
        url.join(location).ok()
    }

    /// Opens an address of a server that may die meanwhile; whatever comes back is not looked at.
    pub async fn try_open(&mut self, url: &Url) {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = self.http.get(url.clone());
        let _ = request.header(COOKIE, cookies.join("; ")).send().await;
    }

    /// Sends a form and follows where it leads.
    pub async fn submit(&mut self, url: &Url, fields: &[(&str, &str)]) -> Page {
        let answer = self.send(self.http.post(url.clone()).form(fields)).await;
        self.follow(url.clone(), answer).await
    }

    /// Fills in the form whose address holds `part`, with what it carries along by itself, and sends it.
    pub async fn answer(&mut self, page: &Page, part: &str, fields: &[(&str, &str)]) -> Page {
        let hidden = page.hidden_fields(part);
        let own = hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = own.chain(fields.iter().copied()).collect();
        self.submit(&page.link(part), &all).await
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> String {
        self.cookies[name].clone()
    }

    /// Fetches a file, whatever it answers.
    pub async fn download(&mut self, url: &Url) -> Response {
        self.send(self.http.get(url.clone())).await
    }

    /// Sends a form and stops at the first redirect: where would it lead?
    pub async fn submit_and_hold(&mut self, url: &Url, fields: &[(&str, &str)]) -> Url {
        let answer = self.send(self.http.post(url.clone()).form(fields)).await;
        let location = answer
            .headers()
            .get(LOCATION)
            .expect("a redirect")
            .to_str()
            .unwrap();
        url.join(location).unwrap()
    }

    async fn follow(&mut self, mut url: Url, mut answer: Response) -> Page {
        for _ in 0..10 {
            let Some(location) = answer.headers().get(LOCATION) else {
                let status = answer.status().as_u16();
                return Page {
                    url,
                    status,
                    html: answer.text().await.unwrap(),
                };
            };
            url = url.join(location.to_str().unwrap()).unwrap();
            answer = self.send(self.http.get(url.clone())).await;
        }
        panic!("redirected without end at {url}");
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = match cookies.is_empty() {
            true => request,
            false => request.header(COOKIE, cookies.join("; ")),
        };
        let answer = request
            .header("accept", "text/html")
            .send()
            .await
            .expect("an answer");
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

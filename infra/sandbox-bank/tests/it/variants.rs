//! How banks count accesses and how long their tokens live, each at its person's.

use serde_json::Value;

use crate::visitor::{CHALLENGE, REDIRECT, Visitor, authorize, token_of};

const FORM: &str = "&client_id=PSDFR-ACPR-1";

/// A connection that renews its token whenever it reads.
struct Link {
    bank: Visitor,
    /// Where tokens are: the address before `/token`.
    tokens: &'static str,
    consent: Option<String>,
    grant: Value,
}

impl Link {
    async fn berlin_group(login: &str) -> Self {
        let bank = Visitor::new(None);
        let consent = bank.consent().await;
        let page = authorize(&consent, REDIRECT, CHALLENGE);
        Self::open(bank, "", Some(consent), &page, login).await
    }

    async fn stet(login: &str) -> Self {
        let page = format!(
            "/stet/v1.4/authorize?response_type=code&client_id=PSDFR-ACPR-1&scope=aisp\
             &redirect_uri={REDIRECT}"
        );
        Self::open(Visitor::new(None), "/stet/v1.4", None, &page, login).await
    }

    async fn open(
        bank: Visitor,
        tokens: &'static str,
        consent: Option<String>,
        page: &str,
        login: &str,
    ) -> Self {
        let door = bank.get(page).await.location;
        let form = format!("login={login}&password=sandbox");
        let approval = bank.post_form(&door, &form).await.location;
        let offered = bank.get(&approval).await.text;
        let accounts: String = offered
            .split("name=\"account\" value=\"")
            .skip(1)
            .map(|rest| format!("&account={}", rest.split('"').next().unwrap()))
            .collect();
        let form = format!("sca=123456&decision=approve{accounts}");
        let back = bank.post_form(&approval, &form).await.location;
        let code = token_of(&back, "code");
        let form = format!(
            "grant_type=authorization_code&code={code}{FORM}&redirect_uri={REDIRECT}\
             &code_verifier={}",
            crate::visitor::VERIFIER
        );
        let answer = bank.post_form(&format!("{tokens}/token"), &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Self {
            bank,
            tokens,
            consent,
            grant: answer.json(),
        }
    }

    fn token(&self, name: &str) -> String {
        self.grant[name].as_str().unwrap().to_owned()
    }

    /// What the bank answers to a refresh token.
    async fn renew(&self, token: &str) -> Value {
        let form = format!("grant_type=refresh_token&refresh_token={token}{FORM}");
        let path = format!("{}/token", self.tokens);
        self.bank.post_form(&path, &form).await.json()
    }

    async fn later(&mut self, minutes: i64) {
        self.bank.wait_minutes(minutes);
        self.grant = self.renew(&self.token("refresh_token")).await;
    }

    async fn read(&self, path: &str) -> crate::visitor::Answer {
        let bearer = format!("Bearer {}", self.token("access_token"));
        let mut headers = vec![("authorization", bearer.as_str())];
        if let Some(consent) = &self.consent {
            headers.push(("consent-id", consent));
        }
        let door = match self.consent {
            Some(_) => "/v1",
            None => self.tokens,
        };
        self.bank
            .call("GET", &format!("{door}{path}"), &headers, "")
            .await
    }

    async fn status(&self, path: &str) -> u16 {
        self.read(path).await.status.as_u16()
    }

    /// Reads until the bank refuses.
    async fn allowed(&self, path: &str) -> usize {
        let mut times = 0;
        while self.status(path).await == 200 {
            times += 1;
            assert!(times < 10, "never refused");
        }
        assert_eq!(self.status(path).await, 429);
        times
    }

    async fn resources(&self) -> Vec<String> {
        let listed = self.read("/accounts").await.json();
        let accounts = listed["accounts"].as_array().unwrap().iter();
        accounts
            .map(|account| account["resourceId"].as_str().unwrap().to_owned())
            .collect()
    }
}

const HOUR: i64 = 60;

#[tokio::test]
async fn any_24_hours_do_not_end_at_midnight() {
    for mut link in [
        Link::stet("budget-rolling").await,
        Link::berlin_group("camille.martin").await,
    ] {
        assert_eq!(link.allowed("/accounts").await, 4);
        link.later(15 * HOUR).await;
        assert_eq!(link.status("/accounts").await, 429, "another day already");
        link.later(9 * HOUR).await;
        assert_eq!(link.allowed("/accounts").await, 4);
    }
}

#[tokio::test]
async fn a_calendar_day_ends_at_midnight() {
    for mut link in [
        Link::berlin_group("budget-calendar-day").await,
        Link::stet("camille.martin").await,
    ] {
        assert_eq!(link.allowed("/accounts").await, 4);
        // From 11:00 to 23:59 in Paris.
        link.later(13 * HOUR - 1).await;
        assert_eq!(link.status("/accounts").await, 429);
        link.later(1).await;
        assert_eq!(link.allowed("/accounts").await, 4);
    }
}

#[tokio::test]
async fn resources_are_counted_each_for_itself_unless_the_bank_counts_otherwise() {
    for (login, second_account, another_kind) in [
        ("budget-rolling", 4, 4),
        ("budget-endpoint", 0, 4),
        // The list was one, three balances the rest.
        ("budget-connection", 0, 0),
    ] {
        let link = Link::berlin_group(login).await;
        let resources = link.resources().await;
        assert!(resources.len() > 1, "{login}");
        let balances = |at: usize| format!("/accounts/{}/balances", resources[at]);
        let first = if login == "budget-connection" { 3 } else { 4 };
        assert_eq!(link.allowed(&balances(0)).await, first, "{login}");
        assert_eq!(link.allowed(&balances(1)).await, second_account, "{login}");
        let one = format!("/accounts/{}", resources[0]);
        assert_eq!(link.allowed(&one).await, another_kind, "{login}");
    }
}

#[tokio::test]
async fn a_short_token_is_over_within_a_minute() {
    let mut link = Link::berlin_group("tokens-short").await;
    assert_eq!(link.grant["expires_in"], 60);
    assert_eq!(link.status("/accounts").await, 200);
    link.bank.wait_minutes(1);
    assert_eq!(link.read("/accounts").await.code(), "TOKEN_EXPIRED");
    link.later(0).await;
    assert_eq!(link.status("/accounts").await, 200);
}

#[tokio::test]
async fn a_refresh_token_is_kept_or_changed_as_the_person_shows() {
    for (login, link, kept) in [
        ("tokens-kept", Link::berlin_group("tokens-kept").await, true),
        (
            "tokens-rotating",
            Link::berlin_group("tokens-rotating").await,
            false,
        ),
        ("tokens-kept", Link::stet("tokens-kept").await, true),
        (
            "tokens-rotating",
            Link::stet("tokens-rotating").await,
            false,
        ),
        (
            "nobody in particular",
            Link::berlin_group("camille.martin").await,
            false,
        ),
        (
            "nobody in particular",
            Link::stet("camille.martin").await,
            true,
        ),
    ] {
        let first = link.token("refresh_token");
        let renewed = link.renew(&first).await;
        let at = format!("{login} at {:?}", link.tokens);
        assert_eq!(renewed["refresh_token"] == first.as_str(), kept, "{at}");
        let again = link.renew(&first).await;
        assert_eq!(again["error"] == "invalid_grant", !kept, "{at}: {again}");
    }
}

#[tokio::test]
async fn a_bank_may_renew_nothing_or_not_say_for_how_long() {
    let link = Link::berlin_group("tokens-without-refresh").await;
    assert_eq!(link.grant.get("refresh_token"), None);
    assert_eq!(link.grant["expires_in"], 30 * 24 * 3600);
    link.bank.wait_minutes(30 * 24 * 60 - 1);
    assert_eq!(link.status("/accounts").await, 200);
    link.bank.wait_minutes(1);
    assert_eq!(link.read("/accounts").await.code(), "TOKEN_EXPIRED");

    let link = Link::berlin_group("tokens-unsaid").await;
    assert_eq!(link.grant.get("expires_in"), None);
    assert!(link.grant.get("refresh_token").is_some());
}

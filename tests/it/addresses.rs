//! The address pages are served under, however a deployment writes it.

use passerelle_local::Options;

use crate::house;
use crate::world::{World, connect};

/// A bank compares the return address a person was sent with to the one their code is exchanged for,
/// letter by letter; a cookie and a link are bound to the same address.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_with_a_slash_at_the_end_leads_through_the_whole_journey() {
    let template = std::fs::read_to_string(house::root().join("template.yaml")).unwrap();
    let slashed = template.replace(
        "PUBLIC_URL: !Ref PublicUrl",
        "PUBLIC_URL: !Sub '${PublicUrl}/'",
    );
    assert_ne!(slashed, template);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.yaml");
    std::fs::write(&path, slashed).unwrap();
    let world = World::start(Options {
        template: Some(path),
        ..Options::in_memory()
    })
    .await;
    for function in &world.suite.template().functions {
        let address = function.environment.get("PUBLIC_URL");
        assert!(address.is_none_or(|it| it.ends_with('/')), "{address:?}");
    }
    let api = world.api("cli_demo").await;
    let opened = api.open_consent("customer-0").await;
    let link = opened["journey_url"].as_str().unwrap();
    assert!(
        link.starts_with(&format!("{}/journey/", world.base)),
        "{link}"
    );
    let last = connect(&api, "customer-1", "camille.martin").await;
    assert_eq!(last.status, 200, "{}", last.html);
    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "active", "{connection}");
}

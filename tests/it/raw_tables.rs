//! The two tables as they lie there, sealed values and all.

use serde_json::{Value, json};

use crate::person::client;
use crate::world::World;

/// Every item of a table, as DynamoDB writes it.
pub async fn dump(world: &World, keys: bool) -> Vec<Value> {
    let functions = &world.suite.template().functions;
    let sync = functions.iter().find(|it| it.folder == "sync").unwrap();
    let variable = if keys {
        "KEYS_TABLE_NAME"
    } else {
        "TABLE_NAME"
    };
    let table = &sync.environment[variable];
    let endpoint = world.suite.aws().endpoint().await.unwrap();
    let (mut items, mut from) = (Vec::new(), Value::Null);
    loop {
        let mut request = json!({"TableName": table});
        if !from.is_null() {
            request["ExclusiveStartKey"] = from;
        }
        let answer = client()
            .post(endpoint.clone())
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("content-type", "application/x-amz-json-1.0")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-3/dynamodb/aws4_request, \
                 SignedHeaders=host, Signature=none",
            )
            .body(request.to_string())
            .send()
            .await
            .unwrap();
        let page: Value = answer.json().await.unwrap();
        assert!(page["Items"].is_array(), "{page}");
        items.extend(page["Items"].as_array().unwrap().clone());
        from = page["LastEvaluatedKey"].clone();
        if from.is_null() {
            return items;
        }
    }
}

/// The items of one connection.
pub fn of_connection(items: &[Value], id: &str) -> Vec<Value> {
    let ending = format!("#C#{id}");
    let mine = items
        .iter()
        .filter(|item| item["pk"]["S"].as_str().unwrap().ends_with(&ending));
    mine.cloned().collect()
}

//! Makes what the template asks for, and leaves what is already there.

use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TimeToLiveSpecification,
};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use aws_sdk_sqs::types::QueueAttributeName;
use std::collections::{BTreeMap, BTreeSet};

use super::EmbeddedAws;
use crate::error::LocalError;
use crate::stack::STACK;
use crate::template::{Alias, Index, Queue, Table, Template, WantedKey};

impl EmbeddedAws {
    /// The keys by logical id, made at the first start: symmetric ones to encrypt, P-256 ones to sign.
    ///
    /// # Errors
    /// What KMS refused.
    pub(crate) async fn keys(
        &self,
        wanted: &[WantedKey],
    ) -> Result<BTreeMap<String, String>, LocalError> {
        let kms = self.kms_client();
        let mut ids = BTreeMap::new();
        for WantedKey { logical_id, signs } in wanted {
            // Our own alias remembers which key was made for which resource.
            let alias = format!("alias/{STACK}/{logical_id}");
            let known = kms.describe_key().key_id(&alias).send().await.ok();
            let known = known
                .and_then(|answer| answer.key_metadata)
                .map(|key| key.key_id);
            let id = match known {
                Some(id) => id,
                None => {
                    let (spec, usage) = match signs {
                        true => (KeySpec::EccNistP256, KeyUsageType::SignVerify),
                        false => (KeySpec::SymmetricDefault, KeyUsageType::EncryptDecrypt),
                    };
                    let made = kms
                        .create_key()
                        .key_spec(spec)
                        .key_usage(usage)
                        .send()
                        .await
                        .map_err(|error| refused("KMS", "CreateKey", &error))?;
                    let id = made.key_metadata.map(|key| key.key_id).unwrap_or_default();
                    self.name_key(&alias, &id).await?;
                    id
                }
            };
            ids.insert(logical_id.clone(), id);
        }
        Ok(ids)
    }

    /// Tables, indexes, key names and queues of a template.
    ///
    /// # Errors
    /// [`LocalError::SchemaChanged`] for a table stored with another shape, or what a service refused.
    pub(crate) async fn provision(&self, template: &Template) -> Result<(), LocalError> {
        for table in &template.tables {
            self.make_table(table).await?;
        }
        for key in &template.keys {
            let known = matches!(
                (key.spec.as_str(), key.usage.as_str()),
                ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT") | ("ECC_NIST_P256", "SIGN_VERIFY")
            );
            if !known {
                return Err(LocalError::Functions(format!(
                    "key `{}` neither encrypts (symmetric) nor signs (P-256): the local suite makes no others",
                    key.logical_id
                )));
            }
        }
        for Alias { name, key_id } in &template.aliases {
            self.name_key(name, key_id).await?;
        }
        // A redrive policy names its target, so the targets come first.
        let (sources, targets): (Vec<_>, Vec<_>) = template
            .queues
            .iter()
            .partition(|queue| queue.redrive.is_some());
        for queue in targets.into_iter().chain(sources) {
            self.make_queue(queue).await?;
        }
        Ok(())
    }

    async fn name_key(&self, alias: &str, key_id: &str) -> Result<(), LocalError> {
        let kms = self.kms_client();
        if kms.describe_key().key_id(alias).send().await.is_ok() {
            return Ok(());
        }
        kms.create_alias()
            .alias_name(alias)
            .target_key_id(key_id)
            .send()
            .await
            .map_err(|error| refused("KMS", "CreateAlias", &error))?;
        Ok(())
    }

    async fn make_table(&self, table: &Table) -> Result<(), LocalError> {
        let dynamodb = self.dynamodb_client();
        let stored = dynamodb
            .describe_table()
            .table_name(&table.name)
            .send()
            .await
            .ok();
        if let Some(stored) = stored.and_then(|answer| answer.table) {
            return same_shape(table, &stored);
        }
        let mut request = dynamodb
            .create_table()
            .table_name(&table.name)
            .billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in &table.attributes {
            request = request.attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name(name)
                    .attribute_type(ScalarAttributeType::from(kind.as_str()))
                    .build()
                    .map_err(|error| unbuildable(&error))?,
            );
        }
        for element in key_schema(&table.keys)? {
            request = request.key_schema(element);
        }
        for index in &table.indexes {
            request = request.global_secondary_indexes(secondary_index(index)?);
        }
        request
            .send()
            .await
            .map_err(|error| refused("DynamoDB", "CreateTable", &error))?;
        self.set_ttl(table).await
    }

    async fn set_ttl(&self, table: &Table) -> Result<(), LocalError> {
        let Some(attribute) = &table.ttl_attribute else {
            return Ok(());
        };
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(attribute)
            .enabled(true)
            .build()
            .map_err(|error| unbuildable(&error))?;
        self.dynamodb_client()
            .update_time_to_live()
            .table_name(&table.name)
            .time_to_live_specification(specification)
            .send()
            .await
            .map_err(|error| refused("DynamoDB", "UpdateTimeToLive", &error))?;
        Ok(())
    }

    async fn make_queue(&self, queue: &Queue) -> Result<(), LocalError> {
        let mut request = self
            .sqs_client()
            .create_queue()
            .queue_name(&queue.name)
            .attributes(
                QueueAttributeName::VisibilityTimeout,
                queue.visibility_seconds.to_string(),
            )
            .attributes(
                QueueAttributeName::MessageRetentionPeriod,
                queue.retention_seconds.to_string(),
            );
        if let Some(redrive) = &queue.redrive {
            let policy = serde_json::json!({
                "deadLetterTargetArn": redrive.target_arn,
                "maxReceiveCount": redrive.max_receives,
            });
            request = request.attributes(QueueAttributeName::RedrivePolicy, policy.to_string());
        }
        request
            .send()
            .await
            .map_err(|error| refused("SQS", "CreateQueue", &error))?;
        Ok(())
    }
}

fn key_schema(keys: &[String]) -> Result<Vec<KeySchemaElement>, LocalError> {
    keys.iter()
        .zip([KeyType::Hash, KeyType::Range])
        .map(|(name, kind)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
                .map_err(|error| unbuildable(&error))
        })
        .collect()
}

fn secondary_index(index: &Index) -> Result<GlobalSecondaryIndex, LocalError> {
    let projection = Projection::builder()
        .projection_type(ProjectionType::from(index.projection.as_str()))
        .set_non_key_attributes((!index.included.is_empty()).then(|| index.included.clone()))
        .build();
    GlobalSecondaryIndex::builder()
        .index_name(&index.name)
        .set_key_schema(Some(key_schema(&index.keys)?))
        .projection(projection)
        .build()
        .map_err(|error| unbuildable(&error))
}

fn same_shape(table: &Table, stored: &TableDescription) -> Result<(), LocalError> {
    let changed = |difference| LocalError::SchemaChanged {
        table: table.name.clone(),
        difference,
    };
    if names(stored.key_schema()) != table.keys {
        return Err(changed("key schema"));
    }
    let attributes: BTreeSet<(String, String)> = stored
        .attribute_definitions()
        .iter()
        .map(|one| {
            (
                one.attribute_name.clone(),
                one.attribute_type.as_str().to_owned(),
            )
        })
        .collect();
    if attributes != table.attributes.iter().cloned().collect() {
        return Err(changed("set of key attributes"));
    }
    let stored: BTreeSet<_> = stored
        .global_secondary_indexes()
        .iter()
        .map(|one| {
            (
                one.index_name.clone().unwrap_or_default(),
                names(one.key_schema()),
            )
        })
        .collect();
    let wanted = table
        .indexes
        .iter()
        .map(|one| (one.name.clone(), one.keys.clone()))
        .collect();
    if stored != wanted {
        return Err(changed("set of indexes"));
    }
    Ok(())
}

/// Partition key first, as the template reader has it.
fn names(schema: &[KeySchemaElement]) -> Vec<String> {
    let of = |wanted: KeyType| {
        schema
            .iter()
            .filter(move |one| one.key_type == wanted)
            .map(|one| one.attribute_name.clone())
    };
    of(KeyType::Hash).chain(of(KeyType::Range)).collect()
}

fn refused(
    service: &'static str,
    operation: &'static str,
    error: &(impl std::error::Error + 'static),
) -> LocalError {
    LocalError::Embedded {
        service,
        operation,
        reason: DisplayErrorContext(error).to_string(),
    }
}

fn unbuildable(error: &aws_sdk_dynamodb::error::BuildError) -> LocalError {
    LocalError::Embedded {
        service: "DynamoDB",
        operation: "CreateTable",
        reason: error.to_string(),
    }
}

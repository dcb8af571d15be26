//! The Lambda binary: wiring only.

use passerelle_runtime::{Environment, Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(institutions::function(&Environment::from_process())?).await
}

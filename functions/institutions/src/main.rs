//! The Lambda binary: wiring only.

use passerelle_aws::Clients;
use passerelle_runtime::{Environment, Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let environment = Environment::from_process();
    let clients = Clients::from_environment(environment.variables())?;
    run(institutions::function(&environment, &clients)?).await
}

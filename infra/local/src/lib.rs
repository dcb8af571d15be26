//! The whole suite on one machine: reads template.yaml and runs it with an embedded AWS.

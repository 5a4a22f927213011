//! The compose stack itself, where a Docker daemon is at hand: the profile `demo` carries a message both ways.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::harness::Stage;
use e2e::{Outcome, free_port, wait};
use hyper::Method;
use serde_json::{Value, json};
use standins::Client;

use crate::expect;

/// From `up` on an image that is built to the agent's answer at LINE.
const BOTH_WAYS_WITHIN: Duration = Duration::from_secs(120);
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A stack under a name of its own, on free ports. Dropping it takes it down with its volumes.
struct Stack {
    project: String,
    ports: Vec<(&'static str, u16)>,
}

impl Stack {
    fn new() -> Self {
        let names = ["INGRESS_ADDRESS", "STANDINS_ADDRESS", "PROMETHEUS_ADDRESS", "GRAFANA_ADDRESS"];
        let ports = names.map(|name| (name, free_port())).to_vec();
        Self { project: format!("naru-e2e-{}", std::process::id()), ports }
    }

    fn standins(&self) -> String {
        let port = self.ports.iter().find(|(name, _)| *name == "STANDINS_ADDRESS").map(|(_, port)| *port);
        format!("http://127.0.0.1:{}/_standins", port.unwrap_or_default())
    }

    fn compose(&self, arguments: &[&str]) -> Outcome {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/e2e lies two below");
        let output = Command::new("docker")
            .args(["compose", "--project-name", &self.project, "--profile", "demo"])
            .args(arguments)
            .envs(self.ports.iter().map(|(name, port)| (name, format!("127.0.0.1:{port}"))))
            .current_dir(root)
            .output()
            .map_err(|error| format!("docker: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        expect(output.status.success(), format!("docker compose {arguments:?}: {}: {said}", output.status))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A stack that does not go down is still listed by the daemon, under the name of this test.
        let _ = self.compose(&["down", "--volumes", "--timeout", "5"]);
    }
}

/// Builds the image, starts the demo, sends a message and an answer, and scales the processors.
pub(crate) fn carries_both_ways(_stage: &mut Stage) -> Outcome {
    let stack = Stack::new();
    stack.compose(&["build", "ingress"])?;
    let start = Instant::now();
    stack.compose(&["up", "--detach"])?;
    crate::block_on(async {
        let base = stack.standins();
        let left = || BOTH_WAYS_WITHIN.saturating_sub(start.elapsed());
        say(&format!("{base}/line/send"), "from the customer", left()).await?;
        arrive(&format!("{base}/genesys/received"), "from the customer", left()).await?;
        say(&format!("{base}/genesys/send"), "from the agent", left()).await?;
        arrive(&format!("{base}/line/received"), "from the agent", left()).await
    })?;
    stack.compose(&["up", "--detach", "--scale", "processors=3"])
}

/// Has somebody say a text, until the product takes it.
async fn say(url: &str, text: &str, within: Duration) -> Outcome {
    let client = Client::default();
    let body = Bytes::from(json!({ "text": text }).to_string());
    wait::until(&format!("{text:?} to be taken"), within, || {
        let (client, body) = (&client, body.clone());
        async move {
            let json = [("content-type", "application/json")];
            let answer = client.call(Method::POST, url, &json, body, ANSWER_WITHIN).await;
            answer.is_ok_and(|(status, ..)| status == 200).then_some(())
        }
    })
    .await
}

/// Waits until a ledger holds a text.
async fn arrive(url: &str, text: &str, within: Duration) -> Outcome {
    let client = Client::default();
    wait::until(&format!("{text:?} to arrive"), within, || {
        let client = &client;
        async move {
            let (_, _, body) = client.call(Method::GET, url, &[], Bytes::new(), ANSWER_WITHIN).await.ok()?;
            let ledger: Vec<Value> = serde_json::from_slice(&body).ok()?;
            ledger.iter().any(|entry| entry["text"] == text).then_some(())
        }
    })
    .await
}

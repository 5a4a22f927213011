//! A Kafka in a container, by testcontainers.

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::runtime::Runtime;

use crate::{Outcome, free_port};

const IMAGE: &str = "apache/kafka";
const TAG: &str = "4.1.0";
const INSIDE: u16 = 9092;
/// Within which a broker that is stopped in order has to end, in seconds.
const STOP_S: i32 = 60;

/// A broker and controller in one container. The host's port is chosen beforehand: a broker has to name it to its
/// clients, and it must stay the same through a restart.
pub(super) struct Container {
    runtime: Runtime,
    container: Option<ContainerAsync<GenericImage>>,
    port: u16,
}

impl Container {
    pub(super) fn start() -> Outcome<Self> {
        let runtime = Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
        let port = free_port();
        let image = GenericImage::new(IMAGE, TAG)
            .with_wait_for(WaitFor::message_on_stdout("Kafka Server started"))
            .with_mapped_port(port, INSIDE.tcp())
            .with_env_var("KAFKA_NODE_ID", "1")
            .with_env_var("KAFKA_PROCESS_ROLES", "broker,controller")
            .with_env_var(
                "KAFKA_LISTENERS",
                format!("PLAINTEXT://0.0.0.0:{INSIDE},CONTROLLER://localhost:9093"),
            )
            .with_env_var("KAFKA_ADVERTISED_LISTENERS", format!("PLAINTEXT://127.0.0.1:{port}"))
            .with_env_var("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
            .with_env_var("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT")
            .with_env_var("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
            .with_env_var("KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS", "8")
            .with_env_var("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
            .with_env_var("KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS", "8")
            .with_env_var("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
            .with_env_var("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
            .with_env_var("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
            .with_env_var("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false");
        let container = runtime.block_on(image.start()).map_err(|error| format!("{IMAGE}:{TAG}: {error}"))?;
        Ok(Self { runtime, container: Some(container), port })
    }

    pub(super) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn stop(&mut self) -> Outcome {
        self.end(STOP_S)
    }

    pub(super) fn kill(&mut self) -> Outcome {
        self.end(0)
    }

    pub(super) fn restart(&mut self) -> Outcome {
        let container = self.container.as_ref().expect("it is taken only when dropped");
        self.runtime.block_on(container.start()).map_err(|error| format!("{IMAGE}: {error}"))
    }

    /// Ends it; Docker kills it after `grace` seconds.
    fn end(&mut self, grace: i32) -> Outcome {
        let container = self.container.as_ref().expect("it is taken only when dropped");
        let ended = self.runtime.block_on(container.stop_with_timeout(Some(grace)));
        ended.map_err(|error| format!("{IMAGE}: {error}"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            // Nothing can be done about a container that does not go; the daemon still lists it.
            let _ = self.runtime.block_on(container.rm());
        }
    }
}

//! The product's processes: two instances a service, what is done to them, and what they say about themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use e2e::{Outcome, Running, Service, free_port};
use serde_json::Value;
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout};

use crate::blows::{Blow, name};
use crate::ownership::{Part, owned};
use crate::scene::Scene;

/// Instances of each service.
pub(crate) const INSTANCES: usize = 2;
/// For a process to end in order after SIGTERM.
const END_WITHIN: Duration = Duration::from_secs(30);
/// A process that ended by itself is started again after this time, as its supervisor would.
const BY_ITSELF: Duration = Duration::from_secs(2);
/// So many remarks end a run: what it would still show is not worth the time.
const REMARKS: usize = 20;
/// For a look at an instance's metrics.
const LOOK: Duration = Duration::from_millis(1_500);
/// Counters that are summed over all lives of all instances.
pub(crate) const COUNTERS: [&str; 8] = [
    "naru_egress_possibly_twice_total",
    "naru_egress_already_sent_total",
    "naru_egress_doubts_total",
    "naru_egress_retries_total",
    "naru_egress_dead_letters_total",
    "naru_ingress_append_failures_total",
    "naru_late_total",
    "naru_thread_restarts_total",
];
/// Gauges that are nought when nothing is on its way.
const BUSY: [&str; 3] = ["naru_egress_lanes", "naru_held", "naru_unread"];

enum State {
    Up,
    Paused {
        until: Instant,
    },
    /// Told to end in order; `back` is from its end on.
    Ending {
        since: Instant,
        back: Duration,
    },
    Down {
        until: Instant,
    },
}

struct Slot {
    service: Service,
    name: String,
    overrides: Vec<(String, String)>,
    running: Option<Running>,
    state: State,
    counters: BTreeMap<&'static str, f64>,
    /// Gauges that are not nought.
    busy: Vec<String>,
}

/// All processes.
pub(crate) struct Fleet {
    scene: Arc<Scene>,
    slots: Vec<Slot>,
    ingress: [String; INSTANCES],
    /// Counters of lives that are over.
    past: BTreeMap<&'static str, f64>,
    /// What no instance should do: end by itself, or not end in order.
    pub(crate) remarks: Vec<String>,
}

impl Fleet {
    /// Starts all processes and waits until they are ready.
    pub(crate) async fn start(scene: Arc<Scene>) -> Outcome<Self> {
        let ports: Vec<u16> = (0..INSTANCES).map(|_| free_port()).collect();
        let mut slots = Vec::new();
        for service in [Service::Ingress, Service::Processors, Service::Egress] {
            for (nth, port) in ports.iter().enumerate() {
                let mut overrides = Vec::new();
                if service == Service::Ingress {
                    overrides.push(("NARU_INGRESS__LISTEN".to_owned(), format!("127.0.0.1:{port}")));
                }
                slots.push(Slot {
                    service,
                    name: format!("{}-{nth}", name(service)),
                    overrides,
                    running: None,
                    state: State::Up,
                    counters: BTreeMap::new(),
                    busy: Vec::new(),
                });
            }
        }
        let ingress = [0, 1].map(|nth: usize| format!("http://127.0.0.1:{}", ports[nth]));
        let mut fleet = Self { scene, slots, ingress, past: BTreeMap::new(), remarks: Vec::new() };
        for slot in &mut fleet.slots {
            launch(&fleet.scene, slot)?;
        }
        for slot in &mut fleet.slots {
            slot.running.as_mut().expect("it was launched").wait_until_ready().await?;
        }
        Ok(fleet)
    }

    /// Addresses of ingress.
    pub(crate) fn ingress(&self) -> [String; INSTANCES] {
        self.ingress.clone()
    }

    /// What an instance owns now, by the logs of both.
    pub(crate) fn owned_by(&self, service: Service, instance: usize) -> Vec<Part> {
        let logs: Vec<String> = (0..INSTANCES)
            .map(|nth| self.scene.product.log_of(&format!("{}-{nth}", name(service))))
            .map(|log| std::fs::read_to_string(log).unwrap_or_default())
            .collect();
        owned(&logs, instance)
    }

    /// Ends an instance; it comes back after `back`.
    pub(crate) async fn end(
        &mut self,
        service: Service,
        instance: usize,
        in_order: bool,
        back: Duration,
    ) -> Outcome {
        self.look().await;
        let slot = self.slot(service, instance);
        let running = slot.running.as_mut().ok_or("the victim does not run")?;
        if in_order {
            block_in_place(|| running.signal("TERM"))?;
            slot.state = State::Ending { since: Instant::now(), back };
        } else {
            let running = slot.running.take().ok_or("the victim does not run")?;
            block_in_place(|| running.kill9())?;
            self.over(service, instance, Instant::now() + back);
        }
        Ok(())
    }

    /// Stops an instance; it goes on after `time`.
    pub(crate) fn pause(&mut self, service: Service, instance: usize, time: Duration) -> Outcome {
        let slot = self.slot(service, instance);
        let running = slot.running.as_mut().ok_or("the victim does not run")?;
        block_in_place(|| running.signal("STOP"))?;
        slot.state = State::Paused { until: Instant::now() + time };
        Ok(())
    }

    /// Does what is due: continues, starts again, and sees who has ended.
    pub(crate) fn tend(&mut self) -> Outcome {
        if self.remarks.len() > REMARKS {
            return Err(format!("the processes do not stay up: {:?}", self.remarks));
        }
        let now = Instant::now();
        for nth in 0..self.slots.len() {
            let slot = &mut self.slots[nth];
            let ended = slot.running.as_mut().and_then(Running::ended);
            let (service, instance) = (slot.service, nth % INSTANCES);
            match (&slot.state, ended) {
                (State::Ending { back, .. }, Some(code)) => {
                    let back = *back;
                    if code != 0 {
                        self.remarks
                            .push(format!("{} ended with {code} after SIGTERM", self.slots[nth].name));
                    }
                    self.over(service, instance, now + back);
                }
                (State::Ending { since, back }, None) if since.elapsed() > END_WITHIN => {
                    let back = *back;
                    let remark = format!("{} had not ended {END_WITHIN:?} after SIGTERM", slot.name);
                    if let Some(running) = slot.running.take() {
                        block_in_place(|| running.kill9())?;
                    }
                    self.remarks.push(remark);
                    self.over(service, instance, now + back);
                }
                (State::Up | State::Paused { .. }, Some(code)) => {
                    let remark = format!("{} ended by itself with {code}", slot.name);
                    self.remarks.push(remark);
                    self.over(service, instance, now + BY_ITSELF);
                }
                (State::Paused { until }, None) if *until <= now => {
                    if let Some(running) = &mut slot.running {
                        block_in_place(|| running.signal("CONT"))?;
                    }
                    slot.state = State::Up;
                }
                (State::Down { until }, _) if *until <= now => launch(&self.scene, slot)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether both instances of the service that a blow is for run.
    pub(crate) fn all_of_service_up(&self, blow: Blow) -> bool {
        let mine = |slot: &&Slot| blow.service().is_none_or(|service| service == slot.service);
        let is_broker = blow.service().is_none();
        self.slots.iter().filter(mine).all(|slot| is_broker || is_up(slot))
    }

    /// Whether every instance runs.
    pub(crate) fn all_up(&self) -> bool {
        self.slots.iter().all(is_up)
    }

    /// Reads the metrics of those who answer; how much they say is on its way, unless somebody says nothing.
    pub(crate) async fn look(&mut self) -> Option<f64> {
        let mut on_its_way = Some(0.0);
        for slot in &mut self.slots {
            let page = match (&slot.state, &slot.running) {
                (State::Up | State::Ending { .. }, Some(running)) => {
                    timeout(LOOK, running.admin("/metrics")).await.ok().and_then(Result::ok)
                }
                _ => None,
            };
            let Some(page) = page else {
                on_its_way = None;
                continue;
            };
            for counter in COUNTERS {
                slot.counters.insert(counter, sum(&page, counter));
            }
            let busy: f64 = BUSY.iter().map(|gauge| sum(&page, gauge).max(0.0)).sum();
            on_its_way = on_its_way.map(|sum| sum + busy);
            slot.busy = BUSY
                .iter()
                .flat_map(|gauge| lines(&page, gauge))
                .filter(|line| !line.ends_with(" 0"))
                .collect();
        }
        on_its_way
    }

    /// Which gauges said at the last look that something is on its way.
    pub(crate) fn busy(&self) -> Vec<String> {
        let busy =
            |slot: &Slot| slot.busy.iter().map(|line| format!("{}: {line}", slot.name)).collect::<Vec<_>>();
        self.slots.iter().flat_map(busy).collect()
    }

    /// A counter over all instances and all their lives, as far as it was seen: what was counted in the last second
    /// of a life that ended by SIGKILL is not in it.
    pub(crate) fn counted(&self, counter: &str) -> f64 {
        let living: f64 = self.slots.iter().filter_map(|slot| slot.counters.get(counter)).sum();
        living + self.past.get(counter).copied().unwrap_or_default()
    }

    /// Ends everything in order.
    pub(crate) fn stop(self) -> Vec<String> {
        let mut remarks = self.remarks;
        for running in self.slots.into_iter().filter_map(|slot| slot.running) {
            remarks.extend(block_in_place(|| running.stop()).err());
        }
        remarks
    }

    fn slot(&mut self, service: Service, instance: usize) -> &mut Slot {
        let wanted = format!("{}-{instance}", name(service));
        self.slots.iter_mut().find(|slot| slot.name == wanted).expect("every instance has its place")
    }

    /// A life is over: its counters are kept.
    fn over(&mut self, service: Service, instance: usize, until: Instant) {
        let slot = self.slot(service, instance);
        slot.running = None;
        slot.state = State::Down { until };
        for (counter, value) in std::mem::take(&mut slot.counters) {
            *self.past.entry(counter).or_default() += value;
        }
    }
}

fn is_up(slot: &Slot) -> bool {
    matches!(slot.state, State::Up) && slot.running.is_some()
}

fn launch(scene: &Scene, slot: &mut Slot) -> Outcome {
    let overrides: Vec<(&str, &str)> =
        slot.overrides.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    slot.running = Some(scene.product.launch_with(slot.service, &slot.name, &overrides)?);
    slot.state = State::Up;
    Ok(())
}

/// The lines of a metric in a page of Prometheus.
fn lines<'a>(page: &'a str, metric: &'a str) -> impl Iterator<Item = String> + 'a {
    let is_of = move |line: &&str| {
        line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
    };
    page.lines().filter(is_of).map(str::to_owned)
}

/// The sum of a metric over its labels.
fn sum(page: &str, metric: &str) -> f64 {
    lines(page, metric).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// One line of a log, where it is a line of ours.
pub(crate) fn logged(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let page = "# HELP naru_held x\nnaru_held{thread=\"0\"} 3\nnaru_held{thread=\"1\"} 4\nnaru_held_bytes{} 900\n";
        assert!((sum(page, "naru_held") - 7.0).abs() < f64::EPSILON);
        assert!(sum(page, "naru_tasks").abs() < f64::EPSILON);
    }
}
